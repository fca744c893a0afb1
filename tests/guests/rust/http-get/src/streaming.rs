//! One exchange over wasi:http 0.2, bodies written and read as streams.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::streams::StreamError;

use crate::line;

/// Sends `method url`; the error is wasi:http's own error code as it prints.
pub(crate) fn exchange(method: &str, url: &str, first_byte_timeout_ms: Option<u64>) -> Result<String, String> {
    let (request, body) = request(method, url)?;
    let options = RequestOptions::new();
    if let Some(timeout_ms) = first_byte_timeout_ms {
        options.set_first_byte_timeout(Some(timeout_ms * 1_000_000)).map_err(|()| "no such timeout".to_owned())?;
    }
    let pending = outgoing_handler::handle(request, Some(options)).map_err(|code| format!("{code:?}"))?;
    OutgoingBody::finish(body, None).map_err(|code| format!("{code:?}"))?;
    answer(&pending)
}

/// Sends so many bytes, as a stream, and waits for the answer.
pub(crate) fn upload(url: &str, bytes: usize) -> Result<String, String> {
    let (request, body) = request("POST", url)?;
    let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"))?;
    let stream = body.write().map_err(|()| "the body was taken twice".to_owned())?;
    let mut left = bytes;
    while left > 0 {
        // What WASI allows in one blocking write.
        let now = left.min(4_096);
        stream.blocking_write_and_flush(&vec![b'y'; now]).map_err(|error| format!("{error:?} with {left} bytes left"))?;
        left -= now;
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| format!("{code:?}"))?;
    answer(&pending)
}

fn request(method: &str, url: &str) -> Result<(OutgoingRequest, OutgoingBody), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(Fields::new());
    let said = |()| format!("`{method} {url}` was not taken");
    request.set_method(&parsed(method)).map_err(said)?;
    request.set_scheme(Some(if scheme == "https" { &Scheme::Https } else { &Scheme::Http })).map_err(said)?;
    request.set_authority(Some(authority)).map_err(said)?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(said)?;
    let body = request.body().map_err(said)?;
    Ok((request, body))
}

/// Waits for the answer and reads it to its end.
pub(crate) fn answer(pending: &FutureIncomingResponse) -> Result<String, String> {
    pending.subscribe().block();
    let response = match pending.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(format!("{code:?}")),
        _ => return Err("the answer was taken twice".to_owned()),
    };
    let location = response.headers().get("location").first().map(|value| String::from_utf8_lossy(value).into_owned());
    let status = response.status();
    let body = response.consume().map_err(|()| "the body was taken twice".to_owned())?;
    let bytes = read(&body)?;
    drop(IncomingBody::finish(body));
    Ok(line(status, location.as_deref(), &bytes))
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, String> {
    let stream = body.stream().map_err(|()| "the body was taken twice".to_owned())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => return Err(format!("{error:?} after {} bytes", bytes.len())),
        }
    }
}

/// The method as wasi:http has it.
pub(crate) fn parsed(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    }
}
