//! For whose request a call is made: told to the log with what the plugin says meanwhile, and to whoever the plugin asks over HTTP.
//!
//! Whoever makes the call says it, by [`State::caused_by`](crate::State::caused_by) before the guest runs. Easily got wrong: it is of one call. An instance that
//! is used again forgets it before the next one.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use plugwork_core::trace::TraceContext;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// What a call is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What the request is known by.
    pub request_id: String,
    /// The trace that it belongs to; what the plugin causes belongs to its span.
    pub trace: Option<TraceContext>,
}

/// Makes a request that leaves part of its trace: what the plugin itself wrote there is taken out, so that it speaks for no trace but the one that it
/// was called in. Without a trace both headers are the plugin's own, as any other.
pub(crate) fn mark(headers: &mut HeaderMap, cause: Option<&Arc<Cause>>) {
    let Some(trace) = cause.and_then(|cause| cause.trace.as_ref()) else { return };
    headers.remove(STATE);
    let value = HeaderValue::from_bytes(&trace.traceparent()).expect("digits and dashes are a header's value");
    headers.insert(PARENT, value);
    if let Some(state) = HeaderValue::from_str(&trace.state).ok().filter(|state| !state.is_empty()) {
        headers.insert(STATE, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_speak_for_another_trace_than_its_own() {
        let mut headers = HeaderMap::new();
        headers.append(PARENT, HeaderValue::from_static("00-11111111111111111111111111111111-1111111111111111-01"));
        headers.append(PARENT, HeaderValue::from_static("again"));
        headers.append(STATE, HeaderValue::from_static("forged=1"));
        let before = headers.clone();
        mark(&mut headers, None);
        assert_eq!(headers, before);
        let trace = TraceContext { trace_id: 2, span_id: 3, sampled: false, state: String::new() };
        let cause = Arc::new(Cause { request_id: "1".to_owned(), trace: Some(trace) });
        mark(&mut headers, Some(&cause));
        let all: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(all, [("traceparent", "00-00000000000000000000000000000002-0000000000000003-00")]);
    }
}
