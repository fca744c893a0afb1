//! A web server on the loopback address, for one test: a few paths, and a list of what was asked for.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
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
    let mut body = Body::None;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "content-length" => body = Body::Bytes(value.trim().parse().unwrap()),
            "transfer-encoding" => body = Body::Chunks,
            _ => {}
        }
    }
    let answer = |status: &str, more: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n")
    };
    match path.as_str() {
        "/hello" => stream.write_all(format!("{}hello", answer("200 OK", "", 5)).as_bytes()).await?,
        "/count" => {
            let count = body.count(&mut stream).await?.to_string();
            stream.write_all(format!("{}{count}", answer("200 OK", "", count.len())).as_bytes()).await?;
        }
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

/// How the body of a request is delimited.
enum Body {
    None,
    Bytes(usize),
    Chunks,
}

impl Body {
    /// Reads it to its end; how many bytes it has.
    async fn count(self, stream: &mut BufReader<TcpStream>) -> std::io::Result<usize> {
        match self {
            Self::None => Ok(0),
            Self::Bytes(bytes) => stream.read_exact(&mut vec![0; bytes]).await,
            Self::Chunks => {
                let mut count = 0;
                loop {
                    let mut size = String::new();
                    stream.read_line(&mut size).await?;
                    let size = usize::from_str_radix(size.trim(), 16).unwrap();
                    // A chunk ends with a line's end, the last one, which is empty, too.
                    stream.read_exact(&mut vec![0; size + 2]).await?;
                    if size == 0 {
                        return Ok(count);
                    }
                    count += size;
                }
            }
        }
    }
}
