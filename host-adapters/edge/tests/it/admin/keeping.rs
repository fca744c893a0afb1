//! Components that are kept: how many bytes of them, who may give and remove them, and which stay.

use http::Method;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, Presented, Revocation, Tokens};
use plugwork_edge::Settings;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::desk::{Desk, now_ms, put, send, wish};
use crate::world::{Told, component, settings, until};

const WRITE: &[Action] = &[Action::DeploymentsWrite];

/// An upload over the port.
async fn upload(desk: &Desk, token: &str, bytes: &[u8]) -> Told {
    send(TcpStream::connect(desk.port).await.unwrap(), &put_as(token, bytes)).await
}

fn put_as(token: &str, bytes: &[u8]) -> Vec<u8> {
    let whole = put(bytes, Digest::of(bytes));
    let head = format!("authorization: Bearer {token}\r\n");
    let at = whole.windows(4).position(|some| some == b"\r\n\r\n").unwrap() + 2;
    [&whole[..at], head.as_bytes(), &whole[at..]].concat()
}

fn at(digest: Digest) -> String {
    format!("/v1/components/{digest}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_application_gives_what_it_deploys_and_removes_nothing() {
    let desk = Desk::new().await;
    let narrow = desk.token(Some("default"), Some("shop"), &[Action::DeploymentsWrite, Action::DeploymentsRead]).await;
    let digest = Digest::of(component());
    assert_eq!(desk.as_bearer(&narrow, Method::GET, &at(digest), None).await.code(), "E-ADMIN-COMPONENT");
    assert_eq!(upload(&desk, &narrow, component()).await.status, 200);
    assert_eq!(desk.as_bearer(&narrow, Method::GET, &at(digest), None).await.status, 200);
    let deployed = desk.as_bearer(&narrow, Method::POST, "/v1/applications/shop/deployments", Some(wish("shop", &[("/e", "")], json!({}))));
    let deployed = deployed.await;
    assert_eq!(deployed.status, 201, "{deployed:?}");
    for (method, path) in [(Method::GET, "/v1/components".to_owned()), (Method::DELETE, at(digest))] {
        let told = desk.as_bearer(&narrow, method, &path, None).await;
        assert_eq!((told.status, told.code().as_str()), (403, "E-AUTH-APPLICATION"), "{path}");
    }
    // Neither for another tenant, nor without the right to deploy.
    let told = desk.as_bearer(&narrow, Method::GET, &format!("{}?tenant=acme", at(digest)), None).await;
    assert_eq!(told.code(), "E-AUTH-TENANT");
    let reader = desk.token(Some("default"), Some("shop"), &[Action::DeploymentsRead]).await;
    assert_eq!(upload(&desk, &reader, b"more").await.code(), "E-AUTH-SCOPE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_with_a_token_that_is_revoked_meanwhile_is_not_kept() {
    let desk = Desk::new().await;
    let token = desk.token(Some("default"), None, WRITE).await;
    let whole = put_as(&token, component());
    let (some, rest) = whole.split_at(whole.len() - 1);
    let mut stream = TcpStream::connect(desk.port).await.unwrap();
    stream.write_all(some).await.unwrap();
    // It is there from when the token was good to when the component is kept, or is not.
    let folder = desk.stage.folder.path().join("components");
    let is_coming = || std::fs::read_dir(&folder).is_ok_and(|files| files.count() == 1);
    until("it is received", is_coming).await;
    let id = Presented::parse(&token).unwrap().id().clone();
    desk.tokens.revoke_token(&id, Revocation { at_ms: now_ms(), by: "test".to_owned() }).await.unwrap();
    let told = send(stream, rest).await;
    assert_eq!((told.status, told.code().as_str()), (401, "E-AUTH-REVOKED"));
    until("nothing of it is left", || !is_coming()).await;
    assert_eq!(desk.get(&at(Digest::of(component()))).await.code(), "E-ADMIN-COMPONENT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_that_upload_leave_a_place_to_the_operator() {
    let desk = Desk::new().await;
    let mut coming = Vec::new();
    for (tenant, nth) in [("ada", 1), ("ada", 2), ("ben", 1)] {
        let token = desk.token(Some(tenant), None, WRITE).await;
        let whole = put_as(&token, component());
        let mut stream = TcpStream::connect(desk.port).await.unwrap();
        stream.write_all(&whole[..whole.len() - 1]).await.unwrap();
        coming.push(stream);
        let folder = desk.stage.folder.path().join("components/tenants").join(tenant);
        until("it comes", || std::fs::read_dir(&folder).is_ok_and(|files| files.count() == nth)).await;
    }
    let late = desk.token(Some("ben"), None, WRITE).await;
    assert_eq!(upload(&desk, &late, component()).await.code(), "E-ADMIN-BUSY");
    desk.upload().await;
    drop(coming);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_so_much_room_and_another_one_its_own() {
    let desk = Desk::new().await;
    // Each takes 256 KiB or more.
    let small = 256 << 10;
    desk.stage.node.change_settings(Settings { tenant_component_bytes_max: small, ..settings() });
    let (ours, theirs) = (desk.token(Some("default"), None, WRITE).await, desk.token(Some("acme"), None, WRITE).await);
    assert_eq!(upload(&desk, &ours, b"123456").await.status, 200);
    let refused = upload(&desk, &ours, b"12345").await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "E-ADMIN-COMPONENT-QUOTA"));
    let told = refused.json();
    assert!(
        told["detail"].as_str().unwrap().contains("524288 bytes") && told["hint"].as_str().unwrap().contains("components remove"),
        "{told}"
    );
    assert_eq!(upload(&desk, &ours, b"123456").await.status, 200, "what is there takes its own place");
    assert_eq!(upload(&desk, &theirs, &vec![0; small as usize]).await.status, 200);
    assert_eq!(upload(&desk, &theirs, b"1").await.code(), "E-ADMIN-COMPONENT-QUOTA");
    let removed = desk.as_bearer(&ours, Method::DELETE, &at(Digest::of(b"123456")), None).await;
    assert_eq!((removed.status, &removed.json()["bytes"]), (200, &json!(6)));
    assert_eq!(upload(&desk, &ours, b"12345").await.status, 200);
    assert_eq!(desk.as_bearer(&theirs, Method::DELETE, &at(Digest::of(b"12345")), None).await.code(), "E-ADMIN-COMPONENT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_deployments_name_stays_until_going_back_to_them_is_given_up() {
    let desk = Desk::with_shop().await;
    // The same code with an empty section behind it: other bytes, another file.
    let next = [component(), &[0, 2, 1, b'x']].concat();
    let (first, second) = (Digest::of(component()), Digest::of(&next));
    assert_eq!(desk.raw(&put(&next, second)).await.status, 200);
    let told = desk.post("/v1/applications/shop/deployments", wish("shop", &[("/q", "")], json!({ "plugins": { "guest": second } }))).await;
    assert_eq!(told.status, 201, "{told:?}");
    let unused = Digest::of(b"unused");
    desk.raw(&put(b"unused", unused)).await;
    let listed = desk.get("/v1/components").await.json();
    let of = |digest: Digest| {
        listed["items"].as_array().unwrap().iter().find(|item| item["digest"] == json!(digest)).unwrap()["named-by"].clone()
    };
    assert_eq!(of(unused), json!([]));
    assert_eq!(of(first), json!([{ "application": "shop", "deployments": 1, "latest": 1, "needed": false }]));
    assert_eq!(of(second), json!([{ "application": "shop", "deployments": 1, "latest": 2, "needed": true }]));
    for (digest, query) in [(first, ""), (first, "?old=false"), (second, ""), (second, "?old=true")] {
        let told = desk.ask(Method::DELETE, &format!("{}{query}", at(digest)), None).await;
        assert_eq!((told.status, told.code().as_str()), (409, "E-ADMIN-COMPONENT-USED"), "{query}");
        assert_eq!(told.json()["findings"][0]["at"], "shop", "who names it is told");
    }
    assert_eq!(desk.ask(Method::DELETE, &format!("{}?old=yes", at(first)), None).await.code(), "E-ADMIN-REQUEST");
    assert_eq!(desk.ask(Method::DELETE, &at(unused), None).await.status, 200);
    // What was replaced may still run for a moment.
    until("the first one is ended", || desk.stage.active() == 1).await;
    let mut removed = desk.ask(Method::DELETE, &format!("{}?old=true", at(first)), None).await;
    while removed.status == 409 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        removed = desk.ask(Method::DELETE, &format!("{}?old=true", at(first)), None).await;
    }
    assert_eq!(removed.status, 200, "{removed:?}");
    let back = desk.post("/v1/applications/shop/rollback", json!({ "to": 1 })).await;
    assert_eq!(back.code(), "E-DEPLOY-FINDINGS");
    assert!(back.body.contains("upload it first"), "{back:?}");
    assert_eq!(desk.stage.get("/q").await.status, 200, "what is current is served on");
    desk.upload().await;
    assert_eq!(desk.post("/v1/applications/shop/rollback", json!({ "to": 1 })).await.status, 200);
}
