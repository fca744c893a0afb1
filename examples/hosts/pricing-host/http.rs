//! The shop's HTTP: `POST /quote` prices an order, `GET /plugins` says which rules there are and how they do.
//!
//! Not here: prices. Easily got wrong: an order comes from anybody and a rule's words come from a stranger, so bodies have a limit and
//! answers are JSON, never text put together by hand.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use plugwork::core::Issue;
use plugwork::{ErrorKind, Refusal};
use serde_json::json;

use super::shop::{Shop, Unpriced};

const BODY_BYTES_MAX: usize = 64 << 10;

/// The routes over one shop.
pub(crate) fn routes(shop: Arc<Shop>) -> Router {
    Router::new().route("/quote", post(quote)).route("/plugins", get(plugins)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(shop)
}

async fn quote(State(shop): State<Arc<Shop>>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return problem(rejection.status(), "E-ORDER-BODY", &rejection.body_text(), &[]),
    };
    let form = match serde_json::from_slice(&body) {
        Ok(form) => form,
        Err(error) => return problem(StatusCode::BAD_REQUEST, "E-ORDER-JSON", &error.to_string(), &[]),
    };
    let quote = match shop.catalogue().quote(form) {
        Ok(quote) => quote,
        Err(issues) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "E-ORDER-INVALID", "the order is wrong", &issues),
    };
    match shop.price(quote).await {
        Ok(priced) => Json(priced).into_response(),
        Err(unpriced) => no_price(&unpriced),
    }
}

/// Why a rule that no price can do without gave none: the order's fault, the rule's, or a matter of time.
fn no_price(unpriced: &Unpriced) -> Response {
    let detail = unpriced.to_string();
    let Unpriced::Failed(error) = unpriced else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "E-RULE-MISSING", &detail, &[]);
    };
    match (error.kind(), error.refusal()) {
        (_, Some(Refusal::Invalid(issue))) => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "E-ORDER-REFUSED", "a rule refused the order", std::slice::from_ref(issue))
        }
        (ErrorKind::Refusal, _) => problem(StatusCode::UNPROCESSABLE_ENTITY, "E-ORDER-REFUSED", &detail, &[]),
        (ErrorKind::Fault, _) => problem(StatusCode::BAD_GATEWAY, "E-RULE-FAULT", &detail, &[]),
        _ => problem(StatusCode::SERVICE_UNAVAILABLE, "E-RULE-UNAVAILABLE", &detail, &[]),
    }
}

async fn plugins(State(shop): State<Arc<Shop>>) -> Response {
    Json(shop.status()).into_response()
}

/// An error as RFC 9457 has it.
fn problem(status: StatusCode, code: &str, detail: &str, issues: &[Issue]) -> Response {
    let body = json!({ "title": status.canonical_reason(), "status": status.as_u16(), "code": code, "detail": detail, "issues": issues });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_missing_is_a_matter_of_time() {
        assert_eq!(no_price(&Unpriced::Missing("shop:floor")).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
