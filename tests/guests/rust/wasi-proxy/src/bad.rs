//! Answers that are none: late, never, of a wrong length, illegal, or broken off in the middle.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::{begun, write};

pub(crate) fn handle(path: &str, answer: ResponseOutparam) {
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
        "/length-without-body" => {
            let fields = Fields::from_list(&[("content-length".to_owned(), b"5".to_vec())]).expect("a header that may be set");
            ResponseOutparam::set(answer, Ok(OutgoingResponse::new(fields)));
        }
        "/goes-on" => {
            let body = begun(answer, 200, &[("content-length", "4")]);
            write(&body, b"done").expect("somebody who reads");
            OutgoingBody::finish(body, None).expect("a body that ends");
            subscribe_duration(20_000_000).block();
        }
        "/connection" => forbidden(answer, "connection"),
        "/transfer-encoding" => forbidden(answer, "transfer-encoding"),
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
