//! Requests out of a guest of WASI 0.3 (`wasi:http/client`): the same grants, the same guarded way out as for 0.2, and none without a grant.
//!
//! The server is on the loopback address, which is why a grant that works names a network.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::routing::get;
use futures::future::join_all;
use plugwork::component::{Embedded, embed};
use plugwork::core::record::Settings;
use plugwork::{Allocation, ErrorKind, Grants, Runtime, Source};
use plugwork_capabilities::Http;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use crate::proxy::built;
use crate::service::engine;
use crate::world::{Stage, ask, limits, request, until};

fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| built("wasi-fetcher"))
}

const ENGINE: &str = "[permissions.engine]\nprofile = \"full\"\nreuse-calls = 100\ncalls-at-once = 8\n";
const HTTP: &str = "[permissions.http]\nhosts = [\"*\"]\nmethods = [\"GET\"]\nnetworks = [\"127.0.0.0/8\"]\noptional = true\n";

async fn runtime() -> Runtime {
    Runtime::in_memory().allocation(Allocation::OnDemand).limits(limits()).provide(Http::default()).open().await.unwrap()
}

async fn stage(grants: Grants) -> Stage {
    let manifest = format!("name = \"test:fetcher\"\nversion = \"1.0.0\"\n{ENGINE}{HTTP}");
    let component = embed(component(), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap();
    let runtime = runtime().await;
    let plugin = runtime.install(runtime.offer(&Source::bytes(component)).await.unwrap(), grants, Settings::default()).await.unwrap();
    plugin.enable("test").await.unwrap();
    Stage { runtime, plugin }
}

fn granting(http: &Value, at_once: u32) -> Grants {
    let engine = engine(&json!({"profile": "full", "reuse-calls": 100, "calls-at-once": at_once}));
    engine.with("http", http.as_object().unwrap().clone())
}

/// A server, and how often it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
}

impl Server {
    /// Answers `/together` when so many have asked it at once.
    async fn start(together: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked, barrier) = (listener.local_addr().unwrap(), Arc::new(AtomicU32::new(0)), Arc::new(Barrier::new(together)));
        let counted = asked.clone();
        let count = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { "hello" }
        };
        let meet = move || async move {
            barrier.wait().await;
            "together"
        };
        let routes = Router::new().route("/hello", get(count)).route("/together", get(meet));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { address, asked }
    }

    fn bounds(&self) -> Value {
        json!({"hosts": [format!("http://{}", self.address)], "methods": ["GET"], "networks": ["127.0.0.1"]})
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn told(stage: &Stage, path: &str) -> (Option<String>, String) {
    let answer = ask(&stage.service(), request(path)).await;
    (answer.header("x-status").map(str::to_owned), answer.text().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_request_is_answered_and_charged() {
    let server = Server::start(1).await;
    for at_once in [1, 8] {
        let stage = stage(granting(&server.bounds(), at_once)).await;
        assert_eq!(told(&stage, &format!("/{}/hello", server.address)).await, (Some("200".to_owned()), "hello".to_owned()));
        assert_eq!(told(&stage, &format!("/{}/nothing", server.address)).await.0.as_deref(), Some("404"));
        let usage = &stage.runtime.usage()[0];
        assert!(usage.egress_bytes > 0 && usage.ingress_bytes > 5, "{usage:?}");
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_it_is_refused_or_denied() {
    let runtime = runtime().await;
    let offer = runtime.offer(&Source::bytes(component().to_vec())).await.unwrap();
    let error = offer.accept_only(engine(&json!({"profile": "full"}))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.denials().len(), 1, "{error}");
    let denial = &error.denials()[0];
    assert!(denial.code == "E-CAP-NOT-GRANTED" && denial.permission.starts_with("wasi:http/client@0.3."), "{denial}");
    assert!(denial.hint.starts_with("grants.http = "), "{denial}");
    // Optional: it runs, and is told no.
    let server = Server::start(1).await;
    let stage = stage(engine(&json!({"profile": "full"}))).await;
    let (status, text) = told(&stage, &format!("/{}/hello", server.address)).await;
    assert_eq!((status, text.as_str()), (None, "ErrorCode::HttpRequestDenied"));
    assert_eq!(server.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_port_or_an_address_that_was_not_named_is_denied() {
    let (server, other) = (Server::start(1).await, Server::start(1).await);
    let stage_of = |bounds: Value| async move { stage(granting(&bounds, 8)).await };
    let granted = stage_of(server.bounds()).await;
    assert_eq!(told(&granted, &format!("/{}/hello", other.address)).await.1, "ErrorCode::HttpRequestDenied");
    let private = stage_of(json!({"hosts": [format!("http://{}", server.address)], "methods": ["GET"], "networks": []})).await;
    assert_eq!(told(&private, &format!("/{}/hello", server.address)).await.1, "ErrorCode::HttpRequestDenied");
    assert_eq!((server.asked(), other.asked(), private.runtime.usage()[0].denials), (0, 0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_that_no_url_has_are_refused_where_they_are_set() {
    let stage = stage(engine(&json!({"profile": "full"}))).await;
    assert_eq!(told(&stage, "/long/20").await.1, "true true true");
    assert_eq!(told(&stage, "/long/33").await.1, "true false true");
    assert_eq!(told(&stage, "/long/9000").await.1, "false false false");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_instance_are_out_at_the_same_time() {
    let server = Server::start(4).await;
    let stage = stage(granting(&server.bounds(), 8)).await;
    let path = format!("/{}/together", server.address);
    for (status, text) in join_all((0..4).map(|_| told(&stage, &path))).await {
        assert_eq!((status.as_deref(), text.as_str()), (Some("200"), "together"));
    }
    until("they are closed", || stage.runtime.usage()[0].requests == 0).await;
}
