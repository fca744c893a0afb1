//! What the tests share: a runtime with one plugin, requests, and what is looked at in an answer.
//!
//! Easily got wrong: most tests ask the service itself, without a socket; those of a wire are in `wire`.

use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use plugwork::core::record::Settings;
use plugwork::{Allocation, Grants, Installation, Limits, Runtime, Source};
use plugwork_http::{Body, HttpLimits, HttpService};
use serde_json::Value;

use crate::guest;

/// A runtime and its plugin, enabled.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) plugin: Installation,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) status: u16,
    pub(crate) head: http::response::Parts,
    pub(crate) body: Vec<u8>,
}

/// Limits that let a test run beside many others on a busy machine.
pub(crate) fn limits() -> Limits {
    Limits { deadline_ms: 60_000, cpu_percent: None, ..Limits::interactive() }
}

/// A stage with the plugin of `guest`.
pub(crate) async fn stage(limits: Limits) -> Stage {
    stage_of(guest::function(), limits).await
}

/// A stage with this component, granted nothing.
pub(crate) async fn stage_of(component: Vec<u8>, limits: Limits) -> Stage {
    stage_with(component, limits, Grants::none()).await
}

/// A stage with this component and these grants.
pub(crate) async fn stage_with(component: Vec<u8>, limits: Limits, grants: Grants) -> Stage {
    stage_on(2, component, limits, grants).await
}

/// The same on so many guest threads.
pub(crate) async fn stage_on(threads: usize, component: Vec<u8>, limits: Limits, grants: Grants) -> Stage {
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).guest_threads(threads).limits(limits).open().await.unwrap();
    let offer = runtime.offer(&Source::bytes(component)).await.unwrap();
    let plugin = runtime.install(offer, grants, Settings::default()).await.unwrap();
    plugin.enable("test").await.unwrap();
    Stage { runtime, plugin }
}

impl Stage {
    pub(crate) fn service(&self) -> HttpService {
        HttpService::new(&self.plugin)
    }

    pub(crate) fn service_with(&self, limits: HttpLimits) -> HttpService {
        HttpService::with_limits(&self.plugin, limits)
    }

    /// Instances of its plugin that live.
    pub(crate) fn instances(&self) -> u64 {
        self.runtime.capacity().0.instances
    }
}

/// A request to `localhost`.
pub(crate) fn request(path: &str) -> Request<Body> {
    post(path, "")
}

/// A request with a body and its length.
pub(crate) fn post(path: &str, body: &'static str) -> Request<Body> {
    Request::builder().uri(path).header("host", "localhost").body(Body::from(body)).unwrap()
}

/// Asks and reads the answer.
pub(crate) async fn ask<B: HttpBody<Data: Send> + Send + 'static>(service: &HttpService, request: Request<B>) -> Read {
    read(service.answer(request).await).await
}

/// Reads an answer to its end.
pub(crate) async fn read(response: Response<Body>) -> Read {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Read { status: head.status.as_u16(), head, body }
}

impl Read {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and code of a problem, which must be one in every part.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let told: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(told["status"], self.status);
        assert_eq!(told["request-id"].as_str(), self.header("x-request-id"));
        assert!(told["title"].is_string() && told["detail"].is_string(), "{told}");
        (self.status, told["code"].as_str().unwrap().to_owned())
    }
}

/// Waits until something is so; how long that takes decides nothing.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
