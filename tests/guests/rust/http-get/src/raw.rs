//! Requests in every shape a test wants, sound or not: `raw wasi METHOD URL KEY=VALUE…` and `raw fetch METHOD URL KEY=VALUE…`.
//!
//! Keys: `header:NAME`, `headers` (so many of them), `body` (bytes written), `length` (announced), `trailer:NAME`, `path`, `first` and
//! `between` (timeouts in milliseconds), `unfinished` (the body is left open). What the host refuses is told as it was told to us.

use plugwork_guest::fetch::Request;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, FutureIncomingResponse, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};

use crate::streaming::{answer, parsed};

#[derive(Default)]
struct Shape {
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
    body: Option<usize>,
    path: Option<String>,
    first_ms: Option<u64>,
    between_ms: Option<u64>,
    unfinished: bool,
}

impl Shape {
    fn read(words: &[&str]) -> Self {
        let mut shape = Self::default();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let pair = |name: &str| (name.to_owned(), value.to_owned());
            match key.split_once(':').unwrap_or((key, "")) {
                ("header", name) => shape.headers.push(pair(name)),
                ("trailer", name) => shape.trailers.push(pair(name)),
                ("headers", _) => {
                    let count: usize = value.parse().unwrap_or(0);
                    shape.headers.extend((0..count).map(|number| (format!("x-{number}"), "v".to_owned())));
                }
                ("body", _) => shape.body = value.parse().ok(),
                ("length", _) => shape.headers.push(pair("content-length")),
                ("path", _) => shape.path = Some(value.to_owned()),
                ("first", _) => shape.first_ms = value.parse().ok(),
                ("between", _) => shape.between_ms = value.parse().ok(),
                _ => shape.unfinished = true,
            }
        }
        shape
    }
}

/// Sends one through `plugwork:host/fetch`.
pub(crate) fn fetch(method: &str, url: &str, words: &[&str]) -> Result<String, String> {
    let shape = Shape::read(words);
    let mut request = Request::new(method, url);
    for (name, value) in shape.headers {
        request = request.header(name, value);
    }
    if let Some(bytes) = shape.body {
        request = request.body(vec![b'y'; bytes]);
    }
    if let Some(timeout_ms) = shape.first_ms {
        request = request.timeout_ms(u32::try_from(timeout_ms).unwrap_or(u32::MAX));
    }
    crate::one(request)
}

/// Sends one through wasi:http.
pub(crate) fn wasi(method: &str, url: &str, words: &[&str]) -> Result<String, String> {
    let shape = Shape::read(words);
    let (request, body) = prepare(method, url, &shape)?;
    let options = RequestOptions::new();
    let named = |outcome: Result<(), ()>| outcome.map_err(|()| "no such timeout".to_owned());
    named(options.set_first_byte_timeout(shape.first_ms.map(|ms| ms * 1_000_000)))?;
    named(options.set_between_bytes_timeout(shape.between_ms.map(|ms| ms * 1_000_000)))?;
    let pending = outgoing_handler::handle(request, Some(options)).map_err(|code| format!("{code:?}"))?;
    let written = write(&body, shape.body.unwrap_or(0));
    if shape.unfinished {
        return answer(&pending);
    }
    let trailers = match shape.trailers.is_empty() {
        true => None,
        false => Some(fields(&shape.trailers)?),
    };
    let finished = OutgoingBody::finish(body, trailers).map_err(|code| format!("{code:?}"));
    let answered = answer(&pending);
    written.and(finished).and(answered)
}

/// Opens so many requests at once; the codes of those that have no answer after a second are `open`.
pub(crate) fn open(count: usize, url: &str) -> Result<String, String> {
    let opened: Vec<_> = (0..count).map(|_| begin(url)).collect::<Result<_, _>>()?;
    let soon = wasip2::clocks::monotonic_clock::subscribe_duration(1_000_000_000);
    let told = opened.iter().map(|pending| match pending {
        Ok(pending) => {
            let ready = pending.subscribe();
            wasip2::io::poll::poll(&[&ready, &soon]);
            match pending.get() {
                None => "open".to_owned(),
                Some(Ok(Ok(response))) => response.status().to_string(),
                Some(Ok(Err(code))) => format!("{code:?}"),
                Some(Err(())) => "taken".to_owned(),
            }
        }
        Err(code) => code.clone(),
    });
    Ok(told.collect::<Vec<_>>().join(" "))
}

fn begin(url: &str) -> Result<Result<FutureIncomingResponse, String>, String> {
    let (request, body) = prepare("GET", url, &Shape::default())?;
    let pending = outgoing_handler::handle(request, None).map_err(|code| format!("{code:?}"));
    OutgoingBody::finish(body, None).map_err(|code| format!("{code:?}"))?;
    Ok(pending)
}

fn prepare(method: &str, url: &str, shape: &Shape) -> Result<(OutgoingRequest, OutgoingBody), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(fields(&shape.headers)?);
    let refused = |what: &str| format!("the {what} was not taken");
    request.set_method(&parsed(method)).map_err(|()| refused("method"))?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| refused("authority"))?;
    let path = shape.path.as_deref().unwrap_or(if path.is_empty() { "/" } else { path });
    request.set_path_with_query(Some(path)).map_err(|()| refused("path"))?;
    let body = request.body().map_err(|()| refused("body"))?;
    Ok((request, body))
}

fn fields(pairs: &[(String, String)]) -> Result<Fields, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    Fields::from_list(&pairs).map_err(|error| format!("{error:?}"))
}

fn write(body: &OutgoingBody, bytes: usize) -> Result<(), String> {
    if bytes == 0 {
        return Ok(());
    }
    let stream = body.write().map_err(|()| "the body was taken twice".to_owned())?;
    let mut left = bytes;
    while left > 0 {
        let now = left.min(4_096);
        stream.blocking_write_and_flush(&vec![b'y'; now]).map_err(|error| format!("{error:?} with {left} bytes left"))?;
        left -= now;
    }
    Ok(())
}
