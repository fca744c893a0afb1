//! Components that are to be deployed: received in pieces, hashed as they come, kept under their own name or not at all.
//!
//! Easily got wrong: each tenant has its own, also where two upload the same. Whether a component is here tells nothing of anybody else.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, Resource};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::asked::{Asked, Named, too_large, too_slow};
use super::problem::{Always, Problem, Sent, Sought};
use super::seam::Admin;
use super::who::Caller;
use super::words::ComponentWords;
use crate::components::{COMPONENT_BYTES_MAX, Components, ComponentsError, Receiving};

/// How long a component may take to come.
const DEADLINE: Duration = Duration::from_secs(300);
/// How long between two pieces of it.
const STALL: Duration = Duration::from_secs(30);

/// Whether a component is here, whole. `deployments:write`
#[utoipa::path(
    get, path = "/v1/components/{digest}", operation_id = "find-component", tag = "components", security(("token" = [])),
    params(
        ("digest" = String, Path, description = "`sha256:` and 64 digits"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
    ),
    responses((status = 200, description = "it is", body = ComponentWords), Always, Sought)
)]
pub(crate) async fn component(
    State(admin): State<Admin>,
    caller: Caller,
    Named(digest): Named<String>,
    mut asked: Asked,
) -> Result<Answer, Problem> {
    let (digest, tenant) = (parsed(&digest)?, asked.tenant(&caller)?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::DeploymentsWrite, &Resource::tenant(&tenant))?;
    let components = permit.node().components().of(&tenant);
    let bytes = blocking(move || Ok(components.size(digest))).await?;
    let bytes = bytes.ok_or_else(|| Problem::from(ComponentsError::Unknown(digest)))?;
    Ok(Answer::ok(&ComponentWords { digest: digest.to_string(), bytes }))
}

/// Uploads a component under its digest. What it is is found out when it is deployed. `deployments:write`
#[utoipa::path(
    put, path = "/v1/components/{digest}", operation_id = "put-component", tag = "components", security(("token" = [])),
    params(
        ("digest" = String, Path, description = "`sha256:` and 64 digits"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
    ),
    request_body(content = String, content_type = "application/wasm", description = "The bytes of the component, at most 64 MiB"),
    responses((status = 200, description = "it is kept", body = ComponentWords), Always, Sent)
)]
pub(crate) async fn upload(
    State(admin): State<Admin>,
    caller: Caller,
    Named(digest): Named<String>,
    mut asked: Asked,
    body: Body,
) -> Result<Answer, Problem> {
    let (digest, tenant) = (parsed(&digest)?, asked.tenant(&caller)?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::DeploymentsWrite, &Resource::tenant(&tenant))?;
    let _place = permit.upload()?;
    let components = permit.node().components().of(&tenant);
    let bytes = receive(components, digest, body).await?;
    Ok(Answer::ok(&ComponentWords { digest: digest.to_string(), bytes }))
}

async fn receive(components: Components, digest: Digest, mut body: Body) -> Result<u64, Problem> {
    let (pieces, written) = mpsc::channel::<Bytes>(4);
    let writing = tokio::task::spawn_blocking(move || write(components.receive()?, written));
    let deadline = Instant::now() + DEADLINE;
    let mut bytes = 0;
    loop {
        let frame = timeout_at(deadline.min(Instant::now() + STALL), body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::unreadable("the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        bytes += piece.len();
        if bytes > COMPONENT_BYTES_MAX {
            return Err(too_large(COMPONENT_BYTES_MAX));
        }
        if pieces.send(piece).await.is_err() {
            // It could not be written; why is told below.
            break;
        }
    }
    drop(pieces);
    let receiving = writing.await.map_err(|_| Problem::failed("E-ADMIN-COMPONENTS", "keeping it failed"))??;
    if receiving.digest() != digest {
        return Err(Problem::wrong("E-ADMIN-DIGEST", "what was sent is not what the path names", Vec::new()));
    }
    blocking(move || receiving.keep()).await?;
    Ok(bytes as u64)
}

/// Whoever sends goes away by dropping the sender: then what was written is dropped with the file.
fn write(mut receiving: Receiving, mut pieces: mpsc::Receiver<Bytes>) -> Result<Receiving, ComponentsError> {
    while let Some(piece) = pieces.blocking_recv() {
        receiving.write(&piece)?;
    }
    Ok(receiving)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ComponentsError> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "E-ADMIN-COMPONENTS", "looking for it failed"))??)
}

fn parsed(digest: &str) -> Result<Digest, Problem> {
    digest.parse().map_err(|_| Problem::unreadable("the path does not end with a digest: `sha256:` and 64 hexadecimal digits"))
}
