//! Failures of the admin API as problem details (RFC 9457) with stable codes, and which of them the document names for an operation. Pure.
//!
//! Easily got wrong: an operator is told what failed, unlike a client of an application; but never what a token was.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use plugwork_core::Issue;
use plugwork_core::authorize::{AuthenticationFailed, Decision, TokensError};
use plugwork_core::deployment::{DeploymentsError, RollbackRefused};
use plugwork_core::record::RecordsError;
use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::words::{FindingWords, ProblemWords};
use crate::components::ComponentsError;
use crate::finding::issue;
use crate::node::{DeployError, NotRemoved};

/// One failure.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: String,
    findings: Vec<Issue>,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl ToString) -> Self {
        let detail = detail.to_string();
        // Errors of the libraries carry their hint in their text.
        let (detail, hint) = match detail.split_once("\nhint: ") {
            Some((detail, hint)) => (detail.to_owned(), hint.to_owned()),
            None => (detail, String::new()),
        };
        Self(Box::new(Inner { status, code, detail, hint, findings: Vec::new(), retry_after_s: None }))
    }

    /// What was sent cannot be read.
    pub(crate) fn unreadable(detail: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "E-ADMIN-REQUEST", detail)
    }

    /// What was sent is wrong.
    pub(crate) fn wrong(code: &'static str, detail: &str, findings: Vec<Issue>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        problem.0.findings = findings;
        problem
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// Who asked is not known, or not any more.
    pub(crate) fn stranger(why: AuthenticationFailed) -> Self {
        let hint = match why {
            AuthenticationFailed::Unknown => "`authorization: Bearer TOKEN`, with a token of `plugwork token issue`",
            AuthenticationFailed::Expired | AuthenticationFailed::Revoked => "a new token: `plugwork token issue`",
        };
        Self::new(StatusCode::UNAUTHORIZED, why.code(), why).hint(hint)
    }

    /// What the seam decided; none where it allows.
    pub(crate) fn denied(decision: Decision) -> Option<Self> {
        let Decision::Deny { code, rule, hint } = decision else { return None };
        let status = if code == "E-AUTH-EXPIRED" { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        Some(Self::new(status, code, rule).hint(hint))
    }

    /// There is nothing of that name, or nothing that the asker may see: never which.
    pub(crate) fn not_found(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Others do it now.
    pub(crate) fn busy(detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "E-ADMIN-BUSY", detail).after(1)
    }

    /// The server itself failed.
    pub(crate) fn failed(code: &'static str, detail: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, detail)
    }

    fn words(&self) -> ProblemWords {
        let Inner { status, code, detail, hint, findings, .. } = &*self.0;
        ProblemWords {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: (*code).to_owned(),
            detail: detail.clone(),
            hint: hint.clone(),
            findings: findings.iter().map(FindingWords::of).collect(),
        }
    }
}

pub(crate) fn of_records(code: &'static str, error: &RecordsError) -> Problem {
    match error {
        RecordsError::Busy { .. } => Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error).after(1),
        _ => Problem::failed(code, error),
    }
}

impl From<DeploymentsError> for Problem {
    fn from(error: DeploymentsError) -> Self {
        let code = error.code();
        match error {
            DeploymentsError::Conflict(conflict) => Self::new(StatusCode::CONFLICT, code, conflict),
            DeploymentsError::Invalid(issues) => Self::wrong(code, "it cannot be deployed", issues),
            DeploymentsError::Refused(refused @ RollbackRefused::AlreadyCurrent { .. }) => Self::new(StatusCode::CONFLICT, code, refused),
            DeploymentsError::Refused(refused) => Self::not_found(code, refused),
            DeploymentsError::Records(error) => of_records(code, &error),
            error => Self::failed(code, error),
        }
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        match error {
            DeployError::Findings(findings) => Self::wrong("E-DEPLOY-FINDINGS", "it cannot be served, and nothing was changed", findings),
            DeployError::Deployments(error) => error.into(),
            error @ DeployError::Unknown(_) => Self::failed("E-DEPLOY-UNCERTAIN", error),
            error @ DeployError::Broken => Self::failed("E-DEPLOY-BROKEN", error),
            DeployError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "E-DEPLOY-STOPPING", "the server stops").after(5),
        }
    }
}

impl From<TokensError> for Problem {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Unknown { .. } => Self::not_found("E-ADMIN-TOKEN", error),
            // Whoever issues one with it is told so too.
            TokensError::Revoked { .. } => Self::stranger(AuthenticationFailed::Revoked),
            TokensError::TooMany { .. } => Self::new(StatusCode::CONFLICT, "E-ADMIN-TOKEN-QUOTA", error),
            TokensError::Invalid(issues) => Self::wrong("E-ADMIN-TOKEN-TERMS", "it cannot be done", issues),
            TokensError::Records(error) => of_records("E-ADMIN-RECORDS", &error),
            error => Self::failed("E-ADMIN-RECORDS", error),
        }
    }
}

impl From<ComponentsError> for Problem {
    fn from(error: ComponentsError) -> Self {
        match error {
            ComponentsError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "E-ADMIN-SIZE", error),
            ComponentsError::Unknown(_) => Self::not_found("E-ADMIN-COMPONENT", error),
            ComponentsError::Quota { .. } => Self::new(StatusCode::CONFLICT, "E-ADMIN-COMPONENT-QUOTA", error),
            error => Self::failed("E-ADMIN-COMPONENTS", error),
        }
    }
}

impl From<NotRemoved> for Problem {
    fn from(error: NotRemoved) -> Self {
        match error {
            NotRemoved::Named(naming) => {
                let old = naming.values().all(|naming| naming.needed.is_empty());
                let findings = naming.iter().map(|(application, naming)| {
                    let (count, latest) = (naming.numbers.len(), naming.numbers.last().copied().unwrap_or_default());
                    let needed = if naming.needed.is_empty() { "" } else { ", one of them current or sharing its requests" };
                    issue(application, format!("{count} of its deployments name it{needed}; the latest is number {latest}"), "")
                });
                let mut problem = Self::new(StatusCode::CONFLICT, "E-ADMIN-COMPONENT-USED", "deployments name this component");
                problem.0.findings = findings.collect();
                let hint = "`plugwork components remove --old` removes it; going back to those deployments takes uploading it again";
                if old { problem.hint(hint) } else { problem.hint("deploy those applications without it first") }
            }
            NotRemoved::Running => {
                let detail = "it still runs, for what was replaced a moment ago";
                Self::new(StatusCode::CONFLICT, "E-ADMIN-COMPONENT-USED", detail).after(5)
            }
            NotRemoved::Components(error) => error.into(),
            NotRemoved::Deploy(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.words()).unwrap_or_default();
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// There is nothing under this path.
pub(crate) async fn unknown_path() -> Problem {
    Problem::not_found("E-ADMIN-PATH", "there is nothing under this path")
}

/// Not with this method. Which ones there are stands in `allow`, which the router adds.
pub(crate) async fn unknown_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "E-ADMIN-METHOD", "not with this method")
}

/// Problems that any operation may answer with.
pub(crate) struct Always;
/// Problems of one that looks for something by name.
pub(crate) struct Sought;
/// Problems of one that removes something.
pub(crate) struct Removed;
/// Problems of one that is sent something.
pub(crate) struct Sent;

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

fn responses(told: &[(u16, &str)]) -> Responses {
    let one = |(status, description): &(u16, &str)| {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(*description).content("application/problem+json", content).build();
        (status.to_string(), RefOr::T(response))
    };
    told.iter().map(one).collect()
}

impl IntoResponses for Always {
    fn responses() -> Responses {
        responses(&[
            (400, "`E-ADMIN-REQUEST`: the path or the query cannot be read"),
            (401, "`E-AUTH-TOKEN`, `E-AUTH-EXPIRED`, `E-AUTH-REVOKED`: who asks is not known, or not any more"),
            (403, "`E-AUTH-TENANT`, `E-AUTH-APPLICATION`, `E-AUTH-SCOPE`, `E-AUTH-ESCALATION`: they may not"),
            (429, "`E-AUTH-RATE`: too many tokens from here were wrong"),
            (500, "the server could not do its part"),
            (503, "the server starts, stops, or is busy"),
        ])
    }
}

impl IntoResponses for Sought {
    fn responses() -> Responses {
        responses(&[(404, "there is none, or none that the asker may see")])
    }
}

impl IntoResponses for Removed {
    fn responses() -> Responses {
        responses(&[(409, "`E-ADMIN-COMPONENT-USED`: deployments name it; which applications is among the findings")])
    }
}

impl IntoResponses for Sent {
    fn responses() -> Responses {
        responses(&[
            (408, "`E-ADMIN-DEADLINE`: the body came too slowly"),
            (
                409,
                "`E-DEPLOY-CONFLICT`, `E-DEPLOY-CURRENT`: something else is current; `E-ADMIN-UNDER-WAY`: the same is being done; `E-ADMIN-COMPONENT-QUOTA`, `E-ADMIN-TOKEN-QUOTA`: the tenant has no room for it",
            ),
            (413, "`E-ADMIN-SIZE`: the body is too large"),
            (415, "`E-ADMIN-TYPE`: the body is not `application/json`"),
            (422, "what was sent is wrong: all findings, and nothing was changed"),
        ])
    }
}
