//! Outgoing HTTP of a real guest, through wasi:http and through `plugwork:host/fetch`: one grant, the same decisions.
//!
//! The guest is `tests/guests/rust/http-get`; the server is on the loopback address, which is why a grant that works names a network.

use plugwork::core::Denial;
use plugwork::log::Level;
use plugwork::{ErrorKind, Fault, Grants, Limits, Plugin};
use serde_json::{Value, json};

use crate::server::{BIG_BYTES, Server};
use crate::world::{LIMITS, grant, guest, offer, probe, said, try_probe};

const INTERFACES: [&str; 2] = ["wasi", "fetch"];

/// Accepted with these bounds.
async fn plugin(instance: &str, bounds: Value) -> Plugin {
    offer(&guest("http-get"), instance).await.accept_only(grant("http", bounds)).await.unwrap()
}

/// Accepted with what reaches the server's root, by GET.
async fn granted(instance: &str, server: &Server) -> Plugin {
    plugin(instance, json!({ "hosts": [server.url("")], "methods": ["GET"], "networks": ["127.0.0.1"], "redirects": false })).await
}

/// Both interfaces deny it, with this code: `fetch` in its answer, wasi:http in the plugin's log.
async fn is_denied(plugin: &Plugin, method: &str, url: &str, code: &str) {
    let instance = &plugin.subject().instance;
    let told = probe(plugin, &["fetch", method, url]).await.unwrap_err();
    assert!(told.starts_with("Denied") && told.contains(code), "{told}");
    assert!(!said(instance).iter().any(|(level, _)| *level == Level::Warn), "nothing is logged that the plugin was told");
    assert_eq!(probe(plugin, &["wasi", method, url]).await.unwrap_err(), "ErrorCode::HttpRequestDenied");
    let warnings: Vec<_> = said(instance).into_iter().filter(|(level, _)| *level == Level::Warn).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let reason = &warnings[0].1;
    assert!(reason.contains(code) && reason.contains("plugwork-tests:http-get") && reason.contains("\nhint: "), "{reason}");
}

#[tokio::test]
async fn a_granted_request_is_answered() {
    let server = Server::start().await;
    let plugin = granted("http-granted", &server).await;
    for interface in INTERFACES {
        assert_eq!(probe(&plugin, &[interface, "GET", &server.url("/hello")]).await.unwrap(), "200 - 5 hello");
        assert_eq!(probe(&plugin, &[interface, "GET", &server.url("/nothing")]).await.unwrap(), "404 - 0 ");
    }
    assert_eq!(server.asked(), ["GET /hello", "GET /nothing", "GET /hello", "GET /nothing"]);
}

#[tokio::test]
async fn another_port_is_denied() {
    let (server, other) = (Server::start().await, Server::start().await);
    let plugin = granted("http-port", &server).await;
    is_denied(&plugin, "GET", &other.url("/hello"), "E-CAP-HTTP-HOST").await;
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn another_name_of_the_same_machine_is_denied() {
    let server = Server::start().await;
    let plugin = granted("http-name", &server).await;
    is_denied(&plugin, "GET", &format!("http://localhost:{}/hello", server.port), "E-CAP-HTTP-HOST").await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn another_method_is_denied() {
    let server = Server::start().await;
    let plugin = granted("http-method", &server).await;
    is_denied(&plugin, "DELETE", &server.url("/hello"), "E-CAP-HTTP-METHOD").await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_private_address_is_denied_though_its_host_is_granted() {
    let server = Server::start().await;
    let bounds = json!({ "hosts": [server.url("")], "methods": ["GET"], "networks": [] });
    is_denied(&plugin("http-address", bounds).await, "GET", &server.url("/hello"), "E-CAP-HTTP-ADDRESS").await;
    assert!(server.asked().is_empty());
}

/// The plugin asks for every network; a grant that names hosts only must not open its host's own one.
#[tokio::test]
async fn networks_are_not_taken_over_from_what_was_asked() {
    let server = Server::start().await;
    let bounds = json!({ "hosts": [server.url("")], "methods": ["GET"] });
    is_denied(&plugin("http-asked", bounds).await, "GET", &server.url("/hello"), "E-CAP-HTTP-ADDRESS").await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_address_in_disguise_is_denied() {
    let server = Server::start().await;
    let any = |instance: &'static str| plugin(instance, json!({ "hosts": [format!("http://*:{}", server.port)], "networks": [] }));
    for (number, host) in ["2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "127.0.0.1."].into_iter().enumerate()
    {
        let instance: &'static str = format!("http-disguise-{number}").leak();
        is_denied(&any(instance).await, "GET", &format!("http://{host}:{}/hello", server.port), "E-CAP-HTTP-ADDRESS").await;
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_denied() {
    let server = Server::start().await;
    let url = format!("http://localhost:{}", server.port);
    let bounds = json!({ "hosts": [url], "methods": ["GET"], "networks": [] });
    is_denied(&plugin("http-localhost", bounds).await, "GET", &format!("{url}/hello"), "E-CAP-HTTP-ADDRESS").await;
    assert!(server.asked().is_empty());
    let bounds = json!({ "hosts": [url], "methods": ["GET"], "networks": ["127.0.0.0/8"] });
    let plugin = plugin("http-localhost-granted", bounds).await;
    for interface in INTERFACES {
        assert_eq!(probe(&plugin, &[interface, "GET", &format!("{url}/hello")]).await.unwrap(), "200 - 5 hello", "{interface}");
    }
}

#[tokio::test]
async fn without_a_grant_it_is_refused_with_both_interfaces_named() {
    let error = offer(&guest("http-get"), "http-none").await.accept_only(Grants::none()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let interface = |denial: &Denial| denial.permission.split('@').next().unwrap().to_owned();
    let mut named: Vec<_> = error.denials().iter().map(interface).collect();
    named.sort();
    assert_eq!(named, ["plugwork:host/fetch", "wasi:http/outgoing-handler"]);
    for denial in error.denials() {
        assert!(denial.rule.contains("plugwork-tests:http-get") && denial.hint.starts_with("grants.http = "), "{denial}");
    }
}

#[tokio::test]
async fn more_than_was_asked_cannot_be_granted() {
    let bounds = json!({ "hosts": ["*"], "methods": ["*"], "networks": ["0.0.0.0/0"], "anything": true });
    let error = offer(&guest("http-get"), "http-more").await.accept_only(grant("http", bounds)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::start().await;
    let plugin = granted("http-redirect", &server).await;
    for interface in INTERFACES {
        let expected = format!("302 {} 0 ", server.url("/secret"));
        assert_eq!(probe(&plugin, &[interface, "GET", &server.url("/redirect")]).await.unwrap(), expected);
    }
    assert_eq!(server.asked(), ["GET /redirect", "GET /redirect"]);
}

#[tokio::test]
async fn a_body_of_megabytes_comes_through() {
    let server = Server::start().await;
    let plugin = granted("http-big", &server).await;
    for interface in INTERFACES {
        let answer = probe(&plugin, &[interface, "GET", &server.url("/big")]).await.unwrap();
        assert_eq!(answer, format!("200 - {BIG_BYTES} {}", "x".repeat(24)), "{interface}");
    }
}

#[tokio::test]
async fn a_body_of_megabytes_is_sent_whole() {
    let server = Server::start().await;
    let plugin = plugin("http-upload", json!({ "hosts": [server.url("")], "methods": ["POST"], "networks": ["127.0.0.1"] })).await;
    for interface in ["wasi-upload", "fetch-upload"] {
        let answer = probe(&plugin, &[interface, &server.url("/count"), &BIG_BYTES.to_string()]).await.unwrap();
        assert_eq!(answer, format!("200 - 7 {BIG_BYTES}"), "{interface}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_half_an_answer() {
    let server = Server::start().await;
    let plugin = granted("http-breaks", &server).await;
    let told = probe(&plugin, &["fetch", "GET", &server.url("/breaks")]).await.unwrap_err();
    assert!(told.starts_with("Unavailable") && told.contains("broke off"), "{told}");
    let told = probe(&plugin, &["wasi", "GET", &server.url("/breaks")]).await.unwrap_err();
    assert!(told.contains("after 4 bytes"), "{told}");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_guests_own_timeout() {
    let server = Server::start().await;
    let plugin = granted("http-timeout", &server).await;
    let told = probe(&plugin, &["fetch", "GET", &server.url("/never"), "50"]).await.unwrap_err();
    assert!(told.starts_with("Unavailable") && told.contains("timed out"), "{told}");
    assert_eq!(probe(&plugin, &["wasi", "GET", &server.url("/never"), "50"]).await.unwrap_err(), "ErrorCode::ConnectionReadTimeout");
    let told = probe(&plugin, &["fetch", "GET", &server.url("/stalls"), "200"]).await.unwrap_err();
    assert!(told.contains("timed out"), "the time is for the whole exchange: {told}");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_at_the_calls_deadline() {
    let server = Server::start().await;
    let bounds = json!({ "hosts": [server.url("")], "methods": ["GET"], "networks": ["127.0.0.1"] });
    let limits = Limits { deadline_ms: 150, ..LIMITS };
    let offer = offer(&guest("http-get"), "http-deadline").await.limits(limits);
    let plugin = offer.accept_only(grant("http", bounds)).await.unwrap();
    for interface in INTERFACES {
        for path in ["/never", "/stalls"] {
            let error = try_probe(&plugin, &[interface, "GET", &server.url(path)]).await.unwrap_err();
            assert!(matches!(error.fault(), Some(Fault::Deadline { limit_ms: 150, .. })), "{interface} {path}: {error}");
        }
    }
}

#[tokio::test]
async fn many_at_once_are_answered_in_order_each_by_its_own_decision() {
    let (server, other) = (Server::start().await, Server::start().await);
    let plugin = granted("http-many", &server).await;
    let urls = [server.url("/hello"), other.url("/hello"), server.url("/nothing"), "not a url".to_owned(), server.url("/redirect")];
    let mut arguments = vec!["fetch-all"];
    arguments.extend(urls.iter().map(String::as_str));
    let answer = probe(&plugin, &arguments).await.unwrap();
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!(lines[0], "200 - 5 hello");
    assert!(lines[1].starts_with("Denied") && lines[1].contains("E-CAP-HTTP-HOST"), "{}", lines[1]);
    assert_eq!(lines[2], "404 - 0 ");
    assert!(lines[3].starts_with("Invalid"), "{}", lines[3]);
    assert!(lines[4].starts_with("302 "), "{}", lines[4]);
    assert!(other.asked().is_empty());
    let too_many = vec!["fetch-all"].into_iter().chain(std::iter::repeat_n(urls[0].as_str(), 65)).collect::<Vec<_>>();
    let answer = probe(&plugin, &too_many).await.unwrap();
    assert_eq!(answer.lines().filter(|line| line.starts_with("Invalid") && line.contains("at most 64")).count(), 65);
}
