//! What a client is told of a plugin that gives no answer.

use plugwork::{ErrorKind, Fault, Limits};
use plugwork_http::Served;
use plugwork_points::HttpFunction;

use crate::world::{Stage, ask, limits, request, stage};

async fn told(stage: &Stage, path: &str) -> (u16, String) {
    let answer = ask(&stage.service(), request(path)).await;
    assert!(!answer.text().contains("secret") && !answer.text().contains("unreachable"), "{}", answer.text());
    answer.problem()
}

#[tokio::test]
async fn a_trap_and_memory_past_its_limit_are_502() {
    let stage = stage(limits()).await;
    assert_eq!(told(&stage, "/t").await, (502, "E-FAULT-TRAP".into()));
    assert_eq!(told(&stage, "/m").await, (502, "E-FAULT-MEMORY".into()));
    assert_eq!(ask(&stage.service(), request("/")).await.text(), "ok", "the next request is none the worse");
}

#[tokio::test]
async fn a_deadline_is_504() {
    let stage = stage(Limits { deadline_ms: 250, ..limits() }).await;
    assert_eq!(told(&stage, "/l").await, (504, "E-FAULT-DEADLINE".into()));
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let stage = stage(limits()).await;
    assert_eq!(told(&stage, "/r0").await, (403, "E-REFUSED-DENIED".into()));
    assert_eq!(told(&stage, "/r2").await, (503, "E-REFUSED-UNAVAILABLE".into()));
    assert_eq!(told(&stage, "/r3").await, (500, "E-REFUSED-OTHER".into()));
    // What was wrong with the request is what a client is to be told.
    let invalid = ask(&stage.service(), request("/r1")).await;
    assert_eq!(invalid.problem(), (400, "E-REFUSED-INVALID".into()));
    assert!(invalid.text().contains(r#""issue":{"what":"secret""#), "{}", invalid.text());
}

#[tokio::test]
async fn a_plugin_that_fails_too_often_is_503_until_its_breaker_lets_it_be_asked_again() {
    let stage = stage(limits()).await;
    for _ in 0..5 {
        assert_eq!(told(&stage, "/t").await.0, 502);
    }
    let answer = ask(&stage.service(), request("/")).await;
    assert_eq!(answer.problem(), (503, "E-HTTP-UNAVAILABLE".into()));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_plugin_that_is_disabled_is_503() {
    let stage = stage(limits()).await;
    stage.plugin.disable("test", "for a test").await.unwrap();
    assert_eq!(told(&stage, "/").await, (503, "E-HTTP-UNAVAILABLE".into()));
}

#[tokio::test]
async fn no_seat_for_an_instance_is_503() {
    let stage = stage(Limits { deadline_ms: 100, instances: 1, ..limits() }).await;
    let session = stage.plugin.session::<HttpFunction>().await.unwrap();
    assert_eq!(told(&stage, "/").await, (503, "E-HTTP-UNAVAILABLE".into()));
    session.end().await;
    assert_eq!(ask(&stage.service(), request("/")).await.status, 200);
}

#[tokio::test]
async fn the_server_learns_what_the_client_is_not_told() {
    let stage = stage(limits()).await;
    let response = stage.service().answer(request("/t")).await;
    let served = response.extensions().get::<Served>().unwrap();
    let outcome = served.outcome().unwrap();
    let error = outcome.error.as_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::Fault);
    assert!(matches!(error.fault(), Some(Fault::Trap { .. })), "{error}");
    assert_eq!(outcome.subject, stage.plugin.subject());
    let response = stage.service().answer(request("/s099")).await;
    let served = response.extensions().get::<Served>().unwrap();
    assert!(served.illegal().unwrap().to_string().contains("status 99"));
}
