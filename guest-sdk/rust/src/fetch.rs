//! HTTP by the host: one call, the whole response.
//!
//! A plugin that calls anything in here imports `plugwork:host/fetch` and needs `[permissions.http]`; one that does
//! not call it imports nothing. Redirects are not followed, and a status such as 404 is an answer, not a refusal.

use crate::refusal::{Refusal, Result};

pub use crate::bindings::fetch::{Header, Request, Response};

impl Request {
    /// A request without headers or body; `url` is absolute.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A request with any method, in upper case.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: None, timeout_ms: None }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// Sets the body, at most 8 MiB.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the time for the whole exchange, 1 to 60,000 milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }
}

impl Response {
    /// The first header field of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(&found.value)
    }

    /// The body as text; `invalid` where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Refusal::invalid("not UTF-8", format!("byte {} of the body", error.valid_up_to()), "text"))
    }

    /// The response where its status is 200 to 299; otherwise a refusal: `unavailable` for 408, 429 and 500 and above,
    /// `invalid` for the rest.
    pub fn successful(self) -> Result<Self> {
        match self.status {
            200..=299 => Ok(self),
            408 | 429 | 500.. => Err(Refusal::unavailable(format!("the server answered {}", self.status))),
            status => Err(Refusal::invalid(format!("the server answered {status}"), "", "a status of 200 to 299")),
        }
    }
}

/// Fetches `url`; any status is an answer.
pub fn get(url: impl Into<String>) -> Result<Response> {
    send(Request::get(url))
}

/// Sends one request and waits for the whole response.
#[cfg(target_arch = "wasm32")]
pub fn send(request: Request) -> Result<Response> {
    crate::bindings::fetch::send(&request)
}

/// Sends up to 64 requests at once; answers in the order of the requests.
#[cfg(target_arch = "wasm32")]
pub fn send_all(requests: &[Request]) -> Vec<Result<Response>> {
    crate::bindings::fetch::send_all(requests)
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn send(request: Request) -> Result<Response> {
    Err(Refusal::unavailable(format!("no host to fetch `{}` with", request.url)))
}

/// Refuses each: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn send_all(requests: &[Request]) -> Vec<Result<Response>> {
    requests.iter().cloned().map(send).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16) -> Response {
        let headers = vec![Header { name: "Content-Type".into(), value: "text/plain".into() }];
        Response { status, headers, body: b"ok".to_vec() }
    }

    #[test]
    fn header_names_are_case_insensitive() {
        assert_eq!(response(200).header("content-type"), Some("text/plain"));
    }

    #[test]
    fn a_busy_server_is_unavailable_and_a_missing_page_invalid() {
        assert!(matches!(response(503).successful(), Err(Refusal::Unavailable(_))));
        assert!(matches!(response(404).successful(), Err(Refusal::Invalid(_))));
        assert!(response(204).successful().is_ok());
    }
}
