//! One request: its route, its client's rate, its place with the plugin, and the plugin's answer. Everything that the server itself refuses is refused
//! here, in this order.

use std::borrow::Cow;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::{ALLOW, HeaderName, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use plugwork_core::route::Miss;
use plugwork_core::trace::TraceId;
use plugwork_http::{Answered, Body, Connection, Origin, Principal, Problem, ProblemCode, RequestId, body, head};

use crate::access::{AccessLog, Watching};
use crate::budget::{Budget, Taken};
use crate::identity::Unidentified;
use crate::intake::Intake;
use crate::live::Behind;
use crate::node::Node;
use crate::rate::{Decision, Limiter};
use crate::sending::{Sendings, Watched};
use crate::text::Text;
use crate::trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RATE: HeaderName = HeaderName::from_static("ratelimit");
const RATE_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What of a method is told.
const METHOD_BYTES_MAX: usize = 32;
/// What of a path is told.
const PATH_BYTES_MAX: usize = 1 << 10;
/// An answer of so many bytes, of which a connection of HTTP/1.1 has one at a time, is on no budget: the rest of what a connection takes is as much.
pub(crate) const SMALL_BYTES: usize = 4 << 10;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) node: Node,
    pub(crate) log: Arc<dyn AccessLog>,
    pub(crate) began: Instant,
    pub(crate) sendings: Sendings,
    /// Of answers that are whole in memory.
    answers: Arc<Budget>,
    /// Of bodies that are read before a plugin is asked.
    bodies: Arc<Budget>,
}

impl Shared {
    pub(crate) fn new(node: &Node, log: impl AccessLog) -> Self {
        let settings = node.settings();
        let share = settings.client_share_percent;
        Self {
            node: node.clone(),
            log: Arc::new(log),
            began: Instant::now(),
            sendings: Sendings::default(),
            answers: Budget::new(settings.answer_bytes_total, usize::MAX, share),
            bodies: Budget::new(settings.body_bytes_total, settings.bodies_max, share),
        }
    }

    /// What an answer that is whole in memory takes. Where there is no room for it it stays its plugin's, who waits with it.
    fn room_for(&self, response: &Response<Body>, version: Version, client: Option<IpAddr>) -> Memory {
        let Some(bytes) = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()) else { return Memory::Plugins };
        if version < Version::HTTP_2 && bytes <= SMALL_BYTES {
            return Memory::Own(None);
        }
        let taken = self.answers.enter(client).and_then(|mut taken| taken.more(bytes).then_some(taken));
        taken.map_or(Memory::Plugins, |taken| Memory::Own(Some(taken)))
    }
}

/// Who is at the other end of a connection.
pub(crate) struct Peer {
    connection: Connection,
    /// Its address, for all requests.
    address: Text,
}

impl Peer {
    pub(crate) fn new(connection: Connection) -> Self {
        let address = connection.client.map(|client| client.to_string()).unwrap_or_default();
        Self { connection, address: address.as_str().into() }
    }
}

/// Answers a request of a connection.
pub(crate) async fn answer(shared: &Shared, mut request: Request<Incoming>, peer: &Peer) -> Response<Watched> {
    let id = RequestId::new();
    let mut watching = Watching::begin(&shared.log, &shared.node, id, peer.connection.tls, request.version());
    let place = trace::enter(request.headers_mut(), shared.node.tracing());
    let access = &mut watching.access;
    access.trace_id = TraceId(place.context.trace_id);
    access.client = peer.address.clone();
    access.method = told_method(request.method());
    access.path = cut(request.uri().path(), PATH_BYTES_MAX);
    let origin = Origin {
        id,
        connection: peer.connection,
        client_address: peer.address.shared(),
        authority: None,
        principal: None,
        trace: Some(place.context.clone()),
        route_parameters: Vec::new(),
    };
    watching.traced = Some(place);
    let (mut response, memory) = match given(shared, request, origin, &mut watching).await {
        Ok(given) => given,
        Err(refused) => {
            watching.access.code = refused.code;
            let mut response = refused.problem.response(id.as_str());
            response.headers_mut().extend(refused.headers);
            (response, Memory::Plugins)
        }
    };
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    watching.access.status = response.status().as_u16();
    if let Some(code) = response.extensions_mut().remove::<ProblemCode>() {
        shared.node.metrics().rejections.add(code);
    }
    if let (Memory::Own(_), Some(place)) = (&memory, &mut watching.place) {
        place.give_back();
    }
    response.map(|body| shared.sendings.watch(body, watching, memory, &shared.node.settings()))
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
    mut origin: Origin,
    watching: &mut Watching,
) -> Result<(Response<Body>, Memory), Box<Refused>> {
    let connection = origin.connection;
    let (mut parts, body) = request.into_parts();
    let authority = head::authority(&parts).map_err(|problem| Box::new(Refused { code: "E-HTTP-HOST", problem, headers: Vec::new() }))?;
    let live = watching.live.clone();
    // Which of two deployments answers is decided before the route: each side has only its own.
    let is_served = |route: usize| live.entries[route].is_for(connection.client, &parts.headers);
    let found = live.table.find_served(&authority, parts.method.as_str(), parts.uri.path(), &is_served);
    watching.access.host.clone_from(&authority);
    origin.authority = Some(authority);
    let found = found.map_err(|miss| missed(&miss))?;
    let entry = &live.entries[found.route];
    watching.route = Some(found.route);
    let access = &mut watching.access;
    access.tenant = entry.told.tenant.clone();
    access.application = entry.told.application.clone();
    access.deployment = entry.deployment;
    access.route = entry.told.route.clone();
    access.plugin = entry.told.plugin.clone();
    let mut headers = Vec::new();
    if let Some(limiter) = &entry.limiter {
        let now_ns = u64::try_from(shared.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let decision = limiter.decide(connection.client.map(|client| client.ip()), now_ns);
        headers = rate_headers(limiter, decision);
        if !decision.is_allowed {
            let mut refused =
                Refused::new(StatusCode::TOO_MANY_REQUESTS, "E-HTTP-RATE", "this client asks too often").after(decision.reset_s);
            refused.headers = headers;
            return Err(refused);
        }
    }
    if let Some(name) = &entry.auth {
        let identified = identify(shared, name, &mut parts).await;
        let principal = identified.map_err(|why| {
            watching.refused = Some(why.to_string());
            if let Unidentified::Unavailable(reason) = &why {
                watching.access.reason = Some(reason.clone());
            }
            let mut refused = unidentified(&why);
            refused.headers.append(&mut headers);
            refused
        })?;
        origin.principal = Some(principal);
    }
    let Some(Behind { mount, service }) = &entry.behind else {
        let detail = "what answers here could not be brought up";
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-NOT-SERVED", detail).after(60));
    };
    if mount.is_closed() {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-UNAVAILABLE", "the function takes no calls now").after(1));
    }
    if !found.parameters.is_empty() {
        origin.route_parameters = found.parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }
    let client = connection.client.map(|client| client.ip());
    let is_whole = service.is_whole();
    // What has to be read before the plugin is asked is read before it takes a place: a body that does not come holds up nobody else's.
    let intake = if is_whole && !body.is_end_stream() { Some(shared.bodies.enter(client).ok_or_else(too_many_bodies)?) } else { None };
    let (body, intake) = Intake::of(body, intake);
    let began = watching.began;
    let (mut is_read, mut refused, mut waited) = (!is_whole, None, None);
    let Watching { place, timeline, .. } = watching;
    let admitted = async {
        is_read = true;
        if intake.is_exhausted() {
            refused = Some(too_many_bodies());
        } else {
            let from = began.elapsed();
            let (entered, time) = mount.gate.enter().await;
            *place = entered;
            waited = time.map(|time| (from, time));
            if place.is_some() {
                timeline.called(began);
                return Ok(());
            }
            refused = Some(busy());
        }
        Err(Problem::of_unavailable(None))
    };
    // Dropping the answer cancels the call.
    let answered = {
        // Pinned where it is made: handed on by value, this future would hold it three times.
        let mut answer = pin!(service.answer_admitted(Request::from_parts(parts, body), origin, admitted));
        match entry.deadline {
            None => tokio::select! {
                biased;
                response = answer.as_mut() => Ok(response),
                () = live.ended() => Err(Late::Replaced),
            },
            Some(deadline) => tokio::select! {
                biased;
                response = answer.as_mut() => Ok(response),
                () = tokio::time::sleep_until((began + deadline).into()) => Err(Late::Deadline),
                () = live.ended() => Err(Late::Replaced),
            },
        }
    };
    if let Some((from, time)) = waited {
        watching.waited(from, time);
    }
    if intake.is_exhausted() {
        return Err(too_many_bodies());
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    let Answered { mut response, served, is_whole } = answered.map_err(|late| match late {
        Late::Replaced => Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-REPLACED", "the function was replaced meanwhile").after(1),
        Late::Deadline if !is_read => Box::new(Refused { code: "E-HTTP-BODY-DEADLINE", problem: body::late(), headers: Vec::new() }),
        Late::Deadline => {
            let detail = "the function did not answer within the time of this route";
            Refused::new(StatusCode::GATEWAY_TIMEOUT, "E-HTTP-DEADLINE", detail)
        }
    })?;
    watching.timeline.answered(began);
    watching.served = served;
    let memory = if is_whole { shared.room_for(&response, watching.version, client) } else { Memory::Plugins };
    response.headers_mut().extend(headers);
    Ok((response, memory))
}

/// In whose memory an answer is.
pub(crate) enum Memory {
    /// Its plugin's, which is with it until the last of it was sent; or that of an answer of ours.
    Plugins,
    /// The server's: its plugin is done with it. With what it takes of the budget for such answers; none where it is small and goes with its head.
    Own(Option<Taken>),
}

/// Why an answer is not waited for any more.
enum Late {
    Deadline,
    Replaced,
}

fn busy() -> Box<Refused> {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-BUSY", "too many requests are with the function").after(1)
}

fn too_many_bodies() -> Box<Refused> {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-BODIES", "too many requests, or too much of them, are still being read").after(1)
}

/// A method as it is told.
fn told_method(method: &Method) -> Cow<'static, str> {
    match method.as_str() {
        "GET" => "GET".into(),
        "HEAD" => "HEAD".into(),
        "POST" => "POST".into(),
        other => cut(other, METHOD_BYTES_MAX).into(),
    }
}

/// Who a request is from. No plugin is given what proves it.
async fn identify(shared: &Shared, name: &str, parts: &mut Parts) -> Result<Principal, Unidentified> {
    let checks = shared.node.checks();
    let Some(check) = checks.get(name) else {
        return Err(Unidentified::Unavailable(format!("this server has no check `{name}`")));
    };
    let principal = check.identify(&parts.headers).await?;
    for proof in check.proofs() {
        parts.headers.remove(proof);
    }
    Ok(principal)
}

fn unidentified(why: &Unidentified) -> Box<Refused> {
    let (status, detail) = match why {
        Unidentified::Missing => (StatusCode::UNAUTHORIZED, "a token is needed here: `authorization: Bearer`"),
        Unidentified::Invalid(_) => (StatusCode::UNAUTHORIZED, "the token is not taken"),
        Unidentified::Expired => (StatusCode::UNAUTHORIZED, "the token has expired"),
        Unidentified::Scope(_) => (StatusCode::FORBIDDEN, "the token is not for this"),
        Unidentified::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "who asks cannot be found out now"),
    };
    let challenge = match why {
        Unidentified::Missing => Some("Bearer".to_owned()),
        Unidentified::Invalid(_) | Unidentified::Expired => Some("Bearer error=\"invalid_token\"".to_owned()),
        Unidentified::Scope(needed) => Some(format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"")),
        Unidentified::Unavailable(_) => None,
    };
    let mut refused = Refused::new(status, why.code(), detail);
    match challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok()) {
        Some(challenge) => refused.headers.push((WWW_AUTHENTICATE, challenge)),
        None => refused = refused.after(5),
    }
    refused
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

/// A client's text for the log, which must not be filled by it. What was cut ends with `…`.
fn cut(text: &str, bytes_max: usize) -> String {
    match text.len() <= bytes_max {
        true => text.to_owned(),
        false => format!("{}…", &text[..text.floor_char_boundary(bytes_max)]),
    }
}
