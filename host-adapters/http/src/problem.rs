//! What a client is told when there is no answer: problem details (RFC 9457) with a stable code. Pure.
//!
//! Easily got wrong: what a plugin or the host says about itself (a backtrace, a rule, a path) is for the operator, who finds it in the log, in the
//! audit and in [`Served`](crate::Served). A client is told the kind of failure, and of a refusal `invalid` what was wrong with the request.

use std::borrow::Cow;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use plugwork::{Error, ErrorKind, Fault, Refusal};
use plugwork_core::Issue;
use serde::Serialize;

use crate::Body;

/// The longest of the texts that a plugin's `invalid` is told with. Bytes.
const TEXT_BYTES_MAX: usize = 512;

/// A failure as a client is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// 400 to 599.
    pub status: StatusCode,
    /// Stable and for machines, such as `E-HTTP-BODY-SIZE`.
    pub code: Cow<'static, str>,
    /// For people; without anything of the plugin's or the host's inside.
    pub detail: Cow<'static, str>,
    /// When asking again may help. Seconds.
    pub retry_after_s: Option<u64>,
    /// What was wrong with the request, in the plugin's words.
    pub issue: Option<Box<Issue>>,
}

/// The code of a problem, among the extensions of its response: for the server's own counts. Nothing of it is sent.
///
/// Borrowed, or a fault's, it is one of ours and of few; anything else a plugin chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemCode(pub Cow<'static, str>);

/// The body, member by member.
#[derive(Serialize)]
struct Told<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(rename = "request-id")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<&'a Issue>,
}

impl Problem {
    /// A problem with nothing but its status, code and words.
    pub const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self { status, code: Cow::Borrowed(code), detail: Cow::Borrowed(detail), retry_after_s: None, issue: None }
    }

    /// Says when asking again may help.
    pub const fn after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The response. The connection goes on, unless the server decides otherwise.
    pub fn response(&self, request_id: &str) -> Response<Body> {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let told =
            Told { title, status: self.status.as_u16(), code: &self.code, detail: &self.detail, request_id, issue: self.issue.as_deref() };
        // Text and numbers only: it cannot fail.
        let body = serde_json::to_vec(&told).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.extensions_mut().insert(ProblemCode(self.code.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// What a client is told of a call that gave no answer.
    pub fn of_error(error: &Error) -> Self {
        match (error.kind(), error.fault(), error.refusal()) {
            (_, Some(fault), _) => Self::of_fault(fault),
            (_, _, Some(refusal)) => Self::of_refusal(refusal),
            (ErrorKind::Unavailable | ErrorKind::Refused, ..) => Self::of_unavailable(error.retry_after_ms()),
            (ErrorKind::Component | ErrorKind::Manifest | ErrorKind::Compile | ErrorKind::Invalid, ..) => {
                Self::new(StatusCode::BAD_GATEWAY, "E-HTTP-PLUGIN", "the function cannot be called")
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "E-HTTP-SERVER", "the server could not do its part"),
        }
    }

    /// What a client is told where no call can be made now. In milliseconds: when asking again may help.
    pub fn of_unavailable(retry_after_ms: Option<u64>) -> Self {
        let unavailable = Self::new(StatusCode::SERVICE_UNAVAILABLE, "E-HTTP-UNAVAILABLE", "the function takes no calls now");
        unavailable.after(retry_after_ms.map_or(1, |ms| ms.div_ceil(1_000).max(1)))
    }

    /// What a client is told of a fault: 504 where time ran out, 503 where the host stopped it, 502 for everything else.
    pub fn of_fault(fault: &Fault) -> Self {
        let code = Cow::Owned(format!("E-FAULT-{}", fault.code().to_ascii_uppercase()));
        let told = match fault {
            Fault::Deadline { .. } | Fault::Cpu { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "", "the function did not answer within its time")
            }
            Fault::Revoked | Fault::Cancelled => Self::new(StatusCode::SERVICE_UNAVAILABLE, "", "the function was stopped").after(1),
            _ => Self::new(StatusCode::BAD_GATEWAY, "", "the function failed"),
        };
        Self { code, ..told }
    }

    /// What a client is told of a refusal.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Denied(denial) => {
                let code = if is_code(&denial.code) { Cow::Owned(denial.code.clone()) } else { "E-REFUSED-DENIED".into() };
                Self { code, ..Self::new(StatusCode::FORBIDDEN, "", "the function does not permit this") }
            }
            Refusal::Invalid(issue) => {
                let issue = Issue { what: cut(&issue.what), at: cut(&issue.at), expected: cut(&issue.expected) };
                let told = Self::new(StatusCode::BAD_REQUEST, "E-REFUSED-INVALID", "the function does not understand this request");
                Self { issue: Some(Box::new(issue)), ..told }
            }
            Refusal::Unavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "E-REFUSED-UNAVAILABLE", "what the function needs did not answer").after(1)
            }
            Refusal::Other(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "E-REFUSED-OTHER", "the function failed"),
        }
    }
}

/// Whether a plugin's code looks like one, so that it may stand where programs read it; and is none that the host itself says of a request.
fn is_code(text: &str) -> bool {
    (3..=64).contains(&text.len())
        && text.starts_with("E-")
        && !["E-FAULT-", "E-HTTP-", "E-REFUSED-"].iter().any(|own| text.starts_with(own))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::{Denial, Problem as Said};

    fn of(refusal: Refusal) -> (u16, String) {
        let problem = Problem::of_refusal(&refusal);
        (problem.status.as_u16(), problem.code.into_owned())
    }

    fn denied(code: &str) -> Refusal {
        Refusal::Denied(Denial { code: code.into(), permission: "p".into(), rule: "secret rule".into(), hint: "secret hint".into() })
    }

    #[test]
    fn each_refusal_has_a_status_and_a_code() {
        assert_eq!(of(denied("E-SHOP-CLOSED")), (403, "E-SHOP-CLOSED".into()));
        for ours in ["E-FAULT-TRAP", "E-HTTP-IDENTITY-TOKEN", "E-REFUSED-OTHER"] {
            assert_eq!(of(denied(ours)), (403, "E-REFUSED-DENIED".into()), "what the host says a plugin cannot");
        }
        assert_eq!(of(denied("\r\nx: y")), (403, "E-REFUSED-DENIED".into()));
        assert_eq!(of(Refusal::Unavailable { reason: "db.internal:5432".into() }), (503, "E-REFUSED-UNAVAILABLE".into()));
        assert_eq!(of(Refusal::Other(Said { message: "m".into(), stack: "s".into() })), (500, "E-REFUSED-OTHER".into()));
    }

    #[test]
    fn nothing_from_inside_is_told() {
        let said = Said { message: "secret".into(), stack: "secret".into() };
        let trap = Fault::Trap { message: "secret".into(), backtrace: vec!["secret".into()] };
        let panic = Fault::Panic { message: "secret".into(), stack: "secret".into() };
        for problem in [
            Problem::of_refusal(&denied("E-X")),
            Problem::of_refusal(&Refusal::Unavailable { reason: "secret".into() }),
            Problem::of_refusal(&Refusal::Other(said)),
            Problem::of_fault(&trap),
            Problem::of_fault(&panic),
            Problem::of_fault(&Fault::HostPanic { message: "secret".into() }),
        ] {
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
        }
    }

    #[test]
    fn an_issue_is_cut_and_has_no_control_characters() {
        let issue = Issue { what: format!("\u{1b}[31m{}", "ä".repeat(600)), at: "\n".into(), expected: String::new() };
        let told = Problem::of_refusal(&Refusal::Invalid(issue)).issue.unwrap();
        assert!(told.what.starts_with(" [31mä") && told.what.len() <= TEXT_BYTES_MAX, "{}", told.what.len());
        assert_eq!(told.at, " ");
    }

    #[test]
    fn time_that_ran_out_is_504_and_what_the_host_stopped_503() {
        let status = |fault| Problem::of_fault(&fault).status.as_u16();
        assert_eq!(status(Fault::Deadline { limit_ms: 1, ran_ms: 2 }), 504);
        assert_eq!(status(Fault::Cpu { limit_percent: 1, waited_ms: 2 }), 504);
        assert_eq!((status(Fault::Revoked), status(Fault::Cancelled)), (503, 503));
        assert_eq!((status(Fault::Stack), status(Fault::Exit { code: 0 })), (502, 502));
        assert_eq!(Problem::of_fault(&Fault::HostCalls { limit_per_second: 1, made: 2 }).code, "E-FAULT-HOST-CALLS");
    }
}
