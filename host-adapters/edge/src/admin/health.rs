//! What supervisors ask, without a token: whether it lives, and whether it is ready. And what operators ask about the server itself.

use axum::extract::State;
use http::StatusCode;
use plugwork_core::authorize::{Action, Resource};

use super::answer::Answer;
use super::asked::Asked;
use super::problem::{Always, Problem};
use super::seam::{Admin, State as Stage};
use super::who::Caller;
use super::words::{LimitsWords, ServerWords};

/// Whether the server lives: it answers.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "health", responses((status = 200, description = "it does", body = String, content_type = "text/plain")))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the server is ready: of what was current when it started it has brought up what it could, and it does not stop. An application that could not be
/// brought up changes nothing about it; `served` of `GET /v1/applications` says which is not.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "health",
    responses(
        (status = 200, description = "it is", body = String, content_type = "text/plain"),
        (status = 503, description = "`E-ADMIN-NOT-READY`: not yet, or not any more", body = super::words::ProblemWords, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn readyz(State(admin): State<Admin>) -> Result<&'static str, Problem> {
    let detail = match admin.state() {
        Stage::Ready => return Ok("ok\n"),
        Stage::Starting => "the server starts",
        Stage::Stopping => "the server stops",
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "E-ADMIN-NOT-READY", detail))
}

/// The server: its version, its state and its limits. `server:read`
#[utoipa::path(
    get, path = "/v1/server", operation_id = "server", tag = "server", security(("token" = [])),
    responses((status = 200, description = "the server", body = ServerWords), Always)
)]
pub(crate) async fn server(State(admin): State<Admin>, caller: Caller, asked: Asked) -> Result<Answer, Problem> {
    asked.end()?;
    let permit = admin.permit(&caller, Action::ServerRead, &Resource::server())?;
    let state = match admin.state() {
        Stage::Starting => "starting",
        Stage::Ready => "ready",
        Stage::Stopping => "stopping",
    };
    Ok(Answer::ok(&ServerWords {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: state.to_owned(),
        since_ms: permit.since_ms(),
        pid: std::process::id(),
        applications: permit.node().live().serving.values().filter(|serving| serving.is_up()).count() as u64,
        limits: LimitsWords::of(&permit.node().settings()),
    }))
}
