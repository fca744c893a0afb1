//! Following the access log: what one may see, as it happens, until one may not any more.

use http::Method;
use plugwork_core::authorize::{Action, Presented, Revocation, Tokens};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;

use super::desk::{Desk, now_ms, request};

struct Reader(Lines<BufReader<UnixStream>>);

impl Reader {
    async fn new(desk: &Desk, path: &str, headers: &str) -> Self {
        let mut stream = UnixStream::connect(desk.socket()).await.unwrap();
        stream.write_all(&request(&Method::GET, path, headers, None)).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        // The head is there once the server follows.
        while !lines.next_line().await.unwrap().unwrap().is_empty() {}
        Self(lines)
    }

    /// The next object; none at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let line = self.0.next_line().await.ok()??;
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_told_as_they_are_answered_and_only_those_that_are_meant() {
    let desk = Desk::with_shop().await;
    let mut all = Reader::new(&desk, "/v1/tail", "").await;
    let mut missed = Reader::new(&desk, "/v1/tail?status=4xx", "").await;
    let mut own = Reader::new(&desk, "/v1/tail?application=shop&plugin=guest&status=200", "").await;
    desk.stage.get("/nothing").await;
    desk.stage.ask("POST", "/e", "a").await;
    let first = all.next().await.unwrap();
    assert_eq!((&first["kind"], &first["status"], &first["path"]), (&json!("request"), &json!(404), &json!("/nothing")));
    assert_eq!(all.next().await.unwrap()["route"], "/e");
    assert_eq!(missed.next().await.unwrap()["path"], "/nothing");
    assert_eq!(own.next().await.unwrap()["path"], "/e");
    assert_eq!(desk.get("/v1/tail?status=6xx").await.code(), "E-ADMIN-REQUEST");
    desk.stop().await;
    assert_eq!(all.next().await, None, "it ends with the server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_no_request_of_another_and_none_that_met_no_route() {
    let desk = Desk::with_shop().await;
    let stranger = desk.token(Some("acme"), None, &[Action::LogsRead]).await;
    let owner = desk.token(Some("default"), None, &[Action::LogsRead]).await;
    let mut theirs = Reader::new(&desk, "/v1/tail", &format!("authorization: Bearer {stranger}\r\n")).await;
    let mut ours = Reader::new(&desk, "/v1/tail", &format!("authorization: Bearer {owner}\r\n")).await;
    desk.stage.get("/nothing").await;
    desk.stage.ask("POST", "/e", "a").await;
    assert_eq!(ours.next().await.unwrap()["path"], "/e");
    desk.stop().await;
    assert_eq!(theirs.next().await, None, "nothing until the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tenant_has_not_all_places_to_follow_from() {
    let desk = Desk::with_shop().await;
    let own = desk.token(Some("default"), None, &[Action::LogsRead]).await;
    let headers = format!("authorization: Bearer {own}\r\n");
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(Reader::new(&desk, "/v1/tail", &headers).await);
    }
    let told = desk.as_bearer(&own, Method::GET, "/v1/tail", None).await;
    assert_eq!((told.status, told.code().as_str()), (503, "E-ADMIN-BUSY"));
    assert!(told.body.contains("of this tenant"), "{told:?}");
    let stranger = desk.token(Some("acme"), None, &[Action::LogsRead]).await;
    let mut theirs = Reader::new(&desk, "/v1/tail", &format!("authorization: Bearer {stranger}\r\n")).await;
    desk.stage.ask("POST", "/e", "a").await;
    for reader in &mut readers {
        assert_eq!(reader.next().await.unwrap()["path"], "/e");
    }
    desk.stop().await;
    assert_eq!(theirs.next().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_is_cut_off_soon_after_their_token_was_revoked() {
    let desk = Desk::with_shop().await;
    let token = desk.token(Some("default"), None, &[Action::LogsRead]).await;
    let mut reader = Reader::new(&desk, "/v1/tail", &format!("authorization: Bearer {token}\r\n")).await;
    desk.stage.ask("POST", "/e", "a").await;
    assert!(reader.next().await.is_some());
    let id = Presented::parse(&token).unwrap().id().clone();
    desk.tokens.revoke_token(&id, Revocation { at_ms: now_ms(), by: "test".to_owned() }).await.unwrap();
    assert_eq!(reader.next().await, None);
}
