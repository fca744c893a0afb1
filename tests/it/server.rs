//! A web server on the loopback address, for one test: a few paths, and a list of what was asked for.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Bytes that `/big` answers.
pub(crate) const BIG_BYTES: usize = 3 << 20;

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    host: Ipv4Addr,
    seen: Arc<Mutex<Seen>>,
    /// How many more of `/held` are answered.
    held: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: usize,
    asked: Vec<String>,
    heads: Vec<String>,
    at_once: usize,
    at_once_most: usize,
}

impl Server {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, 0).await
    }

    /// Starts on a port of one loopback address; 0: a free one.
    pub(crate) async fn start_at(host: Ipv4Addr, port: u16) -> Self {
        let listener = TcpListener::bind((host, port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let held = Arc::new(Semaphore::new(0));
        let (log, gate) = (seen.clone(), held.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, gate) = (log.clone(), gate.clone());
                log.lock().unwrap().connections += 1;
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    // A client that goes away in the middle is what some tests are about.
                    while serve(&mut stream, port, &log, &gate).await.is_ok_and(|more| more) {}
                });
            }
        });
        Self { port, host, seen, held, accepting }
    }

    /// The address of one of its paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}:{}{path}", self.host, self.port)
    }

    /// What was asked for so far: `GET /hello`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// Answers one request for `/held`.
    pub(crate) fn answer_one(&self) {
        self.held.add_permits(1);
    }

    /// The heads of all requests so far, as they came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// The most requests that were served at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.seen.lock().unwrap().at_once_most
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request less is being served, however it ended.
struct Served<'a>(&'a Mutex<Seen>);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().at_once -= 1;
    }
}

/// Serves one request; whether the connection stays.
async fn serve(stream: &mut BufReader<TcpStream>, port: u16, seen: &Mutex<Seen>, held: &Semaphore) -> std::io::Result<bool> {
    let mut head = String::new();
    if stream.read_line(&mut head).await? == 0 {
        return Ok(false);
    }
    let mut words = head.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut body = Body::None;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        head.push_str(&header);
        let (name, value) = header.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" => break,
            "content-length" => body = Body::Bytes(value.trim().parse().unwrap()),
            "transfer-encoding" => body = Body::Chunks,
            _ => {}
        }
    }
    {
        let mut seen = seen.lock().unwrap();
        seen.asked.push(format!("{method} {path}"));
        seen.heads.push(head);
        seen.at_once += 1;
        seen.at_once_most = seen.at_once_most.max(seen.at_once);
    }
    let served = Served(seen);
    if path == "/kept" {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkept").await?;
        return Ok(true);
    }
    let answer = |status: &str, more: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n")
    };
    if path == "/held" {
        held.acquire().await.expect("it is never closed").forget();
    }
    match path.as_str() {
        "/hello" | "/held" => {
            // Whoever has the whole answer may ask again before this is let go of.
            drop(served);
            stream.write_all(format!("{}hello", answer("200 OK", "", 5)).as_bytes()).await?;
        }
        "/count" => {
            let count = body.count(stream).await?.to_string();
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
        path if path.starts_with("/to?") => {
            let location = format!("location: {}\r\n", &path["/to?".len()..]);
            stream.write_all(answer("302 Found", &location, 0).as_bytes()).await?;
        }
        "/head-of-a-megabyte" => stream.write_all(answer("200 OK", &format!("x: {}\r\n", "v".repeat(1 << 20)), 0).as_bytes()).await?,
        "/many-headers" => stream.write_all(answer("200 OK", &"x: v\r\n".repeat(500), 0).as_bytes()).await?,
        "/two-lengths" => stream.write_all(answer("200 OK", "content-length: 7\r\n", 5).as_bytes()).await?,
        "/switches" => stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").await?,
        "/zipped" => stream.write_all(format!("{}\x1f\u{8}zip", answer("200 OK", "content-encoding: gzip\r\n", 5)).as_bytes()).await?,
        // A body that never ends, a byte at a time would be a test that sleeps: this one begins and waits.
        "/stalls" => {
            stream.write_all(format!("{}half", answer("200 OK", "", 8)).as_bytes()).await?;
            std::future::pending::<()>().await;
        }
        "/breaks" => stream.write_all(format!("{}half", answer("200 OK", "", 8)).as_bytes()).await?,
        "/never" => std::future::pending().await,
        _ => stream.write_all(answer("404 Not Found", "", 0).as_bytes()).await?,
    }
    stream.shutdown().await?;
    Ok(false)
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
