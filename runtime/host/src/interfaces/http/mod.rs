//! HTTP, seen from the guest's side. Requests into a guest are in `incoming`; from here on it is requests out of one. What sends is an [`HttpClient`] that a capability gives to the instance; without one every request
//! is denied.
//!
//! What holds for every client stands here: the request is checked again (`check`), its bodies are guarded (`body`), and the plugin's
//! account is charged. A client decides by its grant, dials and sends.

mod body;
mod check;
pub(crate) mod client_wait;
pub(crate) mod handler;
pub(crate) mod incoming;
pub(crate) mod service_types;
pub(crate) mod types;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use plugwork_core::{Denial, Issue, Refusal};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error as WireError, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks};

pub use self::handler::Handler;
pub use self::incoming::{Answered, Incoming, IncomingHandler};

use self::body::{Download, Place, Upload};
use crate::account::{Account, OpenRequest};
use crate::cause::{self, Cause};
use crate::log::{Level, Log};
use crate::state::State;

/// Sends requests for plugins. One client holds the bounds of one grant; it decides on each request and on each address.
pub trait HttpClient: Send + Sync + 'static {
    /// Sends one request. `timeout` bounds the time until the response's head has arrived.
    fn send(&self, request: http::Request<WasiBody>, timeout: Duration) -> Sending;
}

/// Stands among a request's extensions where no redirect may be followed, whatever the grant says: it carries a secret.
#[derive(Debug, Clone, Copy)]
pub struct NoRedirect;

/// A request under way.
pub type Sending = Pin<Box<dyn Future<Output = Result<http::Response<WasiBody>, HttpError>> + Send>>;

/// Why a request has no response.
#[derive(Debug, Clone)]
pub enum HttpError {
    /// Policy said no.
    Denied(Denial),
    /// The request is not one.
    Invalid(Issue),
    /// Nobody answered within the time.
    TimedOut,
    /// The connection failed.
    Unavailable(String),
}

impl From<HttpError> for Refusal {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(denial) => Self::Denied(denial),
            HttpError::Invalid(issue) => Self::Invalid(issue),
            HttpError::TimedOut => Self::Unavailable { reason: "timed out".to_owned() },
            HttpError::Unavailable(reason) => Self::Unavailable { reason },
        }
    }
}

/// Defines `wasi:http/outgoing-handler` over the instance's client.
pub fn link_outgoing(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::bindings::http::outgoing_handler::add_to_linker::<State, WasiHttp>(linker, State::http_paid)
}

/// Defines `wasi:http/client` of WASI 0.3 over the same client: there is one way out, whichever interface a guest takes to it.
pub fn link_client(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p3::bindings::http::client::add_to_linker::<State, WasiHttp>(linker, State::http_paid)
}

/// Time until a response's head where the guest names none.
pub(crate) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most that a guest may name.
const FIRST_BYTE_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Time between two frames of a body, either way, where the guest names none; it cannot name more.
pub(crate) const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Host memory that one open request is charged for: heads, and what is read ahead of the guest.
pub(crate) const REQUEST_HELD_BYTES: u64 = 448 << 10;

const REVOKED: &str = "consent was taken back";

/// How long a request may take, in parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) first_byte: Duration,
    pub(crate) body_idle: Duration,
}

/// Sends one request within the plugin's account. The slot and the memory it takes are free when both bodies are done. It ends, whatever it
/// waits for, when consent is revoked: nothing leaves after that.
pub(crate) async fn exchange(
    client: Arc<dyn HttpClient>,
    account: Arc<Account>,
    request: http::Request<WasiBody>,
    timeouts: Timeouts,
    cause: Option<Arc<Cause>>,
) -> Result<http::Response<WasiBody>, HttpError> {
    let watched = account.clone();
    tokio::select! {
        biased;
        () = watched.revocation() => Err(HttpError::Unavailable(REVOKED.to_owned())),
        answer = admitted(client, account, request, timeouts, cause) => answer,
    }
}

async fn admitted(
    client: Arc<dyn HttpClient>,
    account: Arc<Account>,
    mut request: http::Request<WasiBody>,
    timeouts: Timeouts,
    cause: Option<Arc<Cause>>,
) -> Result<http::Response<WasiBody>, HttpError> {
    let announced = check::head(&mut request).inspect_err(|error| count(&account, error))?;
    cause::mark(request.headers_mut(), cause.as_ref());
    let slot = slot(&account).await.map_err(HttpError::Denied)?;
    let memory = account.hold(REQUEST_HELD_BYTES).map_err(HttpError::Denied)?;
    let place = Place { _slot: slot, _memory: memory };
    let wait = account.egress(head_bytes(&request));
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let request = request.map(|body| Upload::new(body, announced, account.clone(), timeouts.body_idle).boxed_unsync());
    let response = client.send(request, timeouts.first_byte).await.inspect_err(|error| count(&account, error))?;
    let head: usize = response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    account.received(head as u64);
    Ok(response.map(|body| Download::new(body, account, place, timeouts.body_idle).boxed_unsync()))
}

/// A slot of the plugin's open requests. Those of an instance that has just ended are free a moment later, when its tasks have been dropped:
/// one that finds all taken looks again before it is denied.
async fn slot(account: &Arc<Account>) -> Result<OpenRequest, Denial> {
    if !account.has_free_request() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    account.open_request()
}

/// Counts what policy denied. What the account itself denied it has counted.
fn count(account: &Account, error: &HttpError) {
    if let HttpError::Denied(denial) = error {
        account.denied(denial);
    }
}

fn head_bytes(request: &http::Request<WasiBody>) -> u64 {
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (fields + request.uri().path().len() + request.uri().query().map_or(0, str::len)) as u64
}

pub(crate) struct Hooks {
    log: Arc<Log>,
    account: Arc<Account>,
    pub(crate) client: Option<Arc<dyn HttpClient>>,
}

impl Hooks {
    pub(crate) fn new(log: Arc<Log>, account: Arc<Account>, client: Option<Arc<dyn HttpClient>>) -> Self {
        Self { log, account, client }
    }
}

type Io = Box<dyn Future<Output = Result<(), WireError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        types::BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        types::BODY_CHUNK_BYTES
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_errors: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), WireError>> + Send> {
        let Some(client) = self.client.clone() else {
            return Box::new(async { Err(WireError::HttpRequestDenied) });
        };
        let (log, account, cause) = (self.log.clone(), self.account.clone(), self.log.cause());
        Box::new(async move {
            match exchange(client, account, request, timeouts(options), cause).await {
                Ok(response) => Ok((response, Box::new(async { Ok(()) }) as Io)),
                Err(error) => Err(told(&log, error)),
            }
        })
    }
}

fn timeouts(options: Option<RequestOptions>) -> Timeouts {
    let first_byte = options.and_then(|options| options.first_byte_timeout).unwrap_or(FIRST_BYTE_TIMEOUT).min(FIRST_BYTE_TIMEOUT_MAX);
    let between = options.and_then(|options| options.between_bytes_timeout).unwrap_or(BODY_IDLE_TIMEOUT);
    Timeouts { first_byte, body_idle: between.min(BODY_IDLE_TIMEOUT) }
}

/// The error code nearest to it. wasi:http has no room for a reason: without a record nobody would learn which rule decided.
fn told(log: &Log, error: HttpError) -> WireError {
    match error {
        HttpError::Denied(denial) => {
            log.write(Level::Warn, &denial.to_string());
            if denial.code == "E-LIMIT-REQUESTS" { WireError::ConnectionLimitReached } else { WireError::HttpRequestDenied }
        }
        HttpError::Invalid(issue) => {
            log.write(Level::Warn, &issue.to_string());
            match issue.at.as_str() {
                "url" => WireError::HttpRequestUriInvalid,
                "method" => WireError::HttpRequestMethodInvalid,
                "body" => WireError::HttpRequestBodySize(None),
                _ => WireError::HttpProtocolError,
            }
        }
        HttpError::TimedOut => WireError::ConnectionReadTimeout,
        HttpError::Unavailable(_) => WireError::DestinationUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};
    use plugwork_core::Limits;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts { first_byte: Duration::from_secs(60), body_idle: Duration::from_secs(60) };

    /// Never answers, and says that it was asked.
    struct Silent(tokio::sync::mpsc::UnboundedSender<()>);

    impl HttpClient for Silent {
        fn send(&self, request: http::Request<WasiBody>, _: Duration) -> Sending {
            self.0.send(()).unwrap();
            Box::pin(async move {
                let _request = request;
                std::future::pending().await
            })
        }
    }

    fn request() -> http::Request<WasiBody> {
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        http::Request::builder().uri("http://a.example/").body(body).unwrap()
    }

    #[tokio::test]
    async fn a_revocation_ends_a_request_that_waits_and_no_other_begins() {
        let account = Account::of_test(Limits::interactive());
        let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
        let client: Arc<dyn HttpClient> = Arc::new(Silent(asked));
        let waiting = tokio::spawn(exchange(client.clone(), account.clone(), request(), TIMEOUTS, None));
        asks.recv().await.unwrap();
        account.revoke(5);
        assert!(matches!(waiting.await.unwrap(), Err(HttpError::Unavailable(reason)) if reason == REVOKED));
        assert!(exchange(client, account.clone(), request(), TIMEOUTS, None).await.is_err());
        assert!(asks.try_recv().is_err(), "the second was never sent");
        assert_eq!(account.snapshot().requests, 0);
    }

    /// Tells the headers of what it is given, and that nobody answers.
    struct Telling(tokio::sync::mpsc::UnboundedSender<http::HeaderMap>);

    impl HttpClient for Telling {
        fn send(&self, request: http::Request<WasiBody>, _: Duration) -> Sending {
            self.0.send(request.headers().clone()).unwrap();
            Box::pin(async { Err(HttpError::TimedOut) })
        }
    }

    #[tokio::test]
    async fn what_leaves_belongs_to_the_trace_of_its_request_whatever_the_plugin_wrote() {
        use plugwork_core::trace::TraceContext;
        let forged = "00-11111111111111111111111111111111-1111111111111111-01";
        let trace = TraceContext { trace_id: 7, span_id: 8, sampled: true, state: "a=1".to_owned() };
        let own = trace.to_string();
        let caused = Cause { request_id: "r".to_owned(), trace: Some(trace) };
        let untraced = Cause { request_id: "r".to_owned(), trace: None };
        for (cause, parent, state) in [(Some(caused), own.as_str(), Some("a=1")), (Some(untraced), forged, None), (None, forged, None)] {
            let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
            let mut request = request();
            request.headers_mut().insert("traceparent", forged.parse().unwrap());
            let account = Account::of_test(Limits::interactive());
            assert!(exchange(Arc::new(Telling(told)), account, request, TIMEOUTS, cause.map(Arc::new)).await.is_err());
            let headers = heard.recv().await.unwrap();
            let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!((value("traceparent"), value("tracestate")), (Some(parent), state));
        }
    }

    #[tokio::test]
    async fn a_revocation_breaks_bodies_off_both_ways() {
        let account = Account::of_test(Limits::interactive());
        let whole = || Full::new(Bytes::from(vec![0; 200 << 10])).map_err(|never| match never {}).boxed_unsync();
        let mut upload = Upload::new(whole(), None, account.clone(), TIMEOUTS.body_idle);
        let place = Place { _slot: account.open_request().unwrap(), _memory: account.hold(1).unwrap() };
        let mut download = Download::new(whole(), account.clone(), place, TIMEOUTS.body_idle);
        assert!(upload.frame().await.unwrap().is_ok());
        account.revoke(5);
        assert!(upload.frame().await.unwrap().is_err());
        assert!(download.frame().await.unwrap().is_err());
    }
}
