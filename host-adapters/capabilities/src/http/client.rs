//! One grant's client: decides, sends, follows where it may, and says why not.
//!
//! What is checked of the request itself, and what a plugin's account allows, is the host's part (`plugwork::interfaces::http`); it holds
//! for every client. Here are the bounds of the grant.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use plugwork::interfaces::http::{HttpClient, HttpError, NoRedirect, Sending};
use plugwork::wasmtime_wasi_http::{Error as WireError, WasiBody};
use plugwork_core::Issue;
use plugwork_core::policy::Target;
use plugwork_core::policy::http::Scheme;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::budget::{Budget, Metered};
use super::dial::{AddressDenied, Decider, Dialler, Limited};
use super::redirect::{self, HOPS_MAX};
use super::resolve::Resolve;

/// Time for a connection to be there, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const IDLE_PER_HOST_MAX: usize = 8;
/// Bytes of a response's head, and of what is read ahead of a slow plugin.
const READ_BYTES_MAX: usize = 64 << 10;
const RESPONSE_HEADERS_MAX: usize = 100;
const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

type Wire = Pool<Limited<HttpsConnector<Dialler>>, WasiBody>;

/// Sends requests within one grant. Clones are the same client.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

struct Inner {
    decider: Arc<Decider>,
    resolver: Arc<dyn Resolve>,
    budget: Option<Arc<Budget>>,
    places: Option<Arc<Semaphore>>,
    /// Made at the first request: reading the system's certificates takes milliseconds.
    wire: OnceLock<Result<Wire, String>>,
}

impl Client {
    pub(super) fn new(decider: Arc<Decider>, resolver: Arc<dyn Resolve>) -> Self {
        let budget = decider.bounds.bytes_per_minute.map(|bytes| Arc::new(Budget::new(bytes)));
        let places = decider.bounds.concurrency.map(|places| Arc::new(Semaphore::new(places as usize)));
        Self(Arc::new(Inner { decider, resolver, budget, places, wire: OnceLock::new() }))
    }
}

impl HttpClient for Client {
    fn send(&self, request: http::Request<WasiBody>, timeout: Duration) -> Sending {
        let inner = self.0.clone();
        Box::pin(async move { tokio::time::timeout(timeout, inner.exchange(request)).await.unwrap_or(Err(HttpError::TimedOut)) })
    }
}

impl Inner {
    async fn exchange(&self, request: http::Request<WasiBody>) -> Result<http::Response<WasiBody>, HttpError> {
        let (head, body) = request.into_parts();
        let (mut method, mut headers) = (head.method, head.headers);
        let read = Target::parse(&head.uri.to_string());
        let mut target = self.decider.target(read, &method).map_err(HttpError::Denied)?;
        let follows = self.decider.bounds.redirects && head.extensions.get::<NoRedirect>().is_none();
        self.within_budget()?;
        let place = self.place().await;
        let had_body = has_body(&method, &body);
        let mut body = Metered::new(body, self.budget.clone(), place.clone()).boxed_unsync();
        for _ in 0..=HOPS_MAX {
            let mut request = http::Request::new(body);
            (*request.method_mut(), *request.uri_mut()) = (method.clone(), uri(&target)?);
            *request.headers_mut() = headers.clone();
            let response = self.wire()?.request(request).await.map_err(|error| explain(&error))?;
            if response.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                return Err(HttpError::Unavailable("the server wants to speak another protocol".to_owned()));
            }
            let next = match redirect::location(&response) {
                Some(location) if follows => redirect::method(response.status(), &method, had_body).map(|next| (next, location)),
                _ => None,
            };
            let Some((next_method, location)) = next else {
                return Ok(response.map(|body| {
                    let body = body.map_err(|_| WireError::HttpResponseIncomplete).boxed_unsync();
                    Metered::new(body, self.budget.clone(), place).boxed_unsync()
                }));
            };
            let next_target = self.decider.target(target.follow(location), &next_method).map_err(HttpError::Denied)?;
            if next_target.scheme() == Scheme::Http && target.scheme() == Scheme::Https {
                let rule = "a redirect from `https` to `http` is not followed, whatever is granted";
                return Err(HttpError::Denied(self.decider.denial("E-CAP-HTTP-DOWNGRADE", rule, "redirects = false")));
            }
            redirect::strip(&mut headers, target.is_same_origin(&next_target));
            (method, target) = (next_method, next_target);
            body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        }
        Err(HttpError::Unavailable(format!("more than {HOPS_MAX} redirects")))
    }

    fn within_budget(&self) -> Result<(), HttpError> {
        let Some(budget) = self.budget.as_ref().filter(|budget| !budget.debt(Instant::now()).is_zero()) else { return Ok(()) };
        let per_minute = budget.per_minute();
        let rule = format!("the {per_minute} bytes of this minute are spent");
        let hint = format!("bytes-per-minute = {}", per_minute.saturating_mul(2));
        Err(HttpError::Denied(self.decider.denial("E-CAP-HTTP-BYTES", &rule, &hint)))
    }

    /// Waits for one of the grant's places, in order of asking. How many can wait is bounded by the plugin's open requests.
    async fn place(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        let places = self.places.clone()?;
        Some(Arc::new(places.acquire_owned().await.expect("nobody closes it")))
    }

    fn wire(&self) -> Result<Wire, HttpError> {
        let wire = self.wire.get_or_init(|| wire(Dialler::new(self.decider.clone(), self.resolver.clone())));
        wire.clone().map_err(HttpError::Unavailable)
    }
}

/// Whether a body goes with the request. One of unknown length does not go with a GET or HEAD: the client sends none then.
fn has_body(method: &http::Method, body: &WasiBody) -> bool {
    let unasked = matches!(*method, http::Method::GET | http::Method::HEAD) && body.size_hint().exact().is_none();
    !unasked && !body.is_end_stream() && body.size_hint().exact() != Some(0)
}

fn uri(target: &Target) -> Result<http::Uri, HttpError> {
    let invalid = |error: http::uri::InvalidUri| Issue {
        what: error.to_string(),
        at: "url".to_owned(),
        expected: "an absolute `http` or `https` URL".to_owned(),
    };
    http::Uri::try_from(target.as_str()).map_err(|error| HttpError::Invalid(invalid(error)))
}

fn wire(dialler: Dialler) -> Result<Wire, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(|error| format!("no usable certificates: {error}"))?;
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().enable_http2().wrap_connector(dialler);
    let pool = Pool::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(READ_BYTES_MAX)
        .http1_max_headers(RESPONSE_HEADERS_MAX)
        .http2_initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(READ_BYTES_MAX as u32)
        .build(Limited(https, CONNECT_TIMEOUT));
    Ok(pool)
}

/// The denial inside a failed request, or why it failed.
fn explain(error: &PoolError) -> HttpError {
    let mut cause = error.source();
    let mut reason = error.to_string();
    while let Some(source) = cause {
        if let Some(AddressDenied(denial)) = source.downcast_ref() {
            return HttpError::Denied(denial.clone());
        }
        if let Some(own) = source.downcast_ref::<WireError>() {
            // The plugin's own body broke the rules: the host's guard stopped it.
            return HttpError::Invalid(Issue {
                what: own.to_string(),
                at: "body".to_owned(),
                expected: "the bytes that were announced".to_owned(),
            });
        }
        if source.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) {
            return HttpError::TimedOut;
        }
        reason = source.to_string();
        cause = source.source();
    }
    HttpError::Unavailable(reason)
}
