//! One request: its route, its client's rate, its place with the plugin, and the plugin's answer. Everything that the server itself refuses is refused
//! here, in this order.

use std::sync::Arc;
use std::time::Instant;

use http::header::{ALLOW, HeaderName};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use plugwork_core::route::Miss;
use plugwork_http::{Body, Connection, Problem, RequestId, RouteParameters, Served, head};

use crate::access::{AccessLog, Watched, Watching};
use crate::live::shown;
use crate::node::Node;
use crate::rate::{Decision, Limiter};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE: HeaderName = HeaderName::from_static("ratelimit");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) log: Arc<dyn AccessLog>,
    pub(crate) began: Instant,
}

/// Answers a request of a connection.
pub(crate) async fn answer(shared: &Shared, mut request: Request<Incoming>, connection: Connection) -> Response<Watched> {
    let id = RequestId::new();
    let mut watching = Watching::begin(&shared.log, shared.node.live());
    let access = &mut watching.access;
    id.as_str().clone_into(&mut access.request_id);
    access.client = shown(connection.client);
    request.method().as_str().clone_into(&mut access.method);
    request.uri().path().clone_into(&mut access.path);
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(connection);
    let mut response = match given(shared, request, connection, &mut watching).await {
        Ok(response) => response,
        Err(refused) => {
            watching.access.code = refused.code;
            let mut response = refused.problem.response(id.as_str());
            response.headers_mut().extend(refused.headers);
            response
        }
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    watching.access.status = response.status().as_u16();
    watching.served = response.extensions_mut().remove::<Served>();
    response.map(|body| Watched::new(body, watching))
}

/// Why the server refused by itself.
struct Refused {
    code: &'static str,
    problem: Problem,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Box<Self> {
        Box::new(Self { code, problem: Problem::new(status, code, detail), headers: Vec::new() })
    }

    fn after(mut self: Box<Self>, seconds: u64) -> Box<Self> {
        self.problem = self.problem.after(seconds);
        self
    }
}

async fn given(
    shared: &Shared,
    request: Request<Incoming>,
    connection: Connection,
    watching: &mut Watching,
) -> Result<Response<Body>, Box<Refused>> {
    let (mut parts, body) = request.into_parts();
    let authority = head::authority(&parts).map_err(|problem| Box::new(Refused { code: "E-HTTP-HOST", problem, headers: Vec::new() }))?;
    let live = watching.live.clone();
    let found = live.table.find(&authority, parts.method.as_str(), parts.uri.path());
    watching.access.host = authority;
    let found = found.map_err(|miss| missed(&miss))?;
    let entry = &live.entries[found.route];
    let access = &mut watching.access;
    entry.application.application.clone_into(&mut access.application);
    access.deployment = entry.deployment;
    entry.path.clone_into(&mut access.route);
    entry.plugin.clone_into(&mut access.plugin);
    let mut headers = Vec::new();
    if let Some(limiter) = &entry.limiter {
        let now_us = u64::try_from(shared.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let decision = limiter.decide(connection.client.map(|client| client.ip()), now_us);
        headers = rate_headers(limiter, decision);
        if !decision.is_allowed {
            let mut refused =
                Refused::new(StatusCode::TOO_MANY_REQUESTS, "E-HTTP-RATE", "this client asks too often").after(decision.reset_s);
            refused.headers = headers;
            return Err(refused);
        }
    }
    if entry.mount.is_closed() {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-UNAVAILABLE", "the function takes no calls now").after(1));
    }
    let Some(place) = entry.mount.gate.enter().await else {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-BUSY", "too many requests are with the function").after(1));
    };
    watching.place = Some(place);
    if !found.parameters.is_empty() {
        let parameters = found.parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        parts.extensions.insert(RouteParameters(parameters));
    }
    let answer = entry.service.answer(Request::from_parts(parts, body));
    let mut response = match entry.deadline {
        None => answer.await,
        // Dropping the answer cancels the call.
        Some(deadline) => tokio::time::timeout(deadline, answer).await.map_err(|_| {
            Refused::new(StatusCode::GATEWAY_TIMEOUT, "E-HTTP-DEADLINE", "the function did not answer within the time of this route")
        })?,
    };
    response.headers_mut().extend(headers);
    Ok(response)
}

fn missed(miss: &Miss) -> Box<Refused> {
    let status = StatusCode::from_u16(miss.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let detail = match miss {
        Miss::BadPath(_) => "the path is not one that is served as it was sent",
        Miss::BadHost => "the host is none",
        Miss::NotFound => "there is nothing here",
        Miss::MethodNotAllowed(_) => "not with this method",
    };
    let mut refused = Refused::new(status, miss.code(), detail);
    if let Miss::MethodNotAllowed(methods) = miss
        && let Ok(methods) = HeaderValue::from_str(&methods.join(", "))
    {
        refused.headers.push((ALLOW, methods));
    }
    refused
}

/// What a client is told of its rate: quota and window, what is left, and when there is more.
fn rate_headers(limiter: &Limiter, decision: Decision) -> Vec<(HeaderName, HeaderValue)> {
    let policy = format!("\"client\";q={};w={}", limiter.rate.requests, limiter.rate.window_seconds);
    let now = format!("\"client\";r={};t={}", decision.remaining, decision.reset_s);
    let header = |name, text: String| HeaderValue::from_str(&text).ok().map(|value| (name, value));
    header(RATE_POLICY, policy).into_iter().chain(header(RATE, now)).collect()
}
