//! A recorded request as spans: the request itself, its wait for its plugin where it waited, and the call of the plugin.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for HTTP servers, and `plugwork.*` for what those have no word for. Easily got
//! wrong: no query and no header becomes an attribute, and a method that is not one of the known ones is `_OTHER`.

use std::time::{Duration, Instant};

use super::Place;
use crate::access::Access;

/// When what began and ended, from the request's beginning on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timeline {
    /// When the request came. Unix nanoseconds.
    pub(crate) began_ns: u64,
    /// When it began to wait for its plugin, and how long; none where it did not wait.
    pub(crate) wait: Option<(Duration, Duration)>,
    /// When the plugin was called, and when it had answered.
    pub(crate) call: Option<(Duration, Option<Duration>)>,
}

impl Timeline {
    /// The plugin is called now.
    pub(crate) fn called(&mut self, began: Instant) {
        self.call = Some((began.elapsed(), None));
    }

    /// It has answered.
    pub(crate) fn answered(&mut self, began: Instant) {
        if let Some((_, ended)) = &mut self.call {
            *ended = Some(began.elapsed());
        }
    }
}

/// A request that is over, on its way to the collector.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) access: Access,
    pub(crate) place: Place,
    pub(crate) timeline: Timeline,
    pub(crate) tls: bool,
    pub(crate) version: http::Version,
}

/// A span, flat.
pub(super) struct Span<'a> {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) parent: u64,
    pub(super) state: &'a str,
    pub(super) name: String,
    pub(super) is_server: bool,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) failed: bool,
    pub(super) attributes: Vec<(&'static str, Value<'a>)>,
}

/// What an attribute says.
pub(super) enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

impl Recorded {
    /// Its spans: one to three.
    pub(super) fn spans(&self) -> Vec<Span<'_>> {
        let Self { access, place, timeline, .. } = self;
        let Some(own) = place.recorded else { return Vec::new() };
        let at = |offset: Duration| timeline.began_ns.saturating_add(u64::try_from(offset.as_nanos()).unwrap_or(u64::MAX));
        let end = Duration::from_micros(access.duration_us);
        let span = |span_id, parent, name: String, from: Duration, to: Duration| Span {
            trace_id: place.context.trace_id,
            span_id,
            parent,
            state: &place.context.state,
            name,
            is_server: false,
            start_ns: at(from),
            end_ns: at(to.max(from)),
            failed: false,
            attributes: Vec::new(),
        };
        let mut request = span(own.request, own.parent, self.name(), Duration::ZERO, end);
        request.is_server = true;
        request.failed = access.status >= 500 || access.status == 0;
        request.attributes = self.attributes();
        let mut spans = vec![request];
        if let Some((from, waited)) = timeline.wait {
            spans.push(span(super::ids::span(), own.request, "queue".to_owned(), from, from + waited));
        }
        if let Some((from, to)) = timeline.call {
            let mut call = span(place.context.span_id, own.request, format!("call {}", access.plugin), from, to.unwrap_or(end));
            call.failed = access.error.is_some();
            call.attributes = vec![("plugwork.plugin", Value::Text(&access.plugin))];
            if let Some(error) = &access.error {
                call.attributes.push(("error.message", Value::Text(&error[..error.floor_char_boundary(ERROR_BYTES_MAX)])));
            }
            spans.push(call);
        }
        spans
    }

    /// Few of them, whatever clients send.
    fn name(&self) -> String {
        let method = known(&self.access.method).unwrap_or("HTTP");
        if self.access.route.is_empty() { method.to_owned() } else { format!("{method} {}", self.access.route) }
    }

    fn attributes(&self) -> Vec<(&'static str, Value<'_>)> {
        let access = &self.access;
        let mut attributes = vec![
            ("http.request.method", Value::Text(known(&access.method).unwrap_or("_OTHER"))),
            ("url.scheme", Value::Text(if self.tls { "https" } else { "http" })),
            ("url.path", Value::Text(&access.path)),
            ("network.protocol.version", Value::Text(if self.version == http::Version::HTTP_2 { "2" } else { "1.1" })),
            ("plugwork.request_id", Value::Text(access.request_id.as_str())),
        ];
        if known(&access.method).is_none() {
            attributes.push(("http.request.method_original", Value::Text(&access.method)));
        }
        let (host, port) = split(&access.host);
        for (name, text) in [
            ("server.address", host),
            ("http.route", &*access.route),
            ("client.address", split(&access.client).0),
            ("plugwork.application", &*access.application),
            ("plugwork.plugin", &*access.plugin),
        ] {
            if !text.is_empty() {
                attributes.push((name, Value::Text(text)));
            }
        }
        attributes.extend(port.map(|port| ("server.port", Value::Number(port))));
        if access.status != 0 {
            attributes.push(("http.response.status_code", Value::Number(access.status.into())));
            attributes.push(("http.response.body.size", Value::Number(access.response_bytes)));
        }
        if access.deployment != 0 {
            attributes.push(("plugwork.deployment", Value::Number(access.deployment)));
        }
        match (access.status, access.code) {
            (0, _) => attributes.push(("error.type", Value::Text("cancelled"))),
            (500.., "") => attributes.push(("error.type", Value::Text("plugin"))),
            (_, "") => {}
            (_, code) => attributes.push(("error.type", Value::Text(code))),
        }
        attributes
    }
}

/// The longest error that is sent along. Bytes.
const ERROR_BYTES_MAX: usize = 1_024;

/// The methods that the conventions know.
fn known(method: &str) -> Option<&str> {
    matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH" | "QUERY").then_some(method)
}

/// Host and port of an authority, without the brackets of an IPv6 address.
fn split(authority: &str) -> (&str, Option<u64>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) => (host, port.parse().ok()),
        _ => (authority, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_apart_from_its_port() {
        for (authority, host, port) in [
            ("a.example", "a.example", None),
            ("a:80", "a", Some(80)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("", "", None),
        ] {
            assert_eq!(split(authority), (host, port), "{authority}");
        }
    }
}
