//! The point `http-function`: one request in, one response out.
//!
//! What the client sent is in [`Request`], what the host vouches for in [`Context`]. One thing to know: a header's value is bytes; read it
//! with [`Request::header`] where text is meant.

use std::marker::PhantomData;

use crate::bindings::http_function::exports::plugwork::points::http_function::Guest;
use crate::refusal::{Refusal, Result};

pub use crate::bindings::http_function::exports::plugwork::points::http_function::{Context, Principal, Request, Response};

/// Something that answers HTTP requests.
pub trait HttpFunction: 'static {
    /// Answers one request. An instance may be asked again; what is to last longer than a call stands in a `static`.
    fn handle(request: Request, context: Context) -> Result<Response>;
}

/// Exports an HTTP function.
pub struct HttpFunctionExport<T>(PhantomData<T>);

impl<T: HttpFunction> Guest for HttpFunctionExport<T> {
    fn handle(request: Request, context: Context) -> Result<Response, Refusal> {
        T::handle(request, context)
    }
}

impl Request {
    /// The first header field of that name, in any case; none where its value is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(had, _)| had.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The body as text; `invalid` where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Refusal::invalid("not UTF-8", format!("byte {} of the body", error.valid_up_to()), "text"))
    }
}

impl Context {
    /// What the placeholder of that name in the host's route stood for.
    pub fn route_parameter(&self, name: &str) -> Option<&str> {
        self.route_parameters.iter().find(|(had, _)| had == name).map(|(_, value)| value.as_str())
    }
}

impl Response {
    /// A response without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// Status 200 and plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self::new(200, body.into()).header("content-type", "text/plain; charset=utf-8")
    }

    /// Status 200 and a page of HTML.
    pub fn html(body: impl Into<String>) -> Self {
        Self::new(200, body.into()).header("content-type", "text/html; charset=utf-8")
    }

    /// Status 200 and text that is JSON already.
    pub fn json(body: impl Into<String>) -> Self {
        Self::new(200, body.into()).header("content-type", "application/json")
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}
