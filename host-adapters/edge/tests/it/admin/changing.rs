//! What changes something: uploads, deployments, going back, tokens; and the same asked twice.

use http::Method;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, Presented};
use serde_json::{Value, json};

use super::desk::{Desk, put, request, send, wish};
use crate::world::component;
use tokio::net::UnixStream;

const SHOP: &str = "/v1/applications/shop";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_uploaded_is_what_the_path_names_or_nothing_is_kept() {
    let desk = Desk::new().await;
    let digest = Digest::of(b"one");
    let other = desk.raw(&put(b"two", digest)).await;
    assert_eq!((other.status, other.code().as_str()), (422, "E-ADMIN-DIGEST"));
    let at = format!("/v1/components/{digest}");
    assert_eq!(desk.get(&at).await.code(), "E-ADMIN-COMPONENT");
    let kept = desk.raw(&put(b"one", digest)).await;
    assert_eq!((kept.status, kept.json()), (200, json!({ "digest": digest, "bytes": 3 })));
    assert_eq!(desk.get(&at).await.json(), kept.json());
    let head = format!("PUT {at} HTTP/1.1\r\nhost: a\r\ncontent-length: 70000000\r\nconnection: close\r\n\r\n");
    let large = [head.as_bytes(), &vec![0; 70_000_000]].concat();
    let told = desk.raw(&large).await;
    // Who is refused while sending may see the connection break before the answer.
    assert!(told.status == 0 || told.code() == "E-ADMIN-SIZE", "{told:?}");
    assert_eq!(desk.get("/v1/components/sha256:12").await.code(), "E-ADMIN-REQUEST");
    // Nothing half is left.
    let components = desk.stage.folder.path().join("components");
    crate::world::until("no part is left", || std::fs::read_dir(&components).unwrap().count() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deployments_are_numbered_listed_in_pages_and_gone_back_to() {
    let desk = Desk::with_shop().await;
    for path in ["/q", "/i", "/e"] {
        let told = desk.deploy("shop", &[(path, "")], json!({ "note": path })).await;
        assert_eq!(told.status, 201, "{told:?}");
    }
    let page = desk.get(&format!("{SHOP}/deployments?limit=3")).await.json();
    let numbers = |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["number"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((numbers(&page), &page["next"]), (vec![4, 3, 2], &json!("2")));
    let rest = desk.get(&format!("{SHOP}/deployments?limit=3&cursor=2")).await.json();
    assert_eq!((numbers(&rest), &rest["next"]), (vec![1], &Value::Null));
    let third = desk.get(&format!("{SHOP}/deployments/3")).await.json();
    assert_eq!((&third["deployment"]["note"], &third["deployment"]["by"]), (&json!("/i"), &json!("local")));
    assert!(third["text"].as_str().unwrap().contains("/i"));
    assert_eq!(desk.get(&format!("{SHOP}/deployments/5")).await.code(), "E-DEPLOY-UNKNOWN");

    // To what was current before, then by number.
    let back = desk.post(&format!("{SHOP}/rollback"), json!({ "reason": "it was better" })).await.json();
    assert_eq!((&back["deployment"]["number"], &back["from"], &back["moved"]), (&json!(3), &json!(4), &json!("rolled-back")));
    assert_eq!((desk.stage.get("/i").await.status, desk.stage.get("/e").await.status), (200, 404));
    let back = desk.post(&format!("{SHOP}/rollback"), json!({ "to": 1, "expected": 3 })).await;
    assert_eq!(back.json()["deployment"]["number"], 1);
    for (wish, status, code) in [
        (json!({ "to": 1 }), 409, "E-DEPLOY-CURRENT"),
        (json!({ "to": 9 }), 404, "E-DEPLOY-UNKNOWN"),
        (json!({ "to": 2, "expected": 3 }), 409, "E-DEPLOY-CONFLICT"),
        (json!({ "to": 2, "reason": "\u{1b}[31m" }), 422, "E-DEPLOY-INVALID"),
        (json!({ "two": 2 }), 400, "E-ADMIN-REQUEST"),
    ] {
        let told = desk.post(&format!("{SHOP}/rollback"), wish.clone()).await;
        assert_eq!((told.status, told.code().as_str()), (status, code), "{wish}");
    }
    let status = desk.get(SHOP).await.json();
    assert_eq!((&status["served"], &status["current"]["deployment"]["number"]), (&json!(true), &json!(1)));
    assert_eq!((&status["routes"][0]["path"], &status["plugins"][0]["state"]), (&json!("/e"), &json!("active")));
    let usage = desk.get("/v1/usage").await.json();
    assert_eq!((&usage["items"][0]["application"], &usage["items"][0]["plugin"]), (&json!("shop"), &json!("guest")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deployed_is_told_whole_and_changes_nothing() {
    let desk = Desk::with_shop().await;
    let text = "name = \"shop\"\ncolour = 1\n[[route]]\npath = \"a\"\nplugin = \"gone\"\n";
    let told = desk.post(&format!("{SHOP}/deployments"), json!({ "text": text, "plugins": {} })).await;
    assert_eq!((told.status, told.code().as_str()), (422, "E-DEPLOY-FINDINGS"));
    assert!(told.json()["findings"].as_array().unwrap().len() >= 3, "{told:?}");
    let gone = json!({ "plugins": { "guest": Digest::of(b"never uploaded") } });
    let told = desk.post(&format!("{SHOP}/deployments"), wish("shop", &[("/q", "")], gone)).await;
    assert_eq!(told.json()["findings"][0]["at"], "plugin.guest.source");
    assert_eq!(desk.stage.ask("POST", "/e", "still").await.body, "still");
    assert_eq!(desk.get(&format!("{SHOP}/deployments")).await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_raced_deployments_one_wins_and_the_other_is_told() {
    let desk = Desk::with_shop().await;
    let one = desk.deploy("shop", &[("/q", "")], json!({ "expected": 1 }));
    let other = desk.deploy("shop", &[("/i", "")], json!({ "expected": 1 }));
    let (one, other) = tokio::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    let lost = if one.status == 409 { one } else { other };
    assert_eq!(lost.code(), "E-DEPLOY-CONFLICT");
    assert_eq!(desk.get(&format!("{SHOP}/deployments")).await.json()["items"].as_array().unwrap().len(), 2);
    let first = desk.deploy("blog", &[("/h", "")], json!({ "expected": 0 })).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(desk.deploy("blog", &[("/h", "")], json!({ "expected": 0 })).await.code(), "E-DEPLOY-CONFLICT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_asked_twice_under_a_key_is_done_once() {
    let desk = Desk::with_shop().await;
    let path = format!("{SHOP}/deployments");
    let keyed = async |path: &str, key: &str, body: Value| {
        let stream = UnixStream::connect(desk.socket()).await.unwrap();
        send(stream, &request(&Method::POST, path, &format!("idempotency-key: {key}\r\n"), Some(body))).await
    };
    let body = wish("shop", &[("/q", "")], json!({}));
    let first = keyed(&path, "one", body.clone()).await;
    let again = keyed(&path, "one", body.clone()).await;
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!(again.status, 201);
    assert_eq!(keyed(&path, "two", body.clone()).await.json()["deployment"]["number"], 3, "another key, another change");
    let other = keyed(&path, "one", wish("shop", &[("/i", "")], json!({}))).await;
    assert_eq!((other.status, other.code().as_str()), (422, "E-ADMIN-IDEMPOTENCY"));
    let elsewhere = keyed(&format!("{SHOP}/rollback"), "one", body.clone()).await;
    assert_eq!(elsewhere.status, 400, "the body is none of a rollback");
    // What was refused may be tried again under its key.
    let refused = keyed(&format!("{SHOP}/rollback"), "three", json!({ "to": 9 })).await;
    assert_eq!(refused.status, 404);
    assert_eq!(keyed(&format!("{SHOP}/rollback"), "three", json!({ "to": 9 })).await.status, 404);
    for wrong in ["", "two words", &"a".repeat(129)] {
        assert_eq!(keyed(&path, wrong, body.clone()).await.code(), "E-ADMIN-REQUEST", "{wrong}");
    }
    let token = json!({ "actions": ["usage:read"], "lifetime-seconds": 60 });
    let (first, again) = (keyed("/v1/tokens", "token", token.clone()).await, keyed("/v1/tokens", "token", token).await);
    assert_eq!((first.status, &first.body), (201, &again.body));
    assert_eq!(desk.get("/v1/tokens").await.json()["items"].as_array().unwrap().len(), 1);
    let numbers = desk.get(&path).await.json()["items"].as_array().unwrap().len();
    assert_eq!(numbers, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_once_opens_what_it_should_and_is_taken_back() {
    let desk = Desk::with_shop().await;
    let told =
        desk.post("/v1/tokens", json!({ "actions": ["deployments:read"], "lifetime-seconds": 3600, "note": "for the pipeline" })).await;
    assert_eq!(told.status, 201);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    let issued = told.json();
    let (id, secret) = (issued["token"]["id"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    assert_eq!(issued["token"]["tenant"], "default");
    assert_eq!(desk.as_bearer(secret, Method::GET, SHOP, None).await.status, 200);
    let shown = desk.get(&format!("/v1/tokens/{id}")).await;
    assert!(!shown.body.contains(secret) && shown.body.contains("for the pipeline"));
    let revoked = desk.ask(Method::DELETE, &format!("/v1/tokens/{id}"), None).await;
    assert_eq!((revoked.status, &revoked.json()["revoked"]["by"]), (200, &json!("local")));
    assert_eq!(desk.as_bearer(secret, Method::GET, SHOP, None).await.code(), "E-AUTH-REVOKED");
    for wish in [
        json!({ "actions": [], "lifetime-seconds": 60 }),
        json!({ "actions": ["deployments:read"], "lifetime-seconds": 0 }),
        json!({ "actions": ["deployments:read"], "lifetime-seconds": u64::MAX }),
        json!({ "actions": ["deployments:read"], "lifetime-seconds": 60, "everywhere": true, "tenant": "acme" }),
        json!({ "actions": ["deployments:read"], "lifetime-seconds": 60, "tenant": "No Label" }),
    ] {
        let told = desk.post("/v1/tokens", wish.clone()).await;
        assert_eq!((told.status, told.code().as_str()), (422, "E-ADMIN-TOKEN-TERMS"), "{wish}");
    }
    assert_eq!(desk.post("/v1/tokens", json!({ "actions": ["everything"], "lifetime-seconds": 60 })).await.code(), "E-ADMIN-REQUEST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_issued_with_a_token_opens_nothing_once_that_was_taken_back() {
    let desk = Desk::with_shop().await;
    let mut tokens = vec![desk.token(Some("default"), None, &[Action::TokensWrite, Action::DeploymentsRead]).await];
    for lifetime in [600, 60] {
        let wish = json!({ "actions": ["tokens:write", "deployments:read"], "lifetime-seconds": lifetime });
        let told = desk.as_bearer(tokens.last().unwrap(), Method::POST, "/v1/tokens", Some(wish)).await.json();
        tokens.push(told["secret"].as_str().unwrap().to_owned());
    }
    let other = desk.token(Some("default"), None, &[Action::DeploymentsRead]).await;
    let first = Presented::parse(&tokens[0]).unwrap().id().clone();
    assert_eq!(desk.as_bearer(&tokens[2], Method::GET, SHOP, None).await.status, 200);
    assert_eq!(desk.ask(Method::DELETE, &format!("/v1/tokens/{first}"), None).await.status, 200);
    for token in &tokens {
        assert_eq!(desk.as_bearer(token, Method::GET, SHOP, None).await.code(), "E-AUTH-REVOKED");
    }
    assert_eq!(desk.as_bearer(&other, Method::GET, SHOP, None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_listed_in_pages_each_once() {
    let desk = Desk::new().await;
    for _ in 0..5 {
        desk.token(Some("default"), None, &[Action::UsageRead]).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("/v1/tokens?limit=2{cursor}")).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|token| token["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    for wrong in ["limit=0", "limit=101", "limit=x", "cursor=x", "colour=red", "limit=1&limit=2"] {
        assert_eq!(desk.get(&format!("/v1/tokens?{wrong}")).await.code(), "E-ADMIN-REQUEST", "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_have_applications_of_one_name_and_see_their_own() {
    let desk = Desk::with_shop().await;
    let acme = desk.token(Some("acme"), None, &Action::ALL).await;
    let digest = Digest::of(component());
    let mut upload = put(component(), digest);
    let head = format!("authorization: Bearer {acme}\r\n");
    let at = upload.windows(4).position(|some| some == b"\r\n\r\n").unwrap() + 2;
    upload.splice(at..at, head.into_bytes());
    assert_eq!(desk.raw(&upload).await.status, 200);
    let text = wish("shop", &[("/q", "host = \"acme.example\"")], json!({}));
    let told = desk.as_bearer(&acme, Method::POST, &format!("{SHOP}/deployments"), Some(text)).await;
    assert_eq!((told.status, &told.json()["deployment"]["tenant"]), (201, &json!("acme")), "{told:?}");
    assert_eq!(told.json()["deployment"]["number"], 1);
    let theirs = desk.as_bearer(&acme, Method::GET, "/v1/applications", None).await.json();
    assert_eq!((theirs["items"].as_array().unwrap().len(), &theirs["items"][0]["routes"][0]["path"]), (1, &json!("/q")));
    let ours = desk.get("/v1/applications").await.json();
    assert_eq!((ours["items"].as_array().unwrap().len(), &ours["items"][0]["routes"][0]["path"]), (1, &json!("/e")));
    let theirs = desk.get("/v1/applications?tenant=acme").await.json();
    assert_eq!(theirs["items"][0]["routes"][0]["path"], "/q", "the owner of the server sees every tenant");
}
