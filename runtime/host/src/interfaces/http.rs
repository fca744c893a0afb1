//! Outgoing HTTP, seen from the guest's side. What sends is an [`HttpClient`] that a capability gives to the instance; without one every request
//! is denied.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use plugwork_core::{Denial, Issue, Refusal};
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error as WireError, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView};

use crate::log::{Level, Log};
use crate::state::State;

/// Sends requests for plugins. One client holds the bounds of one grant; it decides on each request and on each address.
pub trait HttpClient: Send + Sync + 'static {
    /// Sends one request. `timeout` bounds the time until the response's head has arrived.
    fn send(&self, request: http::Request<WasiBody>, timeout: Duration) -> Sending;
}

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
    wasmtime_wasi_http::p2::bindings::http::outgoing_handler::add_to_linker::<State, WasiHttp>(linker, |state| state.counted().http())
}

pub(crate) struct Hooks {
    log: Arc<Log>,
    pub(crate) client: Option<Arc<dyn HttpClient>>,
}

impl Hooks {
    pub(crate) fn new(log: Arc<Log>, client: Option<Arc<dyn HttpClient>>) -> Self {
        Self { log, client }
    }
}

/// Time until a response's head where the guest names none.
pub(crate) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);

type Io = Box<dyn Future<Output = Result<(), WireError>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_errors: Io,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Io), WireError>> + Send> {
        let Some(client) = self.client.clone() else {
            return Box::new(async { Err(WireError::HttpRequestDenied) });
        };
        let timeout = options.and_then(|options| options.first_byte_timeout).unwrap_or(FIRST_BYTE_TIMEOUT);
        let log = self.log.clone();
        Box::new(async move {
            match client.send(request, timeout).await {
                Ok(response) => Ok((response, Box::new(async { Ok(()) }) as Io)),
                Err(HttpError::Denied(denial)) => {
                    // wasi:http has no room for a reason: without this record nobody would learn which rule decided.
                    log.write(Level::Warn, &denial.to_string());
                    Err(WireError::HttpRequestDenied)
                }
                Err(HttpError::Invalid(_)) => Err(WireError::HttpRequestUriInvalid),
                Err(HttpError::TimedOut) => Err(WireError::ConnectionReadTimeout),
                Err(HttpError::Unavailable(_)) => Err(WireError::DestinationUnavailable),
            }
        })
    }
}
