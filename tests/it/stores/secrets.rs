//! Secrets: used without being seen, seen with the right to, and found nowhere else (H7).
//!
//! The server on the loopback address is the oracle of what was sent. Easy to get wrong: a plugin with the right to reveal may say the text
//! itself, so the search for the canary is done with one that has not. And a grant takes over what it does not mention: not to give the right
//! to a plugin that asks for it, a grant says `reveal = false`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use plugwork::{Fault, Grants, Plugin};
use serde_json::{Value, json};

use super::{Host, done, is_told_denial, told};
use crate::server::Server;
use crate::world::{object, said, try_probe};

/// Of the tenant `default`, and in nothing else.
const CANARY: &str = "canary-9c4e21";
/// Of the tenant `other`.
const OTHERS: &str = "others-3b77d0";

/// A host with a file of secrets.
async fn host() -> Host {
    let host = Host::open().await;
    let path = host.folder.path().join("secrets.toml");
    fs::write(&path, format!("[default]\napi-token = \"{CANARY}\"\n[other]\napi-token = \"{OTHERS}\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    host
}

fn reaching(server: &Server) -> Grants {
    let bounds = json!({ "hosts": [server.url("")], "methods": ["GET"], "networks": ["127.0.0.1"] });
    Grants::none().with("http", object(bounds))
}

fn usable(server: &Server) -> Grants {
    reaching(server).with("secrets", object(json!({ "names": ["api-token"], "hosts": [server.url("")], "reveal": false })))
}

fn headers_seen(server: &Server) -> Vec<String> {
    let heads = server.heads();
    let lines = heads.iter().flat_map(|head| head.lines());
    lines.filter_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_secret_stands_in_its_header_and_was_never_in_the_guest() {
    let (server, host) = (Server::start().await, host().await);
    let plugin = host.plugin("secrets-sent", usable(&server)).await;
    assert_eq!(done(&plugin, &format!("secrets send api-token {}", server.url("/hello"))).await, "200 hello");
    let blank = ["secrets", "send", "api-token", &server.url("/hello"), "Authorization", "token "];
    assert_eq!(crate::world::probe(&plugin, &blank).await.unwrap(), "200 hello");
    assert_eq!(headers_seen(&server), [format!("Bearer {CANARY}"), format!("token {CANARY}")]);
    is_told_denial(&plugin, "secrets reveal api-token", "E-CAP-SECRETS-REVEAL", "reveal = true").await;
}

#[tokio::test]
async fn a_secret_is_shown_with_the_right_to_see_it() {
    let host = host().await;
    let grants = |bounds: Value| Grants::none().with("secrets", object(bounds));
    let plugin = host.plugin("secrets-shown", grants(json!({ "names": ["api-token"], "reveal": true }))).await;
    assert_eq!(done(&plugin, "secrets reveal api-token").await, CANARY);
    let bounds = grants(json!({ "names": ["api-token"], "reveal": true }));
    let other = host.offer("other", "secrets-shown").await.accept_only(bounds).await.unwrap();
    assert_eq!(done(&other, "secrets reveal api-token").await, OTHERS);
    let third =
        host.offer("third", "secrets-shown").await.accept_only(grants(json!({ "names": ["api-token"], "reveal": true }))).await.unwrap();
    let error = told(&third, "secrets reveal api-token").await.unwrap_err();
    assert!(error.contains("this host has no secret `api-token`"), "{error}");
}

/// What the guest is told, everything that it tries, in one text. Nothing of it reaches a server.
async fn tries(plugin: &Plugin, server: &Server, elsewhere: &Server) -> String {
    let here = server.url("/hello");
    let denied = [
        ("secrets get other".to_owned(), "E-CAP-SECRETS-NAME"),
        ("secrets get ../api-token".to_owned(), "E-CAP-SECRETS-NAME"),
        ("secrets reveal api-token".to_owned(), "E-CAP-SECRETS-REVEAL"),
        (format!("secrets send api-token {}", elsewhere.url("/hello")), "E-CAP-SECRETS-HOST"),
        (format!("secrets send api-token http://localhost:{}/hello", server.port), "E-CAP-SECRETS-HOST"),
        (format!("secrets send api-token http://x@127.0.0.1:{}/hello", server.port), "Invalid"),
        (format!("secrets send api-token {here} x-api-key "), "E-CAP-SECRETS-HEADER"),
        (format!("secrets send api-token {here} authorization a\r\nx:"), "Invalid"),
        (format!("secrets send-beside api-token {here} Authorization mine"), "Invalid"),
        (format!("secrets send-twice api-token {here}"), "Invalid"),
        (format!("secrets send-none api-token {here}"), "Invalid"),
    ];
    let mut all = String::new();
    for (line, expected) in denied {
        let error = told(plugin, &line).await.unwrap_err();
        assert!(error.contains(expected), "`{line}`: {error}");
        all += &error;
    }
    all
}

#[tokio::test]
async fn a_secret_goes_to_no_other_host_in_no_other_header() {
    let (server, elsewhere, host) = (Server::start().await, Server::start().await, host().await);
    let plugin = host.plugin("secrets-elsewhere", usable(&server)).await;
    tries(&plugin, &server, &elsewhere).await;
    assert!(server.asked().is_empty() && elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_secret_follows_no_redirect() {
    let (server, host) = (Server::start().await, host().await);
    let mut bounds = json!({ "hosts": [server.url("")], "methods": ["GET"], "networks": ["127.0.0.1"], "redirects": true });
    let grants = |bounds: &Value| usable(&server).with("http", object(bounds.clone()));
    let plugin = host.plugin("secrets-redirect", grants(&bounds)).await;
    for path in ["/redirect", "/to?http://localhost/elsewhere"] {
        assert_eq!(done(&plugin, &format!("secrets send api-token {}", server.url(path))).await, "302 ");
    }
    assert_eq!(server.asked(), ["GET /redirect", "GET /to?http://localhost/elsewhere"]);
    bounds["redirects"] = json!(false);
    let plugin = host.plugin("secrets-redirect", grants(&bounds)).await;
    assert_eq!(done(&plugin, &format!("secrets send api-token {}", server.url("/redirect"))).await, "302 ");
}

#[tokio::test]
async fn a_secret_needs_both_grants_to_be_sent() {
    let (server, host) = (Server::start().await, host().await);
    let line = format!("secrets send api-token {}", server.url("/hello"));
    let neither = host.plugin("secrets-neither", Grants::none()).await;
    assert!(told(&neither, "secrets get api-token").await.unwrap_err().starts_with("Denied"));
    let only_http = host.plugin("secrets-only-http", reaching(&server)).await;
    assert!(told(&only_http, &line).await.unwrap_err().starts_with("Denied"));
    let secrets = json!({ "names": ["api-token"], "hosts": [server.url("")], "reveal": false });
    let only_secrets = host.plugin("secrets-only-secrets", Grants::none().with("secrets", object(secrets.clone()))).await;
    is_told_denial(&only_secrets, &line, "E-CAP-NOT-GRANTED", "").await;
    let no_network = json!({ "hosts": [server.url("")], "methods": ["GET"] });
    let grants = Grants::none().with("secrets", object(secrets)).with("http", object(no_network));
    is_told_denial(&host.plugin("secrets-no-network", grants).await, &line, "E-CAP-HTTP-ADDRESS", "networks").await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn the_text_of_a_secret_is_in_nothing_that_comes_out() {
    let (server, elsewhere, host) = (Server::start().await, Server::start().await, host().await);
    let instance = "secrets-canary";
    let offer = host.offer("default", instance).await;
    let mut out = format!("{offer:?}");
    let plugin = offer.accept_only(usable(&server)).await.unwrap();
    out += &tries(&plugin, &server, &elsewhere).await;
    out += &done(&plugin, "secrets get api-token").await;
    for path in ["/hello", "/redirect", "/nothing", "/zipped", "/many-headers"] {
        out += &told(&plugin, &format!("secrets send api-token {}", server.url(path))).await.unwrap_or_else(|told| told);
    }
    // An answer that breaks off, one that is none, and a guest that dies with the handle and the request in its hands.
    for path in ["/breaks", "/switches", "/two-lengths", "/head-of-a-megabyte"] {
        out += &told(&plugin, &format!("secrets send api-token {}", server.url(path))).await.unwrap_or_else(|told| told);
    }
    let error = try_probe(&plugin, &["secrets", "panic", "api-token", &server.url("/hello")]).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Panic { .. })), "{error}");
    out += &format!("{error} {error:?} {:?}", error.fault());
    out += &format!("{plugin:?} {:?} {:?} {:?}", plugin.grants(), plugin.account().snapshot(), said(instance));
    out += &format!("{:?} {:?}", host.runtime.usage(), host.recorded().await);

    // The oracle is not blind: the server did get it, and so did the records get what happened.
    assert!(headers_seen(&server).len() >= 5 && headers_seen(&server).iter().all(|value| value == &format!("Bearer {CANARY}")));
    assert!(out.contains("E-CAP-SECRETS-HOST") && out.contains("E-CAP-SECRETS-REVEAL") && out.contains("api-token"), "{out}");
    for text in [CANARY, OTHERS] {
        assert!(!out.contains(text), "{out}");
    }
    // Nor in any file that the host wrote, other than the one it was read from.
    for file in files(host.folder.path()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert_eq!(found, file.ends_with("secrets.toml"), "{}", file.display());
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
