//! Answers that are none: late, never, of a wrong length, illegal, or broken off in the middle.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::{begun, read, write};

pub(crate) fn handle(path: &str, request: &IncomingRequest, answer: ResponseOutparam) {
    match path {
        "/never" => {}
        "/loops" => spin(),
        "/sleeps" => subscribe_duration(3_600_000_000_000).block(),
        "/traps" => trap(),
        "/error" => ResponseOutparam::set(answer, Err(ErrorCode::InternalError(Some("secret".to_owned())))),
        "/traps-in-the-middle" => {
            part(answer);
            trap();
        }
        "/loops-in-the-middle" => {
            part(answer);
            spin();
        }
        "/sleeps-in-the-middle" => {
            let body = begun(answer, 200, &[]);
            write(&body, b"part").expect("somebody who reads");
            subscribe_duration(3_600_000_000_000).block();
        }
        "/unfinished" => {
            let body = begun(answer, 200, &[]);
            write(&body, b"part").expect("somebody who reads");
        }
        "/forgotten" => part(answer),
        "/too-short" => {
            let body = begun(answer, 200, &[("content-length", "10")]);
            write(&body, b"part").expect("somebody who reads");
            OutgoingBody::finish(body, None).expect_err("less than was announced");
        }
        "/too-long" => {
            let body = begun(answer, 200, &[("content-length", "2")]);
            write(&body, b"part").expect_err("more than was announced");
        }
        "/finished-too-early" => {
            let body = begun(answer, 200, &[]);
            let stream = body.write().expect("the first time");
            stream.blocking_write_and_flush(b"part").expect("somebody who reads");
            // Its stream is still there, which is a trap.
            OutgoingBody::finish(body, None).expect("a body that ends");
        }
        "/whatever-came" => {
            let body = begun(answer, 200, &[]);
            write(&body, b"part").expect("somebody who reads");
            let _ = read(request);
            // That the request broke is not said.
            OutgoingBody::finish(body, None).expect("a body that ends");
        }
        "/length-without-body" => length_without_body(answer, 200),
        "/goes-on" => {
            let body = begun(answer, 200, &[("content-length", "4")]);
            write(&body, b"done").expect("somebody who reads");
            OutgoingBody::finish(body, None).expect("a body that ends");
            subscribe_duration(20_000_000).block();
        }
        "/connection" => forbidden(answer, "connection"),
        "/transfer-encoding" => forbidden(answer, "transfer-encoding"),
        path if path.starts_with("/trailers/") => {
            let count = path["/trailers/".len()..].parse().expect("how many");
            let trailers: Vec<_> = (0..count).map(|number: u32| (format!("x-{number}"), b"1".to_vec())).collect();
            let trailers = Fields::from_list(&trailers).expect("fields that may be set");
            OutgoingBody::finish(begun(answer, 200, &[]), Some(trailers)).expect("a body that ends");
        }
        path if path.starts_with("/length-with-status/") => {
            length_without_body(answer, path["/length-with-status/".len()..].parse().expect("a status"));
        }
        "/request-id" => drop(begun(answer, 200, &[("x-request-id", "mine")])),
        path => {
            let status = path.strip_prefix("/status/").and_then(|status| status.parse().ok()).unwrap_or(404);
            OutgoingBody::finish(begun(answer, status, &[]), None).expect("a body that ends");
        }
    }
}

/// Begins an answer that is never finished: its handle is neither used nor given back.
fn part(answer: ResponseOutparam) {
    let body = begun(answer, 200, &[]);
    write(&body, b"part").expect("somebody who reads");
    std::mem::forget(body);
}

fn trap() {
    std::process::abort();
}

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

/// Tells by its status whether a header could be set: 500 where it could.
fn forbidden(answer: ResponseOutparam, name: &str) {
    let status = if Fields::new().append(name, b"close").is_err() { 200 } else { 500 };
    OutgoingBody::finish(begun(answer, status, &[]), None).expect("a body that ends");
}

fn length_without_body(answer: ResponseOutparam, status: u16) {
    let fields = Fields::from_list(&[("content-length".to_owned(), b"5".to_vec())]).expect("a header that may be set");
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("a status");
    ResponseOutparam::set(answer, Ok(response));
}
