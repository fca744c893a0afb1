//! What a plugin answered, checked before any of it goes on a wire. Pure.
//!
//! Framing and connection are the server's: a plugin that could set them could make one answer into two. Easily got wrong: names are compared
//! after they were parsed, so in lower case.

use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRAILER};
use http::{HeaderMap, HeaderValue, Response, StatusCode, response};
use plugwork_points::http_function::Answer;

use crate::head::{is_hop_by_hop, is_the_hosts_word};
use crate::limits::HttpLimits;
use crate::problem::Problem;

/// Why an answer is not passed on: for the operator. The client is told that it was illegal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal(pub String);

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an illegal answer: {}", self.0)
    }
}

impl std::error::Error for Illegal {}

impl Illegal {
    /// What a client is told.
    pub const fn problem() -> Problem {
        Problem::new(StatusCode::BAD_GATEWAY, "E-HTTP-ANSWER", "the function's answer is not one")
    }
}

/// Makes a response of an answer.
pub fn check(answer: Answer, limits: &HttpLimits) -> Result<Response<Vec<u8>>, Illegal> {
    let status = status(answer.status)?;
    let mut headers = HeaderMap::with_capacity(answer.headers.len().min(limits.answer_headers_max));
    if answer.headers.len() > limits.answer_headers_max {
        return Err(Illegal(format!("{} header fields, more than {}", answer.headers.len(), limits.answer_headers_max)));
    }
    let mut bytes = 0;
    for (name, value) in answer.headers {
        bytes += name.len() + value.len();
        if bytes > limits.answer_header_bytes_max {
            return Err(Illegal(format!("header fields of more than {} bytes together", limits.answer_header_bytes_max)));
        }
        let (name, value) = field(&name, value)?;
        headers.append(name, value);
    }
    if answer.body.len() > limits.answer_body_bytes_max {
        return Err(Illegal(format!("a body of {} bytes, more than {}", answer.body.len(), limits.answer_body_bytes_max)));
    }
    if !answer.body.is_empty() && has_no_body(status) {
        return Err(Illegal(format!("a body with status {status}")));
    }
    let mut response = Response::new(answer.body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Checks the head of an answer that comes as a stream. Gives the length of its body, where it announced one.
pub fn check_head(head: &response::Parts, limits: &HttpLimits) -> Result<Option<u64>, Illegal> {
    status(head.status.as_u16())?;
    check_size(&head.headers, limits)?;
    // A length is held to by the body, and which trailers will come is a plugin's to say.
    let wrong = head.headers.keys().find(|name| **name != CONTENT_LENGTH && **name != TRAILER && is_the_servers(name));
    if let Some(name) = wrong {
        return Err(Illegal(format!("header `{name}` is the server's to set")));
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let number = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
    let number: u64 = number.filter(|_| lengths.next().is_none()).ok_or_else(|| Illegal("a length that is none".to_owned()))?;
    // With 304 it is the length that another answer would have had.
    if number > 0 && has_no_body(head.status) && head.status != StatusCode::NOT_MODIFIED {
        return Err(Illegal(format!("a length with status {}", head.status)));
    }
    Ok(Some(number))
}

/// Holds the fields of a head, or of trailers, to their limits.
pub(crate) fn check_size(fields: &HeaderMap, limits: &HttpLimits) -> Result<(), Illegal> {
    if fields.len() > limits.answer_headers_max {
        return Err(Illegal(format!("{} header fields, more than {}", fields.len(), limits.answer_headers_max)));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits.answer_header_bytes_max {
        return Err(Illegal(format!("header fields of more than {} bytes together", limits.answer_header_bytes_max)));
    }
    Ok(())
}

/// Whether a plugin may send this field after a body.
pub(crate) fn is_a_trailer(name: &HeaderName) -> bool {
    *name != HOST && !is_the_servers(name)
}

/// Statuses that end an exchange: 1xx are the server's, and above 599 there are none.
pub fn status(number: u16) -> Result<StatusCode, Illegal> {
    let legal = (200..=599).contains(&number);
    StatusCode::from_u16(number).ok().filter(|_| legal).ok_or_else(|| Illegal(format!("status {number}, not one of 200 to 599")))
}

/// Whether a response of this status never has a body (RFC 9110, section 15).
pub fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Whether only the server writes this header of a response.
pub fn is_the_servers(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || is_hop_by_hop(name.as_str()) || is_the_hosts_word(name.as_str())
}

fn field(name: &str, value: Vec<u8>) -> Result<(HeaderName, HeaderValue), Illegal> {
    let shown = || name.chars().take(64).collect::<String>().escape_debug().to_string();
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Illegal(format!("`{}` is not a header's name", shown())))?;
    if is_the_servers(&parsed) {
        return Err(Illegal(format!("header `{parsed}` is the server's to set")));
    }
    let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value))
        .map_err(|_| Illegal(format!("header `{parsed}` holds bytes that no header may hold")))?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &[u8])], body: &[u8]) -> Result<Response<Vec<u8>>, Illegal> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        check(Answer { status, headers, body: body.to_vec() }, &HttpLimits::default())
    }

    #[test]
    fn a_status_that_does_not_end_an_exchange_is_illegal() {
        for status in [0, 99, 100, 101, 103, 199, 600, 999, 1000, u16::MAX] {
            assert!(answer(status, &[], b"").is_err(), "{status}");
        }
        for status in [200, 599] {
            assert_eq!(answer(status, &[], b"").unwrap().status().as_u16(), status);
        }
    }

    #[test]
    fn framing_and_what_is_the_servers_is_illegal() {
        for name in [
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "keep-alive",
            "upgrade",
            "trailer",
            "te",
            "proxy-authenticate",
            "x-request-id",
            "x-plugwork-version",
        ] {
            assert!(answer(200, &[(name, b"1")], b"1").is_err(), "{name}");
        }
    }

    #[test]
    fn a_header_that_would_break_the_head_is_illegal() {
        for (name, value) in [
            ("a", &b"1\r\nset-cookie: x"[..]),
            ("a", b"1\n"),
            ("a", b"\0"),
            ("a", b"\x7f"),
            ("a b", b"1"),
            ("a\r\nb", b"1"),
            ("", b"1"),
            (":status", b"200"),
            ("\u{e4}", b"1"),
        ] {
            assert!(answer(200, &[(name, value)], b"").is_err(), "{name:?} {value:?}");
        }
        let kept = answer(200, &[("Set-Cookie", b"a=1"), ("set-cookie", b"b=\xc3\xa4\t2")], b"").unwrap();
        assert_eq!(kept.headers().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn a_body_where_there_is_none_is_illegal() {
        for status in [204, 205, 304] {
            assert!(answer(status, &[], b"1").is_err() && answer(status, &[], b"").is_ok(), "{status}");
        }
    }

    #[test]
    fn an_answer_at_its_limits_is_legal_and_one_past_them_is_not() {
        let limits = HttpLimits { answer_headers_max: 2, answer_header_bytes_max: 10, answer_body_bytes_max: 3, ..HttpLimits::default() };
        let legal = |count: usize, value: usize, body: usize| {
            let headers = (0..count).map(|_| ("a".to_owned(), vec![b'x'; value])).collect();
            check(Answer { status: 200, headers, body: vec![0; body] }, &limits).is_ok()
        };
        assert!(legal(2, 4, 3));
        assert!(!legal(3, 1, 0) && !legal(2, 5, 0) && !legal(0, 0, 4));
    }
}
