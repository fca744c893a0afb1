//! `plugwork:host/fetch`: buffered requests over the instance's HTTP client, the same one that `wasi:http` uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use plugwork_core::limits::{FETCH_BODY_BYTES_MAX, FETCH_HELD_BYTES_MAX, FETCH_REQUESTS_MAX};
use plugwork_core::policy::URL_BYTES_MAX;
use plugwork_core::policy::header::{FIELDS_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, is_owned_by_host};
use plugwork_core::{Denial, Issue, Refusal};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::plugwork::host::fetch::{self, Header, Request, Response};
use super::bindings::plugwork::plugin::refusal::Refusal as WireRefusal;
use super::http::{self, BODY_IDLE_TIMEOUT, FIRST_BYTE_TIMEOUT, HttpClient, HttpError, NoRedirect, Timeouts};
use crate::account::{Account, Hold};
use crate::cause::Cause;
use crate::state::State;
use crate::usage::HostInterface;

const TIMEOUT_MS_MAX: u32 = 60_000;
/// Defines `plugwork:host/fetch` over the instance's client.
pub fn link_fetch(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fetch::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Fetch))
}

impl fetch::Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, WireRefusal>> {
        Ok(Sender::of(self).send(request, SecretHeaders::new()).await.map_err(Into::into))
    }

    async fn send_all(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, WireRefusal>>> {
        if requests.len() > FETCH_REQUESTS_MAX {
            let refusal = invalid("requests", format!("{} requests", requests.len()), "at most 64");
            return Ok(requests.iter().map(|_| Err(refusal.clone().into())).collect());
        }
        Ok(Sender::of(self).send_all(requests).await.into_iter().map(|answer| answer.map_err(Into::into)).collect())
    }
}

/// Headers that the host adds after the guest's own were checked.
pub(super) type SecretHeaders = Vec<(::http::HeaderName, ::http::HeaderValue)>;

/// What sends the requests of one host call.
pub(super) struct Sender {
    client: Option<Arc<dyn HttpClient>>,
    account: Arc<Account>,
    /// What the running call is made for.
    cause: Option<Arc<Cause>>,
    /// Bytes of all responses so far.
    held: AtomicUsize,
}

impl Sender {
    pub(super) fn of(state: &State) -> Self {
        Self { client: state.client.clone(), account: state.account().clone(), cause: state.log.cause(), held: AtomicUsize::new(0) }
    }

    pub(super) async fn send(&self, request: Request, secrets: SecretHeaders) -> Result<Response, Refusal> {
        self.send_held(request, secrets).await.map(|(response, _)| response)
    }

    async fn send_all(&self, requests: Vec<Request>) -> Vec<Result<Response, Refusal>> {
        // As many at once as the plugin may have open; the rest waits its turn instead of being denied for its own neighbours.
        let at_once = (self.account.limits().requests as usize).max(1);
        let sending = futures::stream::iter(requests).map(|request| self.send_held(request, SecretHeaders::new())).buffered(at_once);
        // What has been answered stays charged while it waits here for the rest.
        let held: Vec<_> = sending.collect().await;
        held.into_iter().map(|answer| answer.map(|(response, _)| response)).collect()
    }

    /// The answer and the charge for its body.
    async fn send_held(&self, request: Request, secrets: SecretHeaders) -> Result<(Response, Hold), Refusal> {
        let Some(client) = self.client.clone() else {
            return Err(Refusal::Denied(Denial {
                code: "E-CAP-NOT-GRANTED".to_owned(),
                permission: "plugwork:host/fetch".to_owned(),
                rule: "no http client was granted".to_owned(),
                hint: "grants.http = { hosts = [\"…\"] }".to_owned(),
            }));
        };
        let timeout = match request.timeout_ms {
            None => FIRST_BYTE_TIMEOUT,
            Some(ms @ 1..=TIMEOUT_MS_MAX) => Duration::from_millis(ms.into()),
            Some(ms) => return Err(invalid("timeout-ms", format!("{ms}"), "1 to 60000 milliseconds")),
        };
        let request_bytes = request.body.as_ref().map_or(0, Vec::len) as u64;
        let mut memory = self.account.hold(request_bytes).map_err(Refusal::Denied)?;
        let mut request = checked(request)?;
        if !secrets.is_empty() {
            request.headers_mut().extend(secrets);
            // A secret is granted for some hosts: a redirect could carry it to another.
            request.extensions_mut().insert(NoRedirect);
        }
        let exchange = async {
            let timeouts = Timeouts { first_byte: timeout, body_idle: BODY_IDLE_TIMEOUT };
            let response = http::exchange(client, self.account.clone(), request, timeouts, self.cause.clone()).await?;
            self.collect(response, &mut memory).await
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(answer) => Ok((answer?, memory)),
            Err(_) => Err(HttpError::TimedOut.into()),
        }
    }

    async fn collect(&self, response: ::http::Response<wasmtime_wasi_http::WasiBody>, memory: &mut Hold) -> Result<Response, Refusal> {
        let (head, mut body) = response.into_parts();
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() }))
            .collect();
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::Unavailable { reason: format!("the response body broke off: {error}") })?;
            let Ok(data) = frame.into_data() else { continue };
            let too_long = |limit: usize, what: &str| Err(Refusal::Unavailable { reason: format!("{what} longer than {limit} bytes") });
            if whole.len() + data.len() > FETCH_BODY_BYTES_MAX {
                return too_long(FETCH_BODY_BYTES_MAX, "the response body is");
            }
            // Taken before it is kept: what the host holds for one call is bounded, however many servers answer at once.
            if self.held.fetch_add(data.len(), Ordering::Relaxed) + data.len() > FETCH_HELD_BYTES_MAX {
                return too_long(FETCH_HELD_BYTES_MAX, "the responses to one call are together");
            }
            memory.grow(data.len() as u64).map_err(Refusal::Denied)?;
            whole.extend_from_slice(&data);
        }
        Ok(Response { status: head.status.as_u16(), headers, body: whole })
    }
}

fn invalid(at: &str, what: String, expected: &str) -> Refusal {
    Refusal::Invalid(Issue { what, at: at.to_owned(), expected: expected.to_owned() })
}

fn checked(request: Request) -> Result<::http::Request<wasmtime_wasi_http::WasiBody>, Refusal> {
    if request.url.len() > URL_BYTES_MAX {
        return Err(invalid("url", format!("{} bytes", request.url.len()), "at most 8192 bytes"));
    }
    if request.headers.len() > FIELDS_MAX {
        return Err(invalid("headers", format!("{} headers", request.headers.len()), "at most 64"));
    }
    let body = request.body.unwrap_or_default();
    if body.len() > FETCH_BODY_BYTES_MAX {
        return Err(invalid("body", format!("{} bytes", body.len()), "at most 8388608 bytes"));
    }
    let mut builder = ::http::Request::builder().method(request.method.as_str()).uri(request.url.as_str());
    for (index, Header { name, value }) in request.headers.iter().enumerate() {
        let at = format!("headers/{index}");
        if is_owned_by_host(&name.to_ascii_lowercase()) {
            return Err(invalid(&at, format!("`{name}` is the host's to set"), "an end-to-end header"));
        }
        if name.len() > NAME_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(invalid(&at, "too long".to_owned(), "at most 256 bytes of name and 8192 of value"));
        }
        builder = builder.header(name.as_str(), value.as_str());
    }
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    builder.body(body).map_err(|error| invalid("request", error.to_string(), "a method, an absolute URL and headers of RFC 9110"))
}

#[cfg(test)]
mod tests {
    use plugwork_core::Limits;

    use super::*;
    use crate::interfaces::http::Sending;

    const ANSWER_BYTES: usize = 600 << 10;

    /// Answers each request with a body of this length.
    struct Answering;

    impl HttpClient for Answering {
        fn send(&self, _: ::http::Request<wasmtime_wasi_http::WasiBody>, _: Duration) -> Sending {
            let body = Full::new(Bytes::from(vec![0; ANSWER_BYTES])).map_err(|never| match never {}).boxed_unsync();
            Box::pin(async { Ok(::http::Response::new(body)) })
        }
    }

    fn request() -> Request {
        Request { method: "GET".to_owned(), url: "http://a.example/".to_owned(), headers: Vec::new(), body: None, timeout_ms: None }
    }

    #[tokio::test]
    async fn answers_that_wait_in_the_list_stay_charged_and_are_free_when_it_is_returned() {
        let limits = Limits { plugin_memory_bytes: 2 << 20, requests: 1, ..Limits::interactive() };
        let account = Account::of_test(limits);
        let sender = Sender { client: Some(Arc::new(Answering)), account: account.clone(), cause: None, held: AtomicUsize::new(0) };
        let answers = sender.send_all(vec![request(), request(), request(), request()]).await;
        let denied =
            answers.iter().filter(|answer| matches!(answer, Err(Refusal::Denied(denial)) if denial.code == "E-LIMIT-PLUGIN-MEMORY"));
        assert!(denied.count() > 0, "four bodies do not fit into 2 MiB");
        assert!(answers[0].is_ok());
        assert_eq!(account.snapshot().held_bytes, 0);
    }
}
