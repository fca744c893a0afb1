//! Servers on loopback that the attackers call: one that answers and remembers every request head, one that never answers.
//!
//! Easily got wrong: what was *not* received is the point of most rows, so a head is kept before anything is answered.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The body of every answer.
pub const BODY: &str = "body of the server";

/// A server; it stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

/// What is answered to a request.
#[derive(Clone)]
pub enum Answers {
    /// 200 and [`BODY`].
    Well,
    /// 302 to this place.
    Redirect(String),
    /// Nothing, for ever.
    Never,
}

impl Server {
    /// On an address and a port; 0 for any.
    pub fn start(address: [u8; 4], port: u16, answers: Answers) -> std::io::Result<Self> {
        let listener = TcpListener::bind((IpAddr::from(address), port))?;
        let server = Self { address: listener.local_addr()?, heads: Arc::default(), stopped: Arc::default() };
        let (heads, stopped) = (server.heads.clone(), server.stopped.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (heads, stopped, answers) = (heads.clone(), stopped.clone(), answers.clone());
                std::thread::spawn(move || drop(serve(stream, &heads, &stopped, &answers)));
            }
        });
        Ok(server)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, heads: &Mutex<Vec<String>>, stopped: &AtomicBool, answers: &Answers) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = Vec::new();
    let mut piece = [0; 4_096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => break,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let first = match answers {
        Answers::Well => "HTTP/1.1 200 OK".to_owned(),
        Answers::Redirect(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}"),
        Answers::Never => {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return Ok(());
        }
    };
    write!(stream, "{first}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}", BODY.len())
}
