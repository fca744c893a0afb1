//! Traces: what a request's place in one is, what of it is recorded, and where that is sent.
//!
//! A trace that a client sends is continued; where it sends none, or none that may be continued, a new one begins. What is recorded follows the
//! client's word (`sampled`), and for new traces a ratio. Easily got wrong: where this server records nothing of a request its plugin is given the client's own
//! span, not one of ours that nobody will ever see: the chain stays whole.

mod export;
mod ids;
mod otlp;
mod span;

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use plugwork_core::trace::TraceContext;

pub use export::{Destination, Tracing, TracingError};
pub(crate) use span::{Recorded, Timeline};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's place in its trace.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// As its plugin is told.
    pub(crate) context: TraceContext,
    /// Present where it is recorded.
    pub(crate) recorded: Option<Spans>,
}

/// The spans of a recorded request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spans {
    /// Of the client; 0 where it sent none.
    pub(crate) parent: u64,
    pub(crate) request: u64,
}

/// Reads what the client sent, decides, and writes what the plugin is to see in its place. The call of the plugin is the span of the context.
pub(crate) fn enter(headers: &mut HeaderMap, tracing: Option<&Tracing>) -> Place {
    let place = place(sent(headers), tracing);
    headers.remove(STATE);
    if let Ok(value) = HeaderValue::from_bytes(&place.context.traceparent()) {
        headers.insert(PARENT, value);
    }
    if let Some(state) = HeaderValue::from_str(&place.context.state).ok().filter(|state| !state.is_empty()) {
        headers.insert(STATE, state);
    }
    place
}

/// The client's context. Two of them are none.
fn sent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(PARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none())?;
    TraceContext::parse(parent.as_bytes(), headers.get_all(STATE).iter().map(HeaderValue::as_bytes))
}

fn place(sent: Option<TraceContext>, tracing: Option<&Tracing>) -> Place {
    let recorded = |parent| Spans { parent, request: ids::span() };
    match (sent, tracing) {
        (Some(sent), Some(_)) if sent.sampled => {
            let spans = recorded(sent.span_id);
            Place { context: sent.at(ids::span()), recorded: Some(spans) }
        }
        (Some(sent), _) => Place { context: sent, recorded: None },
        (None, tracing) => {
            let trace_id = ids::trace();
            let sampled = tracing.is_some_and(|tracing| tracing.samples(trace_id));
            let context = TraceContext { trace_id, span_id: ids::span(), sampled, state: String::new() };
            Place { context, recorded: sampled.then(|| recorded(0)) }
        }
    }
}

/// How long a collector may take for one batch.
const SEND_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(fields: &[(&str, &str)]) -> (Place, Vec<(String, String)>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let place = enter(&mut headers, None);
        let seen = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        (place, seen)
    }

    #[test]
    fn what_a_client_sent_wrong_never_reaches_a_plugin() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for fields in [
            &[("traceparent", "00-x"), ("tracestate", "a=1")][..],
            &[("traceparent", good), ("traceparent", good), ("tracestate", "a=1")],
            &[("tracestate", "a=1")],
            &[],
        ] {
            let (place, seen) = entered(fields);
            assert_eq!(seen, [("traceparent".to_owned(), place.context.to_string())], "{fields:?}");
            assert!(place.context.trace_id != 0 && place.context.span_id != 0 && !place.context.sampled && place.recorded.is_none());
            assert!(!seen[0].1.contains("0af7651916cd43dd"));
        }
    }

    #[test]
    fn where_nothing_is_recorded_the_clients_span_goes_on() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (_, mut seen) = entered(&[("traceparent", good), ("tracestate", "a=1"), ("tracestate", "b=2")]);
        seen.sort();
        assert_eq!(seen, [("traceparent".to_owned(), good.to_owned()), ("tracestate".to_owned(), "a=1,b=2".to_owned())]);
    }
}
