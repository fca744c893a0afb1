//! Answers that are none: late, never, of a wrong length, illegal, or broken off in the middle.

use wasip3::clocks::monotonic_clock::wait_for;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

use crate::{begun, number, read, text};

const HOUR_NS: u64 = 3_600_000_000_000;

pub(crate) async fn handle(path: &str, request: Request) -> Result<Response, ErrorCode> {
    match path {
        "/loops" => spin(),
        "/sleeps" => wait_for(HOUR_NS).await,
        "/waits-for-nobody" => std::future::pending().await,
        "/traps" => trap(),
        "/error" => return Err(ErrorCode::InternalError(Some("secret".to_owned()))),
        "/traps-in-the-middle" => return Ok(part(|| Box::pin(async { trap() }))),
        "/loops-in-the-middle" => return Ok(part(|| Box::pin(async { spin() }))),
        "/sleeps-in-the-middle" => return Ok(part(|| Box::pin(wait_for(HOUR_NS)))),
        "/breaks-in-the-middle" => {
            let (response, mut body, trailers) = begun(200, &[]);
            spawn_local(async move {
                body.write_all(b"part".to_vec()).await;
                drop(body);
                drop(trailers.write(Err(ErrorCode::InternalError(None))).await);
            });
            return Ok(response);
        }
        "/forgotten" => {
            let (response, body, trailers) = begun(200, &[]);
            std::mem::forget((body, trailers));
            return Ok(response);
        }
        "/too-short" => return Ok(of_length("10", b"part")),
        "/too-long" => return Ok(of_length("2", b"part")),
        "/whatever-came" => {
            let (response, mut body, trailers) = begun(200, &[]);
            spawn_local(async move {
                body.write_all(b"part".to_vec()).await;
                // That the request broke is not said.
                let _ = read(request).await;
                drop((body, trailers));
            });
            return Ok(response);
        }
        "/length-without-body" => return Ok(length_without_body(200)),
        "/connection" => return Ok(forbidden("connection")),
        "/transfer-encoding" => return Ok(forbidden("transfer-encoding")),
        "/two-lengths" => {
            let fields = Fields::new();
            let both = ["4", "5"].map(|length| fields.append("content-length", length.as_bytes()));
            return Ok(text(format!("{both:?}")));
        }
        path if path.starts_with("/trailers/") => {
            let (response, body, trailers) = begun(200, &[]);
            let fields: Vec<_> = (0..number(path, "/trailers/")).map(|number| (format!("x-{number}"), b"1".to_vec())).collect();
            spawn_local(async move {
                drop(body);
                let fields = Fields::from_list(&fields).expect("fields that may be set");
                drop(trailers.write(Ok(Some(fields))).await);
            });
            return Ok(response);
        }
        path if path.starts_with("/length-with-status/") => {
            return Ok(length_without_body(u16::try_from(number(path, "/length-with-status/")).expect("a status")));
        }
        "/request-id" => return Ok(begun(200, &[("x-request-id", "mine")]).0),
        path => {
            let status = path.strip_prefix("/status/").and_then(|status| status.parse().ok()).unwrap_or(404);
            let (response, ..) = begun(200, &[]);
            // One that the host takes for none leaves the 200.
            if response.set_status_code(status).is_err() {
                return Err(ErrorCode::InternalError(Some("secret".to_owned())));
            }
            return Ok(response);
        }
    }
    Ok(text("too late".to_owned()))
}

type Then = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Begins an answer, and then does something else.
fn part(then: impl FnOnce() -> Then + 'static) -> Response {
    let (response, mut body, trailers) = begun(200, &[]);
    spawn_local(async move {
        body.write_all(b"part".to_vec()).await;
        then().await;
        drop((body, trailers));
    });
    response
}

fn trap() {
    std::process::abort();
}

pub(crate) fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// Announces one length and writes another.
fn of_length(announced: &str, written: &'static [u8]) -> Response {
    let (response, mut body, trailers) = begun(200, &[("content-length", announced)]);
    spawn_local(async move {
        body.write_all(written.to_vec()).await;
        drop((body, trailers));
    });
    response
}

/// Tells by its status whether a header could be set: 500 where it could.
fn forbidden(name: &str) -> Response {
    let status = if Fields::new().append(name, b"close").is_err() { 200 } else { 500 };
    begun(status, &[]).0
}

fn length_without_body(status: u16) -> Response {
    let fields = Fields::from_list(&[("content-length".to_owned(), b"5".to_vec())]).expect("a header that may be set");
    let (_, after) = wit_future::new(|| Ok(None));
    let response = Response::new(fields, None, after).0;
    response.set_status_code(status).expect("a status");
    response
}

/// As many ends of streams as it gets.
pub(crate) fn streams() {
    loop {
        std::mem::forget(wit_stream::new::<u8>());
    }
}
