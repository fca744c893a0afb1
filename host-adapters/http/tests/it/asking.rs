//! What a plugin is told, and that a client cannot say it.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use plugwork_http::{Body, Connection, Principal, RequestId};
use tower::ServiceExt;

use crate::world::{Stage, ask, limits, post, read, request, stage};
use crate::{proxy, service};

#[tokio::test]
async fn a_client_cannot_say_what_only_the_host_may() {
    let stage = stage(limits()).await;
    let lies = |path: &str| {
        Request::builder()
            .uri(path)
            .header("host", "shop.example:8080")
            .header("forwarded", "for=1.2.3.4;proto=https;host=bank.example")
            .header("x-forwarded-host", "bank.example")
            .header("x-forwarded-proto", "https")
            .header("x-real-ip", "1.2.3.4")
            .header("x-request-id", "mine")
            .header("x-plugwork-principal", "root")
            .body(Body::empty())
            .unwrap()
    };
    let told = async |path| ask(&stage.service(), lies(path)).await;
    assert_eq!(told("/y").await.text(), "http");
    assert_eq!(told("/a").await.text(), "shop.example:8080");
    assert_eq!(told("/i").await.text(), "");
    assert_eq!(told("/p").await.text(), "none");
    assert_ne!(told("/q").await.text(), "mine");
    // Its headers, given back: none of the lies is among them.
    let given = told("/g").await;
    let mut names: Vec<&str> = given.head.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "x-request-id"]);
    assert_ne!(given.header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn the_server_says_who_asks_and_from_where() {
    let stage = stage(limits()).await;
    let peer: SocketAddr = "192.0.2.7:49152".parse().unwrap();
    let said = |path: &str| {
        let mut request = request(path);
        request.extensions_mut().insert(Connection { tls: true, client: Some(peer) });
        request.extensions_mut().insert(Principal { name: "ada".to_owned(), claims: "{}".to_owned() });
        request
    };
    let told = async |path| ask(&stage.service(), said(path)).await.text().to_owned();
    assert_eq!((told("/y").await, told("/i").await, told("/p").await), ("https".into(), "192.0.2.7:49152".into(), "ada".into()));
    let mut from_axum = request("/i");
    from_axum.extensions_mut().insert(ConnectInfo(peer));
    assert_eq!(ask(&stage.service(), from_axum).await.text(), "192.0.2.7:49152");
    let mut numbered = request("/q");
    let number = RequestId::new();
    numbered.extensions_mut().insert(number);
    assert_eq!(ask(&stage.service(), numbered).await.text(), number.as_str());
}

#[tokio::test]
async fn the_placeholders_of_a_route_are_told_decoded_and_a_nested_plugin_sees_its_own_paths() {
    let stage = stage(limits()).await;
    let routes = Router::new()
        .route_service("/w/{name}", stage.service())
        .nest("/below", stage.service().router())
        .fallback_service(stage.service());
    let told = async |path: &str| read(routes.clone().oneshot(request(path)).await.unwrap()).await.text().to_owned();
    assert_eq!(told("/w/Ada%20L").await, "Ada L");
    assert_eq!(told("/below/a").await, "localhost");
    assert_eq!(told("/w").await, "none");
    let not_text = read(routes.clone().oneshot(request("/w/%ff")).await.unwrap()).await;
    assert_eq!(not_text.problem(), (400, "E-HTTP-PATH".into()), "not the same as no placeholders");
}

/// A component of WASI is told by headers.
async fn is_told_by_headers_what_a_client_cannot_say(stage: &Stage) {
    let mut lying = post("/said", "");
    for (name, value) in [("x-forwarded-for", "6.6.6.6"), ("x-plugwork-principal", "root"), ("x-request-id", "mine"), ("te", "trailers")] {
        lying.headers_mut().insert(name, value.parse().unwrap());
    }
    let told = ask(&stage.service(), lying).await;
    assert!(told.text().starts_with("Some(Scheme::Http) localhost\n"), "{}", told.text());
    assert!(!told.text().contains("6.6.6.6") && !told.text().contains("root") && !told.text().contains("mine"), "{}", told.text());
    let mut known = request("/said");
    known.extensions_mut().insert(Connection { tls: true, client: Some("192.0.2.7:1".parse().unwrap()) });
    known.extensions_mut().insert(Principal { name: "ada".to_owned(), claims: r#"{"a":1}"#.to_owned() });
    let told = ask(&stage.service(), known).await;
    let number = format!("x-request-id: {}\n", told.header("x-request-id").unwrap());
    for line in
        ["Some(Scheme::Https) ", "x-forwarded-for: 192.0.2.7\n", "x-plugwork-principal: ada\n", "x-plugwork-claims: {\"a\":1}\n", &number]
    {
        assert!(told.text().contains(line), "{line} in {}", told.text());
    }
}

#[tokio::test]
async fn a_component_of_wasi_0_2_is_told_what_a_client_cannot_say() {
    is_told_by_headers_what_a_client_cannot_say(&proxy::stage(limits()).await).await;
}

#[tokio::test]
async fn a_component_of_wasi_0_3_is_told_what_a_client_cannot_say() {
    is_told_by_headers_what_a_client_cannot_say(&service::stage(limits()).await).await;
}
