//! `plugwork:host/fetch`: buffered requests over the instance's HTTP client, the same one that `wasi:http` uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use plugwork_core::limits::{FETCH_BODY_BYTES_MAX, FETCH_HELD_BYTES_MAX, FETCH_REQUESTS_MAX};
use plugwork_core::{Denial, Issue, Refusal};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::plugwork::host::fetch::{self, Header, Request, Response};
use super::bindings::plugwork::plugin::refusal::Refusal as WireRefusal;
use super::http::{FIRST_BYTE_TIMEOUT, HttpClient, HttpError};
use crate::state::State;

const HEADERS_MAX: usize = 64;
const HEADER_NAME_BYTES_MAX: usize = 256;
const HEADER_VALUE_BYTES_MAX: usize = 8 << 10;
const URL_BYTES_MAX: usize = 8 << 10;
const TIMEOUT_MS_MAX: u32 = 60_000;
/// The host's to set, or between two hops only (RFC 9110, section 7.6.1).
const HEADERS_OF_THE_HOST: [&str; 9] =
    ["host", "content-length", "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

/// Defines `plugwork:host/fetch` over the instance's client.
pub fn link_fetch(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fetch::add_to_linker::<State, HasSelf<State>>(linker, State::counted)
}

impl fetch::Host for State {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, WireRefusal>> {
        Ok(send_one(self.hooks.client.clone(), request, &AtomicUsize::new(0)).await.map_err(Into::into))
    }

    async fn send_all(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, WireRefusal>>> {
        if requests.len() > FETCH_REQUESTS_MAX {
            let refusal = invalid("requests", format!("{} requests", requests.len()), "at most 64");
            return Ok(requests.iter().map(|_| Err(refusal.clone().into())).collect());
        }
        let held = AtomicUsize::new(0);
        let answers = requests.into_iter().map(|request| send_one(self.hooks.client.clone(), request, &held));
        Ok(join_all(answers).await.into_iter().map(|answer| answer.map_err(Into::into)).collect())
    }
}

fn invalid(at: &str, what: String, expected: &str) -> Refusal {
    Refusal::Invalid(Issue { what, at: at.to_owned(), expected: expected.to_owned() })
}

async fn send_one(client: Option<Arc<dyn HttpClient>>, request: Request, held: &AtomicUsize) -> Result<Response, Refusal> {
    let Some(client) = client else {
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
    let request = checked(request)?;
    let exchange = async {
        let response = client.send(request, timeout).await?;
        collect(response, held).await
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(HttpError::TimedOut.into()),
    }
}

fn checked(request: Request) -> Result<http::Request<wasmtime_wasi_http::WasiBody>, Refusal> {
    if request.url.len() > URL_BYTES_MAX {
        return Err(invalid("url", format!("{} bytes", request.url.len()), "at most 8192 bytes"));
    }
    if request.headers.len() > HEADERS_MAX {
        return Err(invalid("headers", format!("{} headers", request.headers.len()), "at most 64"));
    }
    let body = request.body.unwrap_or_default();
    if body.len() > FETCH_BODY_BYTES_MAX {
        return Err(invalid("body", format!("{} bytes", body.len()), "at most 8388608 bytes"));
    }
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(request.url.as_str());
    for (index, Header { name, value }) in request.headers.iter().enumerate() {
        let at = format!("headers/{index}");
        if HEADERS_OF_THE_HOST.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
            return Err(invalid(&at, format!("`{name}` is the host's to set"), "an end-to-end header"));
        }
        if name.len() > HEADER_NAME_BYTES_MAX || value.len() > HEADER_VALUE_BYTES_MAX {
            return Err(invalid(&at, "too long".to_owned(), "at most 256 bytes of name and 8192 of value"));
        }
        builder = builder.header(name.as_str(), value.as_str());
    }
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    builder.body(body).map_err(|error| invalid("request", error.to_string(), "a method, an absolute URL and headers of RFC 9110"))
}

async fn collect(response: http::Response<wasmtime_wasi_http::WasiBody>, held: &AtomicUsize) -> Result<Response, Refusal> {
    let (head, body) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() }))
        .collect();
    let mut whole = Vec::new();
    let mut body = body;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Unavailable { reason: format!("the response body broke off: {error}") })?;
        let Ok(data) = frame.into_data() else { continue };
        let too_long = |limit: usize, what: &str| Err(Refusal::Unavailable { reason: format!("{what} longer than {limit} bytes") });
        if whole.len() + data.len() > FETCH_BODY_BYTES_MAX {
            return too_long(FETCH_BODY_BYTES_MAX, "the response body is");
        }
        // Taken before it is kept: what the host holds for one call is bounded, however many servers answer at once.
        if held.fetch_add(data.len(), Ordering::Relaxed) + data.len() > FETCH_HELD_BYTES_MAX {
            return too_long(FETCH_HELD_BYTES_MAX, "the responses to one call are together");
        }
        whole.extend_from_slice(&data);
    }
    Ok(Response { status: head.status.as_u16(), headers, body: whole })
}
