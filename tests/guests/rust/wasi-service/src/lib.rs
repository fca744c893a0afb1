//! A component of `wasi:http/service` 0.3 as anybody would write it for any host: no crate of plugwork is in it, and no `plugin.toml` beside it.
//!
//! The path says what it does. The good ways are here, the bad ones in `bad`, what it leaves behind in `leaves`. Easily got wrong: several requests may be
//! in one instance at once, so what is counted here is counted over all of them.

mod bad;
mod leaves;

use std::cell::Cell;

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::rt::async_support::{FutureWriter, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Service;

wasip3::http::service::export!(Service);

/// What is written after a body: trailers, or why it is broken.
type Trailers = FutureWriter<Result<Option<Fields>, ErrorCode>>;

thread_local! {
    /// Requests that this instance was given.
    static GIVEN: Cell<u32> = const { Cell::new(0) };
    /// Requests that wait in it for others.
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        GIVEN.set(GIVEN.get() + 1);
        let path = request.get_path_with_query().unwrap_or_default();
        match path.as_str() {
            "/hello" => Ok(text("hello from a component that knows only WASI\n".to_owned())),
            "/count" => Ok(text(GIVEN.get().to_string())),
            "/echo" => Ok(echo(request)),
            "/pass" => Ok(pass(request)),
            "/said" => Ok(said(&request)),
            "/length" => Ok(text(read(request).await.expect("a body that ends").to_string())),
            "/flood" => Ok(flood()),
            path if path.starts_with("/together/") => Ok(together(number(path, "/together/")).await),
            path if path.starts_with("/slow/") => {
                wait_for(u64::from(number(path, "/slow/")) * 1_000_000).await;
                Ok(text("at last".to_owned()))
            }
            path if path.starts_with("/leaves/") => Ok(leaves::handle(&path["/leaves/".len()..])),
            path => bad::handle(path, request).await,
        }
    }
}

fn number(path: &str, prefix: &str) -> u32 {
    path[prefix.len()..].parse().expect("a number")
}

/// A response with these headers, its body begun.
fn begun(status: u16, headers: &[(&str, &str)]) -> (Response, StreamWriter<u8>, Trailers) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("a header that may be set");
    }
    let (body, reader) = wit_stream::new();
    let (trailers, after) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(fields, Some(reader), after);
    response.set_status_code(status).expect("a status");
    (response, body, trailers)
}

/// A response of this text, which is written after its head was given.
fn text(text: String) -> Response {
    let (response, mut body, trailers) = begun(200, &[("content-type", "text/plain; charset=utf-8")]);
    spawn_local(async move {
        body.write_all(text.into_bytes()).await;
        drop(body);
        drop(trailers);
    });
    response
}

/// Piece by piece, each as it comes, and the trailers after them.
fn echo(request: Request) -> Response {
    let (_, done) = wit_future::new(|| Ok(()));
    let (mut from, after) = Request::consume_body(request, done);
    let (response, mut to, trailers) = begun(200, &[("trailer", "x-sum")]);
    spawn_local(async move {
        loop {
            let (result, piece) = from.read(Vec::with_capacity(16_384)).await;
            if !piece.is_empty() && !to.write_all(piece).await.is_empty() {
                return;
            }
            if result == StreamResult::Dropped {
                break;
            }
        }
        drop(to);
        let came = after.await;
        // Those that came may not be changed, so they are copied.
        let copied = came.map(|came| came.map(|fields| Fields::from_list(&fields.copy_all()).expect("fields that were fields")));
        // Nobody listens where the client is gone.
        drop(trailers.write(copied).await);
    });
    response
}

/// The request's own body as the answer's: no byte of it comes in here.
fn pass(request: Request) -> Response {
    let (_, done) = wit_future::new(|| Ok(()));
    let (body, after) = Request::consume_body(request, done);
    Response::new(Fields::new(), Some(body), after).0
}

/// The request as it arrived: scheme, authority, then its headers.
fn said(request: &Request) -> Response {
    let mut told = format!("{:?} {}\n", request.get_scheme(), request.get_authority().unwrap_or_default());
    for (name, value) in request.get_headers().copy_all() {
        told.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(&value)));
    }
    text(told)
}

/// Reads a body and gives its length; none where it broke.
async fn read(request: Request) -> Option<usize> {
    let (_, done) = wit_future::new(|| Ok(()));
    let (mut from, after) = Request::consume_body(request, done);
    let mut length = 0;
    loop {
        let (result, piece) = from.read(Vec::with_capacity(16_384)).await;
        length += piece.len();
        if result == StreamResult::Dropped {
            break;
        }
    }
    after.await.ok().map(|_| length)
}

/// 256 MiB: more than lies between the two ends of a connection.
fn flood() -> Response {
    let (response, mut body, trailers) = begun(200, &[]);
    spawn_local(async move {
        for _ in 0..4_096 {
            if !body.write_all(vec![b'x'; 65_536]).await.is_empty() {
                return;
            }
        }
        drop((body, trailers));
    });
    response
}

/// Answers as soon as so many are in this instance at once.
async fn together(count: u32) -> Response {
    WAITING.set(WAITING.get() + 1);
    while WAITING.get() < count {
        wait_for(1_000_000).await;
    }
    text(format!("{} of {}", count, GIVEN.get()))
}
