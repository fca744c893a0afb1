//! The smallest client that asks the shop over HTTP: one connection a request, JSON both ways.
//!
//! Not here: anything a general client needs (redirects, chunks, reuse). Easily got wrong: an answer that ends before its length is an error,
//! not a short answer, because the demonstration counts requests that were lost.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The status and the body.
pub(crate) type Answer = (u16, Value);

/// `POST` with a JSON body.
pub(crate) async fn post(server: SocketAddr, path: &str, body: &Value) -> io::Result<Answer> {
    send(server, "POST", path, &body.to_string()).await
}

/// `GET`.
pub(crate) async fn get(server: SocketAddr, path: &str) -> io::Result<Answer> {
    send(server, "GET", path, "").await
}

async fn send(server: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer).await?;
    read(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no whole answer: `{}`", answer.escape_debug())))
}

/// Status and body of a whole answer with a length.
fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (first, fields) = head.split_once("\r\n")?;
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let mut fields = fields.split("\r\n").filter_map(|field| field.split_once(": "));
    let (_, length) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    (length.parse() == Ok(body.len())).then_some((status, serde_json::from_str(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_answer_is_read() {
        let answer = read("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(answer, Some((200, serde_json::json!({}))));
    }

    #[test]
    fn an_answer_that_was_cut_is_none() {
        for text in
            ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 2"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
