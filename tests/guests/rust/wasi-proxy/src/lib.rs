//! A component of `wasi:http/proxy` as anybody would write it for any host: no crate of plugwork is in it, and no `plugin.toml` beside it.
//!
//! The path says what it does. The good ways are here, the bad ones in `bad`.

mod bad;

use wasip2::http::types::{Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::StreamError;

struct Proxy;

wasip2::http::proxy::export!(Proxy);

impl wasip2::exports::http::incoming_handler::Guest for Proxy {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match path.as_str() {
            "/echo" => echo(&request, answer),
            "/said" => said(&request, answer),
            "/length" => length(&request, answer),
            "/flood" => flood(answer),
            "/hello" => text(answer, "hello from a component that knows only WASI\n"),
            path => bad::handle(path, &request, answer),
        }
    }
}

/// A response with these headers, its body begun.
fn begun(answer: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OutgoingBody {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("a header that may be set");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the first time");
    ResponseOutparam::set(answer, Ok(response));
    body
}

fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = body.write().expect("the first time");
    bytes.chunks(4_096).try_for_each(|piece| stream.blocking_write_and_flush(piece))
}

fn text(answer: ResponseOutparam, text: &str) {
    let body = begun(answer, 200, &[("content-type", "text/plain; charset=utf-8")]);
    write(&body, text.as_bytes()).expect("somebody who reads");
    OutgoingBody::finish(body, None).expect("a body that ends");
}

/// Piece by piece, each as it comes, and the trailers after them.
fn echo(request: &IncomingRequest, answer: ResponseOutparam) {
    let incoming = request.consume().expect("the first time");
    let body = begun(answer, 200, &[("trailer", "x-sum")]);
    let (from, to) = (incoming.stream().expect("the first time"), body.write().expect("the first time"));
    loop {
        match from.blocking_read(65_536) {
            Ok(piece) => {
                for piece in piece.chunks(4_096) {
                    if to.blocking_write_and_flush(piece).is_err() {
                        return;
                    }
                }
            }
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
    drop((from, to));
    let trailers = IncomingBody::finish(incoming);
    trailers.subscribe().block();
    let trailers = trailers.get().and_then(Result::ok).and_then(Result::ok).flatten();
    // Those that came may not be changed, so they are copied.
    let copied = trailers.map(|trailers| Fields::from_list(&trailers.entries()).expect("fields that were fields"));
    OutgoingBody::finish(body, copied).expect("a body that ends");
}

/// The request as it arrived: scheme, authority, then its headers.
fn said(request: &IncomingRequest, answer: ResponseOutparam) {
    let mut told = format!("{:?} {}\n", request.scheme(), request.authority().unwrap_or_default());
    for (name, value) in request.headers().entries() {
        told.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    text(answer, &told);
}

/// How long the request's body is, once all of it has come.
fn length(request: &IncomingRequest, answer: ResponseOutparam) {
    let length = read(request).expect("a body that ends");
    text(answer, &length.to_string());
}

/// Reads a body and gives its length; none where it broke.
fn read(request: &IncomingRequest) -> Option<usize> {
    let incoming = request.consume().expect("the first time");
    let from = incoming.stream().expect("the first time");
    let mut length = 0;
    loop {
        match from.blocking_read(65_536) {
            Ok(piece) => length += piece.len(),
            Err(StreamError::Closed) => return Some(length),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
}

/// 256 MiB: more than lies between the two ends of a connection.
fn flood(answer: ResponseOutparam) {
    let body = begun(answer, 200, &[]);
    let stream = body.write().expect("the first time");
    let written = (0..65_536).try_for_each(|_| stream.blocking_write_and_flush(&[b'x'; 4_096]));
    drop(stream);
    if written.is_ok() {
        OutgoingBody::finish(body, None).expect("a body that ends");
    }
}
