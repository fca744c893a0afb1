//! The head of a request: what is refused, and what is taken out before a plugin sees it. Pure.
//!
//! Easily got wrong: a header that a client could use to speak for the host (`x-forwarded-for`, `x-request-id`) is taken out without a word, because
//! proxies add them in good faith; what two servers could read differently (two hosts, two lengths) is refused.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, request};
use plugwork_core::route::request_host;

use crate::limits::HttpLimits;
use crate::problem::Problem;

/// The longest method that is passed on. Bytes.
const METHOD_BYTES_MAX: usize = 32;

/// What is known of a request after its head was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The host and port that the client asked for.
    pub authority: String,
    /// The length of the body, where it was announced.
    pub announced: Option<u64>,
}

impl Facts {
    /// Takes over the length that a body is known to have where none was announced.
    pub(crate) fn with_body(mut self, exact: Option<u64>, limits: &HttpLimits) -> Result<Self, Problem> {
        self.announced = self.announced.or(exact);
        if self.announced.is_some_and(|bytes| bytes > limits.body_bytes_max as u64) { Err(too_large()) } else { Ok(self) }
    }
}

/// Checks a head and takes out of it what no plugin is given.
pub fn check(head: &mut request::Parts, limits: &HttpLimits) -> Result<Facts, Problem> {
    check_with(head, limits, None)
}

/// The same where the host was read already.
pub(crate) fn check_with(head: &mut request::Parts, limits: &HttpLimits, known: Option<String>) -> Result<Facts, Problem> {
    if matches!(head.method, Method::CONNECT | Method::TRACE) || head.method.as_str().len() > METHOD_BYTES_MAX {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "E-HTTP-METHOD", "this method is not for functions"));
    }
    let target = head.uri.path().len() + head.uri.query().map_or(0, |query| query.len() + 1);
    if target > limits.target_bytes_max {
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "E-HTTP-TARGET-SIZE", "the path and query are too long"));
    }
    if !head.uri.path().starts_with('/') {
        return Err(bad("E-HTTP-TARGET", "the target is not a path"));
    }
    check_size(&head.headers, limits)?;
    let authority = known.map_or_else(|| authority(head), Ok)?;
    let announced = announced(&head.headers)?;
    if announced.is_some_and(|bytes| bytes > limits.body_bytes_max as u64) {
        return Err(too_large());
    }
    strip(&mut head.headers);
    Ok(Facts { authority, announced })
}

/// The answer to a body past its limit.
pub(crate) const fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "E-HTTP-BODY-SIZE", "the body is too large")
}

const fn bad(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, detail)
}

/// Holds the fields of a head, or of trailers, to their limits.
pub(crate) fn check_size(headers: &HeaderMap, limits: &HttpLimits) -> Result<(), Problem> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > limits.headers_max || bytes > limits.header_bytes_max {
        let detail = "there are too many header fields, or they are too long";
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "E-HTTP-HEADER-SIZE", detail));
    }
    Ok(())
}

/// The one host that was asked for. An absolute target and a `host` header may both be there and then say the same (RFC 9112, section 3.2).
/// For a server that routes by it before the rest of the head is looked at.
pub fn authority(head: &request::Parts) -> Result<String, Problem> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next().map(http::HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(bad("E-HTTP-HOST", "there is more than one host"));
    }
    let named = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let (Some(host), Some(named)) = (host, named)
        && !host.eq_ignore_ascii_case(named)
    {
        return Err(bad("E-HTTP-HOST", "the target and the header `host` name different hosts"));
    }
    let Some(authority) = named.or(host) else { return Err(bad("E-HTTP-HOST", "there is no host")) };
    let authority = std::str::from_utf8(authority).ok().filter(|text| is_authority(text));
    authority.map(str::to_owned).ok_or(bad("E-HTTP-HOST", "the host is none"))
}

/// Whether it is a host that a route can name, with a port or without.
fn is_authority(text: &str) -> bool {
    request_host(text).is_some_and(|host| !host.is_empty())
}

/// The length of the body as announced: at most once, in digits, and not beside a transfer coding.
fn announced(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let digits = length.as_bytes();
    let wrong = lengths.next().is_some() || headers.contains_key(TRANSFER_ENCODING) || digits.is_empty();
    if wrong || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad("E-HTTP-LENGTH", "the length of the body is ambiguous"));
    }
    // More digits than a number holds is more than any limit.
    Ok(Some(length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)))
}

/// Whether a header belongs to one connection and not to the request (RFC 9110, section 7.6.1). In lower case.
pub fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-auth")
}

/// Whether a client could use this header to speak for the host. In lower case. `_` counts as `-`: what hands headers on as variables makes both one.
pub fn is_the_hosts_word(name: &str) -> bool {
    if name.contains('_') {
        return is_the_hosts_word(&name.replace('_', "-"));
    }
    matches!(name, "forwarded" | "x-forwarded" | "x-real-ip" | "x-client-ip" | "true-client-ip" | "cf-connecting-ip" | "x-request-id")
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-plugwork-")
}

/// Takes out what belongs to the connection, by its name or because `connection` says so, and what is the host's to say.
fn strip(headers: &mut HeaderMap) {
    let goes = |name: &HeaderName| is_hop_by_hop(name.as_str()) || is_the_hosts_word(name.as_str());
    let mut gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
    if gone.is_empty() {
        return;
    }
    for value in headers.get_all(CONNECTION) {
        let named = value.as_bytes().split(|byte| *byte == b',').filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        // Those two are no more the connection's because somebody says so.
        gone.extend(named.filter(|name| *name != HOST && *name != CONTENT_LENGTH));
    }
    for name in gone {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(uri: &str, fields: &[(&str, &str)]) -> request::Parts {
        let mut builder = Request::builder().uri(uri);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn refused(uri: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let problem = check(&mut head(uri, fields), &HttpLimits::default()).unwrap_err();
        (problem.status.as_u16(), problem.code.into_owned())
    }

    #[test]
    fn a_host_is_needed_once_and_must_be_one() {
        for (uri, fields) in [
            ("/", &[][..]),
            ("/", &[("host", "a.example"), ("host", "a.example")]),
            ("/", &[("host", "user@a.example")]),
            ("/", &[("host", "a b")]),
            ("/", &[("host", "")]),
            ("/", &[("host", ":80")]),
            ("/", &[("host", "a:99999")]),
            ("/", &[("host", "a:abc")]),
            ("/", &[("host", "x');alert(1);('")]),
            ("/", &[("host", "a..b")]),
            ("http://a:99999/", &[]),
            ("http://a.example/", &[("host", "b.example")]),
        ] {
            assert_eq!(refused(uri, fields), (400, "E-HTTP-HOST".into()), "{uri} {fields:?}");
        }
        for (uri, fields) in
            [("/", &[("host", "A.example:80")][..]), ("http://A.example:80/", &[]), ("http://A.example:80/", &[("host", "a.example:80")])]
        {
            assert_eq!(check(&mut head(uri, fields), &HttpLimits::default()).unwrap().authority, "A.example:80");
        }
    }

    #[test]
    fn lengths_that_two_servers_could_read_differently_are_refused() {
        for fields in [
            &[("host", "a"), ("content-length", "1"), ("content-length", "1")][..],
            &[("host", "a"), ("content-length", "+1")],
            &[("host", "a"), ("content-length", "0x1")],
            &[("host", "a"), ("content-length", "")],
            &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
        ] {
            assert_eq!(refused("/", fields), (400, "E-HTTP-LENGTH".into()), "{fields:?}");
        }
    }

    #[test]
    fn one_byte_or_one_field_too_many_is_refused_and_the_limit_is_not() {
        let limits = HttpLimits { body_bytes_max: 10, headers_max: 3, header_bytes_max: 40, target_bytes_max: 8, ..HttpLimits::default() };
        let status = |uri: &str, fields: &[(&str, &str)]| {
            check(&mut head(uri, fields), &limits).map_or_else(|problem| problem.status.as_u16(), |_| 200)
        };
        assert_eq!((status("/234?678", &[("host", "a")]), status("/234?6789", &[("host", "a")])), (200, 414));
        let (at, past) = ("x".repeat(34), "x".repeat(35));
        assert_eq!((status("/", &[("host", "a"), ("b", &at)]), status("/", &[("host", "a"), ("b", &past)])), (200, 431));
        let four = [("host", "a"), ("b", "1"), ("b", "2"), ("b", "3")];
        assert_eq!((status("/", &four[..3]), status("/", &four)), (200, 431));
        let length = |bytes: &'static str| status("/", &[("host", "a"), ("content-length", bytes)]);
        assert_eq!((length("10"), length("11"), length("99999999999999999999")), (200, 413, 413));
    }

    #[test]
    fn what_is_the_connections_or_the_hosts_does_not_reach_a_plugin() {
        let fields = [
            ("host", "a"),
            ("connection", "close, x-mine, host"),
            ("x-mine", "1"),
            ("keep-alive", "1"),
            ("upgrade", "h2c"),
            ("te", "trailers"),
            ("proxy-authorization", "secret"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded", "for=1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded_proto", "https"),
            ("x_plugwork_principal", "root"),
            ("x_request-id", "1"),
            ("x-plugwork-principal", "root"),
            ("x-request-id", "1"),
            ("accept", "*/*"),
            ("traceparent", "00-1-1-00"),
        ];
        let mut head = head("/", &fields);
        check(&mut head, &HttpLimits::default()).unwrap();
        let mut left: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "host", "traceparent"]);
    }

    #[test]
    fn a_tunnel_a_trace_and_a_star_are_not_for_functions() {
        for method in ["CONNECT", "TRACE", "A-METHOD-OF-MORE-THAN-THIRTY-TWO-BYTES"] {
            let mut head = head("/", &[("host", "a")]);
            head.method = method.parse().unwrap();
            assert_eq!(check(&mut head, &HttpLimits::default()).unwrap_err().status, 501, "{method}");
        }
        assert_eq!(refused("*", &[("host", "a")]), (400, "E-HTTP-TARGET".into()));
    }
}
