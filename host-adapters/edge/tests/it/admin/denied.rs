//! Who may not: each denial by its code, before anything is looked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use plugwork_core::authorize::{Action, Authorize, Decision, Presented, Principal, Resource, Revocation, Tokens};
use plugwork_edge::admin::{Admin, AdminParts, AdminServer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::desk::{Desk, HOUR_MS, now_ms, request, send, wish};

const READ: &[Action] = &[Action::DeploymentsRead];

/// Everything that needs somebody to be known.
const OPERATIONS: [(Method, &str); 15] = [
    (Method::GET, "/v1/server"),
    (Method::GET, "/v1/applications"),
    (Method::GET, "/v1/applications/shop"),
    (Method::GET, "/v1/applications/shop/deployments"),
    (Method::GET, "/v1/applications/shop/deployments/1"),
    (Method::POST, "/v1/applications/shop/deployments"),
    (Method::POST, "/v1/applications/shop/rollback"),
    (Method::GET, "/v1/tokens"),
    (Method::POST, "/v1/tokens"),
    (Method::GET, "/v1/tokens/0011223344556677"),
    (Method::DELETE, "/v1/tokens/0011223344556677"),
    (Method::GET, "/v1/components"),
    (Method::GET, "/v1/usage"),
    (Method::GET, "/v1/usage/hours"),
    (Method::GET, "/v1/tail"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_token_gets_nothing_over_the_port() {
    let desk = Desk::with_shop().await;
    for (method, path) in OPERATIONS {
        let told = desk.remote(method.clone(), path, "", Some(json!({}))).await;
        assert_eq!((told.status, told.code().as_str()), (401, "E-AUTH-TOKEN"), "{method} {path}");
        assert_eq!(told.header("www-authenticate"), Some("Bearer"));
    }
    let digest = plugwork_core::Digest::of(b"a");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let told = desk.remote(method, &format!("/v1/components/{digest}"), "", None).await;
        assert_eq!((told.status, told.code().as_str()), (401, "E-AUTH-TOKEN"));
    }
    assert_eq!(desk.remote(Method::GET, "/metrics", "", None).await.status, 401, "what is mounted beside it is behind the same seam");
    assert_eq!(desk.remote(Method::GET, "/livez", "", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_what_its_scope_names_and_nothing_else() {
    let desk = Desk::with_shop().await;
    let ask = async |token: &str, method: Method, path: &str| {
        let told = desk.as_bearer(token, method, path, Some(json!({}))).await;
        (told.status, if told.status < 300 { String::new() } else { told.code() })
    };
    let denied = |code: &str| (403, code.to_owned());
    let reader = desk.token(Some("default"), None, READ).await;
    assert_eq!(ask(&reader, Method::GET, "/v1/applications/shop").await.0, 200);
    assert_eq!(ask(&reader, Method::POST, "/v1/applications/shop/rollback").await, denied("E-AUTH-SCOPE"));
    assert_eq!(ask(&reader, Method::GET, "/v1/usage").await, denied("E-AUTH-SCOPE"));
    assert_eq!(ask(&reader, Method::GET, "/v1/tail").await, denied("E-AUTH-SCOPE"));
    assert_eq!(ask(&reader, Method::GET, "/v1/tokens").await, denied("E-AUTH-SCOPE"));
    assert_eq!(ask(&reader, Method::GET, "/v1/server").await, denied("E-AUTH-TENANT"));
    assert_eq!(ask(&reader, Method::GET, "/metrics").await, denied("E-AUTH-TENANT"));
    let stranger = desk.token(Some("acme"), None, &Action::ALL).await;
    assert_eq!(ask(&stranger, Method::GET, "/v1/applications/shop?tenant=default").await, denied("E-AUTH-TENANT"));
    assert_eq!(ask(&stranger, Method::POST, "/v1/applications/shop/rollback?tenant=default").await, denied("E-AUTH-TENANT"));
    assert_eq!(ask(&stranger, Method::GET, "/v1/tail?tenant=default").await, denied("E-AUTH-TENANT"));
    // Its own tenant has no such application: nothing of another's is seen.
    assert_eq!(ask(&stranger, Method::GET, "/v1/applications/shop").await, (404, "E-DEPLOY-UNKNOWN".to_owned()));
    let narrow = desk.token(Some("default"), Some("blog"), &Action::ALL).await;
    assert_eq!(ask(&narrow, Method::GET, "/v1/applications/shop").await, denied("E-AUTH-APPLICATION"));
    assert_eq!(ask(&narrow, Method::GET, "/v1/applications").await, denied("E-AUTH-APPLICATION"));
    assert_eq!(ask(&narrow, Method::GET, "/v1/applications/blog").await, (404, "E-DEPLOY-UNKNOWN".to_owned()));
    let operator = desk.token(None, None, &Action::ALL).await;
    assert_eq!(ask(&operator, Method::GET, "/v1/server").await.0, 200);
    assert_eq!(ask(&operator, Method::GET, "/metrics").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_in_the_path_is_the_one_that_is_deployed() {
    let desk = Desk::new().await;
    desk.upload().await;
    let narrow = desk.token(Some("default"), Some("blog"), &Action::ALL).await;
    let told =
        desk.as_bearer(&narrow, Method::POST, "/v1/applications/blog/deployments", Some(wish("shop", &[("/e", "")], json!({})))).await;
    assert_eq!((told.status, told.code().as_str()), (422, "E-DEPLOY-FINDINGS"));
    assert_eq!(told.json()["findings"][0]["at"], "name");
    assert_eq!(desk.get("/v1/applications/shop").await.status, 404, "nothing was deployed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_over_or_taken_back_opens_nothing() {
    let desk = Desk::with_shop().await;
    let code = async |token: &str| {
        let told = desk.as_bearer(token, Method::GET, "/v1/applications/shop", None).await;
        (told.status, told.code())
    };
    let over = desk.token_until(Some("default"), None, READ, now_ms() - 2 * HOUR_MS, HOUR_MS).await;
    assert_eq!(code(&over).await, (401, "E-AUTH-EXPIRED".to_owned()));
    let revoked = desk.token(Some("default"), None, READ).await;
    let id = Presented::parse(&revoked).unwrap().id().clone();
    desk.tokens.revoke_token(&id, Revocation { at_ms: now_ms(), by: "test".to_owned() }).await.unwrap();
    assert_eq!(code(&revoked).await, (401, "E-AUTH-REVOKED".to_owned()));
    // Whoever has only the id is told nothing of it.
    let guessed = format!("plugwork_{id}_{}", "0".repeat(64));
    assert_eq!(code(&guessed).await, (401, "E-AUTH-TOKEN".to_owned()));
    for not_one in ["", "plugwork_", "Basic abc", &revoked.to_uppercase(), &format!("{revoked}0")] {
        assert_eq!(code(not_one).await, (401, "E-AUTH-TOKEN".to_owned()), "{not_one}");
    }
    let twice = format!("authorization: Bearer {over}\r\nauthorization: Bearer {over}\r\n");
    assert_eq!(desk.remote(Method::GET, "/v1/server", &twice, None).await.code(), "E-AUTH-TOKEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_socket_a_token_counts_though_none_is_needed() {
    let desk = Desk::with_shop().await;
    let reader = desk.token(Some("default"), None, READ).await;
    let with =
        |path: &str, token: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: bearer {token}\r\nconnection: close\r\n\r\n");
    assert_eq!(desk.get("/v1/server").await.status, 200);
    assert_eq!(desk.raw(with("/v1/server", &reader).as_bytes()).await.code(), "E-AUTH-TENANT");
    assert_eq!(desk.raw(with("/v1/applications/shop", &reader).as_bytes()).await.status, 200);
    assert_eq!(desk.raw(with("/v1/server", "wrong").as_bytes()).await.code(), "E-AUTH-TOKEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_who_gets_at_the_socket_needs_a_token() {
    let desk = Desk::starting(1).await;
    desk.admin.ready(Vec::new());
    for path in ["/v1/server", "/v1/applications", "/metrics"] {
        let told = desk.get(path).await;
        assert_eq!((told.status, told.code().as_str()), (401, "E-AUTH-TOKEN"), "{path}");
    }
    let token = desk.token(None, None, &Action::ALL).await;
    let asked = format!("GET /v1/server HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    assert_eq!(desk.raw(asked.as_bytes()).await.status, 200);
}

/// An engine that lets everybody see what was used, and nobody do anything else.
struct Onlookers;

impl Authorize for Onlookers {
    fn authorize(&self, _: &Principal, action: Action, _: &Resource<'_>, _: u64) -> Decision {
        match action {
            Action::UsageRead => Decision::Allow,
            _ => Decision::Deny { code: "E-TEST-ONLOOKER", rule: "nobody may".to_owned(), hint: String::new() },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_engine_behind_the_seam_decides_alone() {
    let desk = Desk::with_shop().await;
    let parts = AdminParts::new(desk.stage.node.clone(), desk.tokens.clone(), desk.stage.tail.clone());
    let admin = Admin::new(AdminParts { authorize: Arc::new(Onlookers), ..parts });
    let folder = tempfile::tempdir().unwrap();
    let server = AdminServer::on_socket(&admin, folder.path()).unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let ask = async |method: Method, path: &str| {
        let stream = UnixStream::connect(folder.path().join("admin.sock")).await.unwrap();
        let wish = if path == "/v1/tokens" { json!({ "actions": ["usage:read"], "lifetime-seconds": 60 }) } else { json!({}) };
        send(stream, &request(&method, path, "", Some(wish))).await
    };
    for (method, path) in OPERATIONS.into_iter().filter(|(_, path)| !path.starts_with("/v1/usage")) {
        let told = ask(method.clone(), path).await;
        assert_eq!((told.status, told.code().as_str()), (403, "E-TEST-ONLOOKER"), "{method} {path}");
    }
    assert_eq!(ask(Method::GET, "/v1/usage").await.status, 200);
    running.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_issues_a_token_for_more_or_for_longer_than_their_own() {
    let desk = Desk::new().await;
    let issuer = desk.token(Some("acme"), None, &[Action::TokensWrite, Action::DeploymentsRead]).await;
    let issue = async |token: &str, wish: serde_json::Value| {
        let told = desk.as_bearer(token, Method::POST, "/v1/tokens", Some(wish)).await;
        (told.status, if told.status == 201 { String::new() } else { told.code() })
    };
    let within = json!({ "actions": ["deployments:read"], "lifetime-seconds": 60 });
    assert_eq!(issue(&issuer, within).await.0, 201);
    for (wish, code) in [
        (json!({ "actions": ["deployments:write"], "lifetime-seconds": 60 }), "E-AUTH-ESCALATION"),
        (json!({ "actions": ["deployments:read"], "lifetime-seconds": 7_200 }), "E-AUTH-ESCALATION"),
        (json!({ "actions": ["deployments:read"], "lifetime-seconds": 60, "tenant": "default" }), "E-AUTH-TENANT"),
        (json!({ "actions": ["deployments:read"], "lifetime-seconds": 60, "everywhere": true }), "E-AUTH-TENANT"),
    ] {
        assert_eq!(issue(&issuer, wish.clone()).await, (403, code.to_owned()), "{wish}");
    }
    let narrow = desk.token(Some("acme"), Some("blog"), &[Action::TokensWrite, Action::DeploymentsRead]).await;
    let other = json!({ "actions": ["deployments:read"], "lifetime-seconds": 60, "application": "shop" });
    assert_eq!(issue(&narrow, other).await, (403, "E-AUTH-APPLICATION".to_owned()));
    // Where it says nothing, its own application is meant and not the whole tenant.
    let own = desk.as_bearer(&narrow, Method::POST, "/v1/tokens", Some(json!({ "actions": ["deployments:read"], "lifetime-seconds": 60 })));
    assert_eq!(own.await.json()["token"]["application"], "blog");
    let no_writer = desk.token(Some("acme"), None, READ).await;
    assert_eq!(issue(&no_writer, json!({ "actions": ["deployments:read"], "lifetime-seconds": 60 })).await.1, "E-AUTH-SCOPE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_another_tenant_are_not_there() {
    let desk = Desk::new().await;
    let victim = desk.token(Some("default"), None, READ).await;
    let id = Presented::parse(&victim).unwrap().id().to_string();
    let stranger = desk.token(Some("acme"), None, &Action::ALL).await;
    for method in [Method::GET, Method::DELETE] {
        let told = desk.as_bearer(&stranger, method, &format!("/v1/tokens/{id}"), None).await;
        assert_eq!((told.status, told.code().as_str()), (404, "E-ADMIN-TOKEN"));
    }
    let listed = desk.as_bearer(&stranger, Method::GET, "/v1/tokens", None).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "its own: {listed}");
    let told = desk.as_bearer(&victim, Method::GET, "/v1/applications", None).await;
    assert_eq!(told.status, 200, "it was not revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_of_another_tenant_are_not_there() {
    let desk = Desk::new().await;
    desk.upload().await;
    let digest = plugwork_core::Digest::of(crate::world::component());
    let stranger = desk.token(Some("acme"), None, &Action::ALL).await;
    assert_eq!(desk.get(&format!("/v1/components/{digest}")).await.status, 200);
    let told = desk.as_bearer(&stranger, Method::GET, &format!("/v1/components/{digest}"), None).await;
    assert_eq!((told.status, told.code().as_str()), (404, "E-ADMIN-COMPONENT"));
    let told =
        desk.as_bearer(&stranger, Method::POST, "/v1/applications/shop/deployments", Some(wish("shop", &[("/e", "")], json!({})))).await;
    assert_eq!((told.status, told.code().as_str()), (422, "E-DEPLOY-FINDINGS"), "{told:?}");
    assert!(told.body.contains("upload it first"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_guessed_a_hundred_thousand_times_is_not_found_and_costs_little() {
    const GUESSES: u32 = 100_000;
    const AT_ONCE: u32 = 500;
    let desk = Desk::new().await;
    let token = desk.token(None, None, &Action::ALL).await;
    let id = Presented::parse(&token).unwrap().id().to_string();
    let began = Instant::now();
    // At the port it would take a connection for each.
    let mut stream = UnixStream::connect(desk.socket()).await.unwrap();
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for some in 0..GUESSES / AT_ONCE {
        let requests: String = (0..AT_ONCE)
            .map(|number| {
                let guess = u64::from(some * AT_ONCE + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                // The right id, which is no secret, with another secret each time.
                format!("GET /v1/server HTTP/1.1\r\nhost: a\r\nauthorization: Bearer plugwork_{id}_{:064x}\r\n\r\n", u128::from(guess))
            })
            .collect();
        let (mut reading, mut writing) = stream.split();
        let written = async { writing.write_all(requests.as_bytes()).await.unwrap() };
        let read = async {
            let (mut text, mut bytes) = (String::new(), [0; 64 << 10]);
            while text.matches("HTTP/1.1 ").count() < AT_ONCE as usize || !text.ends_with('}') {
                let read = reading.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the connection goes on");
                text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            text
        };
        let ((), text) = tokio::join!(written, read);
        for line in text.lines().filter_map(|line| line.rsplit_once("HTTP/1.1 ")) {
            *counts.entry(line.1[..3].to_owned()).or_default() += 1;
        }
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["401", "429"], "{counts:?}");
    assert_eq!(counts.values().sum::<u32>(), GUESSES);
    assert!(counts["401"] <= 20 + began.elapsed().as_secs() as u32, "only so many in a minute: {counts:?}");
    assert!(began.elapsed() < Duration::from_secs(300), "{:?}", began.elapsed());
    let wrong = format!("plugwork_{id}_{}", "0".repeat(64));
    while desk.as_bearer(&wrong, Method::GET, "/v1/server", None).await.status == 401 {}
    // Whoever has a token and shares the address is let in; who has none, or only the id of one, is told to wait, and nothing of which it is.
    let told = desk.as_bearer(&token, Method::GET, "/v1/server", None).await;
    assert_eq!(told.status, 200, "{told:?}");
    for wrong in [wrong, format!("plugwork_{}_{}", "0".repeat(16), "0".repeat(64)), "none".to_owned()] {
        let told = desk.as_bearer(&wrong, Method::GET, "/v1/server", None).await;
        assert_eq!((told.status, told.code().as_str()), (429, "E-AUTH-RATE"));
        assert!(told.header("retry-after").is_some());
    }
    assert_eq!(desk.as_bearer(&token, Method::GET, "/v1/server", None).await.status, 200, "as often as it comes");
    let over = desk.token_until(None, None, READ, now_ms() - 2 * HOUR_MS, HOUR_MS).await;
    assert_eq!(
        desk.as_bearer(&over, Method::GET, "/v1/server", None).await.code(),
        "E-AUTH-EXPIRED",
        "who has the secret is told what is wrong"
    );
    assert_eq!(desk.get("/v1/server").await.status, 200);
}
