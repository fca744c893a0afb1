//! What a plugin may answer, and what of it becomes a 502 instead.

use http::{Method, Request};
use plugwork_http::Body;

use crate::world::{ask, limits, post, request, stage};

const ILLEGAL: (u16, &str) = (502, "E-HTTP-ANSWER");

#[tokio::test]
async fn a_status_that_ends_no_exchange_is_illegal() {
    let stage = stage(limits()).await;
    for path in ["/s000", "/s099", "/s100", "/s101", "/s103", "/s199", "/s600", "/s999"] {
        let (status, code) = ask(&stage.service(), request(path)).await.problem();
        assert_eq!((status, code.as_str()), ILLEGAL, "{path}");
    }
    for path in ["/s200", "/s204", "/s304", "/s418", "/s599"] {
        assert_eq!(format!("/s{}", ask(&stage.service(), request(path)).await.status), path);
    }
}

#[tokio::test]
async fn a_body_that_a_status_cannot_have_is_illegal() {
    let stage = stage(limits()).await;
    for path in ["/b204", "/b205", "/b304"] {
        let (status, code) = ask(&stage.service(), request(path)).await.problem();
        assert_eq!((status, code.as_str()), ILLEGAL, "{path}");
    }
}

#[tokio::test]
async fn headers_that_are_the_servers_or_break_the_head_are_illegal() {
    let stage = stage(limits()).await;
    let names =
        ["content-length", "Transfer-Encoding", "connection", "upgrade", "x-request-id", ":status", "a b", "a\r\nb: c", "", "\u{e4}"];
    for name in names {
        let (status, code) = ask(&stage.service(), post("/n", name)).await.problem();
        assert_eq!((status, code.as_str()), ILLEGAL, "{name:?}");
    }
    for value in ["1\r\nset-cookie: b=1", "1\n", "\0", "\u{7f}"] {
        let (status, code) = ask(&stage.service(), post("/v", value)).await.problem();
        assert_eq!((status, code.as_str()), ILLEGAL, "{value:?}");
    }
    let kept = ask(&stage.service(), post("/v", "a fine value")).await;
    assert_eq!((kept.status, kept.header("a")), (200, Some("a fine value")));
}

#[tokio::test]
async fn an_answer_has_its_body_and_its_number() {
    let stage = stage(limits()).await;
    let answer = ask(&stage.service(), post("/e", "what was sent")).await;
    assert_eq!((answer.status, answer.text()), (200, "what was sent"));
    let number = answer.header("x-request-id").unwrap();
    let known = ask(&stage.service(), request("/q")).await;
    assert_eq!(known.header("x-request-id"), Some(known.text()), "the plugin is told the same number");
    assert_ne!(known.text(), number);
}

#[tokio::test]
async fn head_is_told_the_length_and_given_no_body() {
    let stage = stage(limits()).await;
    let request = Request::builder().method(Method::HEAD).uri("/").header("host", "a").body(Body::empty()).unwrap();
    let answer = ask(&stage.service(), request).await;
    assert_eq!((answer.status, answer.header("content-length"), answer.text()), (200, Some("2"), ""));
}
