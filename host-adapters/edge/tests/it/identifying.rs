//! Routes with `auth`: whom they let in, what a plugin is told of them, and that nothing that is missing lets anybody in.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use plugwork_core::deployment::Expected;
use plugwork_edge::{Checks, DeployError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::signing::{Signer, encoded};
use crate::world::{Stage, Told, application, settings, until};

const STAFF: &str = "auth = \"staff\"";

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": "shop", "sub": "ada", "exp": now_s() + 3_600, "email": "ada@shop.example", "tier": 2 })
}

/// `[auth.staff]` with further keys.
fn checks(more: &str) -> Checks {
    let table: toml::Table = toml::from_str(&format!("issuer = \"https://id.example\"\naudience = \"shop\"\n{more}")).unwrap();
    Checks::read(&BTreeMap::from([("staff".to_owned(), table)]), Path::new(""), &Checks::default()).unwrap()
}

/// A source of keys for the configuration.
fn keys(signers: &[&Signer]) -> String {
    let keys = signers.iter().map(|signer| {
        let jwk = signer.jwk();
        let members = jwk.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}"));
        format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
    });
    format!("keys = [{}]\n", keys.collect::<Vec<_>>().join(", "))
}

/// A server that lets in whom this key speaks for.
async fn guarded(signers: &[&Signer], more: &str, routes: &[(&str, &str)]) -> Stage {
    let stage = Stage::new(settings()).await;
    stage.node.set_checks(checks(&format!("{}{more}", keys(signers))));
    stage.deploy(&application(routes), Expected::Nothing).await.unwrap();
    stage
}

async fn with_token(stage: &Stage, path: &str, token: &str) -> Told {
    stage.ask_with("GET", path, &format!("authorization: Bearer {token}\r\n"), "").await
}

fn findings(error: DeployError) -> Vec<String> {
    match error {
        DeployError::Findings(issues) => issues.iter().map(|issue| format!("{}: {}", issue.at, issue.what)).collect(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_say_who_they_are_reaches_no_plugin() {
    let rsa = Signer::rsa("c");
    let stage = guarded(&[&rsa], "", &[("/p", STAFF)]).await;
    let with = |name: &str, value: Value| {
        let mut all = claims();
        all[name] = value;
        format!("authorization: Bearer {}\r\n", rsa.token(&all))
    };
    let good = with("x", 1.into());
    let unsigned = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(claims().to_string()));
    let confused = Signer::secret(rsa.jwk()["n"].as_str().unwrap().as_bytes());
    let forged = Signer::ed25519("c", 1).token_with(r#"{"alg":"RS256","kid":"c"}"#, &claims().to_string());
    let unknown = Signer::p256("z").token(&claims());
    let header = |token: &str| format!("authorization: Bearer {token}\r\n");
    for (headers, code) in [
        (String::new(), "MISSING"),
        ("authorization: Basic YWRhOnNlY3JldA==\r\n".to_owned(), "MISSING"),
        (good.replace("authorization", "x-authorization"), "MISSING"),
        (good.replace("authorization", "proxy-authorization"), "MISSING"),
        ("x-plugwork-principal: ada\r\nx-plugwork-claims: {}\r\n".to_owned(), "MISSING"),
        ("authorization: Bearer\r\n".to_owned(), "TOKEN"),
        ("authorization: Bearer a.b.c\r\n".to_owned(), "TOKEN"),
        (format!("{good}{good}"), "TOKEN"),
        (format!("{good}authorization: Basic YQ==\r\n"), "TOKEN"),
        (good.replace("Bearer ", "Bearer a "), "TOKEN"),
        (header(&unsigned), "TOKEN"),
        (header(&confused.token_with(r#"{"alg":"HS256","kid":"c"}"#, &claims().to_string())), "TOKEN"),
        (header(&forged), "TOKEN"),
        (header(&unknown), "TOKEN"),
        (header(&"a".repeat(20_000)), "TOKEN"),
        (with("iss", "https://evil.example".into()), "TOKEN"),
        (with("aud", "other".into()), "TOKEN"),
        (with("exp", Value::Null), "TOKEN"),
        (with("exp", (now_s() - 3_600).into()), "EXPIRED"),
        (with("nbf", (now_s() + 3_600).into()), "TOKEN"),
    ] {
        let told = stage.ask_with("GET", "/p", &headers, "").await;
        let code = format!("E-HTTP-IDENTITY-{code}");
        assert_eq!((told.status, told.code()), (401, code.clone()), "{headers}");
        let challenge = if code.ends_with("MISSING") { "Bearer" } else { "Bearer error=\"invalid_token\"" };
        assert_eq!(told.header("www-authenticate"), Some(challenge), "{headers}");
        assert!(!told.body.contains("signature") && !told.body.contains("issuer"), "{told:?}");
    }
    until("all are in the log", || stage.log.lock().unwrap().len() == 20).await;
    // The operator is told which; nothing ran.
    let log = stage.log.lock().unwrap();
    assert!(log.iter().all(|access| access.status == 401 && access.code.starts_with("E-HTTP-IDENTITY-")));
    assert!(log.iter().any(|access| access.error.as_deref() == Some("the token is not taken: it is from another issuer")));
    assert!(!format!("{log:?}").contains("eyJ"), "no token is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_told_who_asks_by_the_host_and_is_not_given_the_token() {
    let signer = Signer::ed25519("a", 1);
    let routes = [("/p", STAFF), ("/j", STAFF), ("/g", STAFF), ("/p/open", ""), ("/g/open", "")];
    let stage = guarded(&[&signer], "claims = [\"email\", \"tier\", \"missing\"]", &routes).await;
    let token = signer.token(&claims());
    assert_eq!(with_token(&stage, "/p", &token).await.body, "ada");
    assert_eq!(with_token(&stage, "/j", &token).await.body, r#"{"email":"ada@shop.example","tier":2}"#);
    let lines = format!("AUTHORIZATION: bEaReR {token}\r\nx-plugwork-principal: root\r\nx_plugwork_principal: root\r\n");
    assert_eq!(stage.ask_with("GET", "/p", &lines, "").await.body, "ada");
    // The guest gives back the headers that it was given.
    let back = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-other: 7\r\n{lines}\r\n");
    let (guarded, open) = (stage.raw(&back("/g")).await, stage.raw(&back("/g/open")).await);
    assert_eq!((guarded.status, guarded.header("x-other"), guarded.header("authorization")), (200, Some("7"), None), "{guarded:?}");
    assert!(open.header("authorization").is_some(), "{open:?}");
    // Without `auth` there is nobody, whatever a client says; and its headers are its own.
    assert_eq!(stage.ask_with("GET", "/p/open", &lines, "").await.body, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lacks_a_scope_is_known_and_refused() {
    let signer = Signer::ed25519("a", 1);
    let stage = guarded(&[&signer], "required-scopes = [\"read\", \"orders:write\"]", &[("/p", STAFF)]).await;
    let mut all = claims();
    all["scope"] = "read".into();
    let told = with_token(&stage, "/p", &signer.token(&all)).await;
    assert_eq!((told.status, told.code().as_str()), (403, "E-HTTP-IDENTITY-SCOPE"));
    assert_eq!(told.header("www-authenticate"), Some("Bearer error=\"insufficient_scope\", scope=\"read orders:write\""));
    all["scope"] = "read orders:write".into();
    assert_eq!(with_token(&stage, "/p", &signer.token(&all)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_is_not_there_lets_nobody_in() {
    let signer = Signer::ed25519("a", 1);
    let first = Stage::new(settings()).await;
    let text = application(&[("/e", ""), ("/p", STAFF)]);
    let found = findings(first.deploy(&text, Expected::Nothing).await.unwrap_err());
    assert_eq!(found, ["route[1].auth: this server has no check `staff`"]);
    first.node.set_checks(checks(&keys(&[&signer])));
    first.deploy(&text, Expected::Nothing).await.unwrap();
    let token = signer.token(&claims());
    assert_eq!(with_token(&first, "/p", &token).await.status, 200);
    // It disappears while it is served, and comes back.
    first.node.set_checks(Checks::default());
    let told = with_token(&first, "/p", &token).await;
    assert_eq!((told.status, told.code().as_str(), told.header("retry-after")), (503, "E-HTTP-IDENTITY-UNAVAILABLE", Some("5")));
    assert_eq!((first.get("/p").await.status, first.get("/e").await.status), (503, 200));
    first.node.set_checks(checks(&keys(&[&signer])));
    assert_eq!(with_token(&first, "/p", &token).await.status, 200);
    // A server that starts without it serves nothing of the application.
    let (folder, deployments, records) = (first.folder.clone(), first.deployments.clone(), first.records.clone());
    let runtime = first.runtime.clone();
    first.stop().await;
    runtime.close().await.unwrap();
    let second = Stage::over(settings(), folder, deployments, records).await;
    let not_served = second.node.start().await.unwrap();
    assert_eq!(not_served.len(), 1);
    assert!(not_served[0].error.to_string().contains("no check `staff`"), "{}", not_served[0].error);
    assert_eq!((with_token(&second, "/p", &token).await.status, second.get("/e").await.status), (503, 503));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_token_uses_up_its_rate() {
    let signer = Signer::ed25519("a", 1);
    let limited = format!("{STAFF}\nlimits = {{ client-rate = {{ requests = 2, window-seconds = 3600 }} }}");
    let stage = guarded(&[&signer], "", &[("/p", &limited)]).await;
    let first = stage.get("/p").await;
    assert_eq!((first.status, first.header("ratelimit").is_some()), (401, true));
    assert_eq!((stage.get("/p").await.status, stage.get("/p").await.status), (401, 429));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_from_where_the_issuer_publishes_them() {
    let signer = Signer::ed25519("a", 1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = application(&[("/p", STAFF)]);
    let token = signer.token(&claims());
    // Nobody answers there: nobody is let in, and the server goes on.
    drop(listener);
    let stage = Stage::new(settings()).await;
    let down = checks(&format!("jwks-url = \"http://{address}/down\""));
    assert_eq!(down.prepare().await.len(), 1);
    stage.node.set_checks(down);
    stage.deploy(&text, Expected::Nothing).await.unwrap();
    let told = with_token(&stage, "/p", &token).await;
    assert_eq!((told.status, told.code().as_str()), (503, "E-HTTP-IDENTITY-UNAVAILABLE"));
    assert!(!told.body.contains("127.0.0.1"), "{told:?}");
    // Where keys are fetched is the server's business: its own log has it, and no tenant's tail.
    until("it is in the log", || !stage.log.lock().unwrap().is_empty()).await;
    let access = stage.log.lock().unwrap()[0].clone();
    assert!(access.error.as_ref().is_some_and(|error| !error.contains("127.0.0.1")), "{access:?}");
    assert!(access.reason.as_ref().is_some_and(|reason| reason.contains("127.0.0.1")), "{access:?}");
    // Answers that are none: a redirect, an error, too many bytes, no set.
    let set = json!({ "keys": [signer.jwk()] }).to_string();
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "a".repeat(300_000));
    for (status, body) in [("302 Found\r\nlocation: /keys", set.as_str()), ("500 No", ""), ("200 OK", long.as_str()), ("200 OK", "<html>")]
    {
        let address = publisher(status, body).await;
        stage.node.set_checks(checks(&format!("jwks-url = \"http://{address}/keys\"")));
        assert_eq!(with_token(&stage, "/p", &token).await.status, 503, "{status}");
    }
    let address = publisher("200 OK", &set).await;
    let good = checks(&format!("jwks-url = \"http://{address}/keys\""));
    assert!(good.prepare().await.is_empty());
    stage.node.set_checks(good);
    assert_eq!(with_token(&stage, "/p", &token).await.body, "ada");
    assert_eq!(with_token(&stage, "/p", &Signer::ed25519("a", 2).token(&claims())).await.status, 401);
}

/// A server that gives one answer to everything.
async fn publisher(status: &str, body: &str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2_048];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}
