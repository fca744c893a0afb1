//! What is read, what is refused before anything runs, and what a refusal says.

use plugwork::core::reach::Kind;
use plugwork::{Error, ErrorKind, Grants, Source};
use serde_json::json;

use crate::guest::{CALLS, ECHO, Guest, LOG};
use crate::world::{self, Number, grant, object};

const STRANGER: &str = r#"(import "acme:stranger/thing@1.0.0" (instance (export "do" (func))))"#;

fn with_calls(manifest: &str) -> Source {
    Guest::new(ECHO).import(CALLS).manifest(manifest).source()
}

async fn accept(source: &Source, grants: Grants) -> Result<plugwork::Plugin, Error> {
    world::runtime().await.offer(source).await.unwrap().accept_only(grants).await
}

#[tokio::test]
async fn bytes_that_are_not_wasm_are_no_component() {
    for bytes in [&b""[..], b"hello", b"\0asm"] {
        let error = world::runtime().await.offer(&Source::bytes(bytes)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Component, "{error}");
    }
}

#[tokio::test]
async fn a_core_module_is_named_as_what_it_is() {
    let module = wat::parse_str("(module)").unwrap();
    let error = world::runtime().await.offer(&Source::bytes(module)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Component);
    assert!(error.to_string().contains("module"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let error = Source::file("/nowhere/plugin.wasm").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("/nowhere/plugin.wasm"), "{error}");
}

#[tokio::test]
async fn an_import_that_nobody_offers_is_refused_and_named() {
    let error = accept(&Guest::new(ECHO).import(STRANGER).source(), Grants::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.denials().len(), 1);
    assert_eq!(error.denials()[0].code, "E-LINK-UNKNOWN");
    assert_eq!(error.denials()[0].permission, "acme:stranger/thing@1.0.0");
}

#[tokio::test]
async fn an_import_outside_any_interface_is_refused() {
    let guest = Guest::new(ECHO).import(r#"(import "run-anything" (func))"#);
    let error = accept(&guest.source(), Grants::none()).await.unwrap_err();
    assert_eq!((error.kind(), error.denials()[0].permission.as_str()), (ErrorKind::Refused, "run-anything"));
}

#[tokio::test]
async fn a_required_permission_without_its_grant_is_refused_with_the_line_that_grants_it() {
    let source = with_calls("[permissions.calls]\nstart = 5\n");
    let error = accept(&source, Grants::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let denial = &error.denials()[0];
    assert_eq!(denial.permission, "test:host/calls@0.1.0");
    assert!(denial.rule.contains("`test:guest`"), "{}", denial.rule);
    assert_eq!(denial.hint, "grants.calls = { start = 5 }");
    assert_eq!(error.subject().unwrap().to_string(), "test:guest");
}

#[tokio::test]
async fn a_host_words_the_hint_itself() {
    let runtime = world::builder().hint(|subject, permission| format!("add `{permission}` to {subject}")).open().await.unwrap();
    let offer = runtime.offer(&with_calls("[permissions.calls]\nstart = 5\n")).await.unwrap();
    let error = offer.accept_only(Grants::none()).await.unwrap_err();
    assert_eq!(error.denials()[0].hint, "add `calls { start = 5 }` to test:guest");
}

#[tokio::test]
async fn a_manifest_that_promises_less_than_is_imported_is_refused() {
    let error = accept(&with_calls(""), Grants::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.denials()[0].permission, "test:host/calls@0.1.0");
    assert_eq!(error.denials()[0].hint, "its author must add `[permissions.calls]` to its `plugin.toml`");
    // A grant does not heal it: nobody was asked for that permission.
    let error = accept(&with_calls(""), grant("calls", json!({}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.issues()[0].at, "grants.calls");
}

#[tokio::test]
async fn more_granted_than_asked_is_refused() {
    let source = with_calls("[permissions.calls]\nstart = 5\n");
    assert!(accept(&source, grant("calls", json!({"start": 4}))).await.is_ok());
    let error = accept(&source, grant("calls", json!({"start": 6}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((error.issues()[0].at.as_str(), error.issues()[0].what.as_str()), ("grants.calls.start", "more granted than asked: 6"));
}

#[tokio::test]
async fn a_grant_for_what_the_host_does_not_offer_is_refused_by_name() {
    let source = Guest::new(ECHO).manifest("[permissions.teleport]\n").source();
    let error = accept(&source, grant("teleport", json!({}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.issues()[0].at, "grants.teleport");
    assert!(error.to_string().contains("this host does not offer it; expected one of `calls`"), "{error}");
}

#[tokio::test]
async fn everything_that_is_missing_is_said_at_once() {
    let fetch = r#"(import "plugwork:host/fetch@0.1.0" (instance (export "send" (func))))"#;
    let guest = Guest::new(ECHO).import(CALLS).import(STRANGER).import(fetch);
    let error = accept(&guest.source(), Grants::none()).await.unwrap_err();
    let named: Vec<_> = error.denials().iter().map(|denial| denial.permission.as_str()).collect();
    assert_eq!(named, ["test:host/calls@0.1.0", "acme:stranger/thing@1.0.0", "plugwork:host/fetch@0.1.0"]);
    let text = error.to_string();
    assert!(named.iter().all(|name| text.contains(name)) && text.contains("hint: "), "{text}");
}

#[tokio::test]
async fn a_wrong_manifest_is_refused_with_every_complaint() {
    let source = Guest::new(ECHO).manifest("[limits]\ndeadline-ms = 0\n[permissions.http]\nhosts = [\"no host\"]\n").source();
    let error = world::runtime().await.offer(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Manifest);
    let places: Vec<_> = error.issues().iter().map(|issue| issue.at.as_str()).collect();
    assert_eq!(places, ["limits.deadline-ms", "permissions.http.hosts"]);
}

#[tokio::test]
async fn a_component_without_manifest_asks_by_what_it_imports() {
    let source = Guest::new(ECHO).import(CALLS).import(LOG).source();
    let offer = world::runtime().await.offer(&source).await.unwrap();
    assert_eq!(offer.permissions().to_string(), "asks for nothing");
    let kinds = |grants: &Grants| offer.reach(grants).iter().map(|reach| reach.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&Grants::none()), [Kind::Refused, Kind::Inert]);
    assert_eq!(kinds(&grant("calls", json!({}))), [Kind::Granted, Kind::Inert]);
    let plugin = offer.accept_only(grant("calls", json!({}))).await.unwrap();
    assert_eq!(plugin.call::<Number>(&9).await.unwrap(), 9);
}

#[tokio::test]
async fn an_offer_says_in_words_what_it_asks_for() {
    let guest = Guest::new(ECHO).manifest("[permissions.calls]\nstart = 5\noptional = true\nreason = \"to count\"\n");
    let offer = world::runtime().await.offer(&guest.source()).await.unwrap();
    assert_eq!(offer.permissions().to_string(), "calls { start = 5 } (optional): to count");
    let plugin = offer.accept().await.unwrap();
    assert_eq!(plugin.grants().get("calls"), Some(&object(json!({"start": 5}))));
}

#[tokio::test]
async fn nothing_runs_before_a_session_does() {
    let code = format!("{ECHO} (func $start unreachable) (start $start)");
    let plugin = world::plugin(&Guest::new(&code).source()).await;
    assert!(plugin.enable().await.is_err(), "the start function runs at the first instance, not at accept");
}

#[tokio::test]
async fn a_configuration_must_be_an_object_of_limited_size() {
    for wrong in [json!([1]), json!("x"), json!({"long": "x".repeat(64 << 10)})] {
        let offer = world::runtime().await.offer(&Guest::new(ECHO).source()).await.unwrap();
        let error = offer.configuration(wrong).accept().await.unwrap_err();
        assert_eq!((error.kind(), error.issues()[0].at.as_str()), (ErrorKind::Invalid, "configuration"));
    }
}
