//! A JSON answer that is small and whole: what can be remembered and given again.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, words: &impl Serialize) -> Self {
        // Text, numbers, lists and maps with text for keys: it cannot fail.
        Self { status, body: serde_json::to_vec(words).unwrap_or_default().into() }
    }

    pub(crate) fn ok(words: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, words)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Operators look at what is, and a new token's text is in one of them.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
