//! Sends the requests that a test asks for: `wasi METHOD URL` through wasi:http, `fetch METHOD URL …` and `fetch-all URL …`
//! through `plugwork:host/fetch`, `wasi-upload URL BYTES`, `fetch-upload URL BYTES`, `wasi-open COUNT URL`, and `raw …` (see `raw`).
//!
//! Each answer is a line `status location bytes beginning`; an error is what the guest was told.

plugwork_guest::bindings!("../../wit");

mod raw;
mod streaming;

use plugwork_guest::fetch::{self, Request, Response};

/// The guest.
pub struct HttpGet;

impl probe::Guest for HttpGet {
    fn run(arguments: Vec<String>) -> Result<String, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            ["wasi", method, url] => streaming::exchange(method, url, None),
            ["wasi", method, url, first_byte_timeout_ms] => streaming::exchange(method, url, first_byte_timeout_ms.parse().ok()),
            ["wasi-upload", url, bytes] => streaming::upload(url, bytes.parse().unwrap_or(1)),
            ["fetch-upload", url, bytes] => one(Request::new("POST", *url).body(vec![b'y'; bytes.parse().unwrap_or(1)])),
            ["fetch", method, url] => one(Request::new(*method, *url)),
            ["fetch", method, url, timeout_ms] => one(Request::new(*method, *url).timeout_ms(timeout_ms.parse().unwrap_or(1))),
            ["fetch-all", urls @ ..] => {
                let requests: Vec<_> = urls.iter().map(|url| Request::get(*url)).collect();
                Ok(fetch::send_all(&requests)
                    .into_iter()
                    .map(said)
                    .map(|line| line.unwrap_or_else(|why| why))
                    .collect::<Vec<_>>()
                    .join("\n"))
            }
            ["raw", "wasi", method, url, shape @ ..] => raw::wasi(method, url, shape),
            ["raw", "fetch", method, url, shape @ ..] => raw::fetch(method, url, shape),
            ["wasi-open", count, url] => raw::open(count.parse().unwrap_or(1), url),
            other => Err(format!("`{other:?}` is nothing this guest does")),
        }
    }
}

pub(crate) fn one(request: Request) -> Result<String, String> {
    said(fetch::send(request))
}

fn said(answer: plugwork_guest::Result<Response>) -> Result<String, String> {
    match answer {
        Ok(response) => Ok(line(response.status, response.header("location"), &response.body)),
        Err(refusal) => Err(format!("{refusal:?}")),
    }
}

/// What came back, in one line.
pub(crate) fn line(status: u16, location: Option<&str>, body: &[u8]) -> String {
    let beginning = String::from_utf8_lossy(&body[..body.len().min(24)]).into_owned();
    format!("{status} {} {} {beginning}", location.unwrap_or("-"), body.len())
}

plugwork_guest::export!(HttpGet: probe);
