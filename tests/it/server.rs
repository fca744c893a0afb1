//! A web server on the loopback address, for one test: a few paths, and a list of what was asked for.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes that `/big` answers.
pub(crate) const BIG_BYTES: usize = 3 << 20;

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = log.clone();
                tokio::spawn(async move {
                    // A client that goes away in the middle is what some tests are about.
                    let _ = serve(stream, port, &log).await;
                });
            }
        });
        Self { port, asked, accepting }
    }

    /// The address of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What was asked for so far: `GET /hello`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(stream: TcpStream, port: u16, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    asked.lock().unwrap().push(format!("{method} {path}"));
    let mut header = String::new();
    while stream.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let answer = |status: &str, more: &str, length: usize| format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n");
    match path.as_str() {
        "/hello" => stream.write_all(format!("{}hello", answer("200 OK", "", 5)).as_bytes()).await?,
        "/redirect" => {
            let location = format!("location: http://127.0.0.1:{port}/secret\r\n");
            stream.write_all(answer("302 Found", &location, 0).as_bytes()).await?;
        }
        "/big" => {
            stream.write_all(answer("200 OK", "", BIG_BYTES).as_bytes()).await?;
            stream.write_all(&vec![b'x'; BIG_BYTES]).await?;
        }
        // A body that never ends, a byte at a time would be a test that sleeps: this one begins and waits.
        "/stalls" => {
            stream.write_all(format!("{}half", answer("200 OK", "", 8)).as_bytes()).await?;
            std::future::pending::<()>().await;
        }
        "/breaks" => stream.write_all(format!("{}half", answer("200 OK", "", 8)).as_bytes()).await?,
        "/never" => std::future::pending().await,
        _ => stream.write_all(answer("404 Not Found", "", 0).as_bytes()).await?,
    }
    stream.shutdown().await
}
