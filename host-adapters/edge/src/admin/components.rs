//! Components that are to be deployed: received in pieces, hashed as they come, kept under their own name or not at all.
//!
//! Easily got wrong: each tenant has its own, also where two upload the same. Whether a component is here tells nothing of anybody else. Whoever may deploy one
//! application may upload for it, and so for the tenant; what is kept of a tenant is listed and removed by who may deploy all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, Resource};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::answer::Answer;
use super::asked::{Asked, Named, too_large, too_slow};
use super::problem::{Always, Problem, Removed, Sent, Sought};
use super::seam::{Admin, Permit};
use super::who::Caller;
use super::words::{ComponentWords, KeptComponentWords, NamingWords, Page};
use crate::components::{COMPONENT_BYTES_MAX, Components, ComponentsError, Receiving};
use crate::node::Namings;
use crate::pace::Pace;

/// How long a component may take to come.
const DEADLINE: Duration = Duration::from_secs(300);
/// How long it may keep the server waiting in all. Milliseconds.
const STALL_MS: u64 = 30_000;
/// Sending so many bytes makes good for a second of it.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 4_096;

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
    let permit = admin.permit(&caller, Action::DeploymentsWrite, &for_own(&caller, &tenant))?;
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
    let permit = admin.permit(&caller, Action::DeploymentsWrite, &for_own(&caller, &tenant))?;
    let _place = permit.upload()?;
    let components = permit.node().components().of(&tenant);
    let bytes_max = permit.node().settings().tenant_component_bytes_max;
    let bytes = receive(&permit, components, digest, bytes_max, body).await?;
    Ok(Answer::ok(&ComponentWords { digest: digest.to_string(), bytes }))
}

/// What a component is needed for: the one application that the caller is bound to, else whatever the tenant has.
fn for_own<'a>(caller: &'a Caller, tenant: &'a str) -> Resource<'a> {
    Resource { tenant: Some(tenant), application: caller.principal.scope.application.as_deref() }
}

/// The components of a tenant, with who names them. `deployments:read`
#[utoipa::path(
    get, path = "/v1/components", operation_id = "list-components", tag = "components", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Components in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "in the order of digests", body = Page<KeptComponentWords>), Always)
)]
pub(crate) async fn list(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (tenant, page) = (asked.tenant(&caller)?, asked.page()?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::DeploymentsRead, &Resource::tenant(&tenant))?;
    let components = permit.node().components().of(&tenant);
    let kept = blocking(move || components.all()).await?;
    let namings = namings(&permit, &tenant).await?;
    let words = |(digest, bytes): (Digest, u64)| {
        let naming = namings.of(digest);
        let named_by = naming.iter().map(|(application, naming)| NamingWords::of(application, naming)).collect();
        (digest.to_string(), KeptComponentWords { digest: digest.to_string(), bytes, named_by })
    };
    let all: BTreeMap<String, KeptComponentWords> = kept.into_iter().map(words).collect();
    Ok(Answer::ok(&page.of(all)))
}

/// Removes a component that no deployment names. `deployments:write`
#[utoipa::path(
    delete, path = "/v1/components/{digest}", operation_id = "remove-component", tag = "components", security(("token" = [])),
    params(
        ("digest" = String, Path, description = "`sha256:` and 64 digits"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("old" = Option<bool>, Query, description = "`true`: also where deployments name it that are neither current nor share requests; going back to them takes uploading it again"),
    ),
    responses((status = 200, description = "it is removed; what it had", body = ComponentWords), Always, Sought, Removed)
)]
pub(crate) async fn remove(
    State(admin): State<Admin>,
    caller: Caller,
    Named(digest): Named<String>,
    mut asked: Asked,
) -> Result<Answer, Problem> {
    let (digest, tenant) = (parsed(&digest)?, asked.tenant(&caller)?);
    let old = match asked.text("old").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::unreadable("`old` is neither `true` nor `false`")),
    };
    asked.end()?;
    let permit = admin.permit(&caller, Action::DeploymentsWrite, &Resource::tenant(&tenant))?;
    let components = permit.node().components().of(&tenant);
    blocking(move || components.look_for(digest)).await?;
    let removal = permit.removal()?;
    let namings = namings(&permit, &tenant).await?;
    let bytes = permit.node().remove_component(&tenant, (digest, old), namings, removal).await?;
    Ok(Answer::ok(&ComponentWords { digest: digest.to_string(), bytes }))
}

/// How the tenant's applications name its components, which few read at once.
async fn namings(permit: &Permit, tenant: &str) -> Result<Namings, Problem> {
    let _walk = permit.walk()?;
    Ok(permit.node().namings(tenant).await?)
}

async fn receive(permit: &Permit, components: Components, digest: Digest, bytes_max: u64, body: Body) -> Result<u64, Problem> {
    // As far as it is known: who has no room need not send it first.
    let (kept, expected) = (components.clone(), body.size_hint().lower());
    blocking(move || kept.has_room(digest, expected, bytes_max)).await?;
    let (pieces, written) = mpsc::channel::<Bytes>(4);
    let writing = tokio::task::spawn_blocking(move || write(components.receive()?, written));
    let bytes = pass_on(body, pieces, Pace::new(STALL_MS, UPLOAD_BYTES_PER_SECOND_MIN)).await?;
    let receiving = writing.await.map_err(|_| Problem::failed("E-ADMIN-COMPONENTS", "keeping it failed"))??;
    if receiving.digest() != digest {
        return Err(Problem::wrong("E-ADMIN-DIGEST", "what was sent is not what the path names", Vec::new()));
    }
    // It may have come for minutes.
    permit.still().await?;
    blocking(move || receiving.keep(bytes_max)).await?;
    Ok(bytes as u64)
}

/// Every piece to whoever writes it, at a pace of the sender's that is not too slow. Gives their bytes.
async fn pass_on(mut body: Body, pieces: mpsc::Sender<Bytes>, mut pace: Pace) -> Result<usize, Problem> {
    let deadline = Instant::now() + DEADLINE;
    let mut bytes = 0;
    loop {
        pace.waits(Instant::now().into_std());
        let ends = pace.ends().map_or(deadline, |ends| deadline.min(ends.into()));
        let frame = timeout_at(ends, body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::unreadable("the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        pace.took(piece.len(), Instant::now().into_std());
        bytes += piece.len();
        if bytes > COMPONENT_BYTES_MAX {
            return Err(too_large(COMPONENT_BYTES_MAX));
        }
        if pieces.send(piece).await.is_err() {
            // It could not be written; why is told by whoever writes.
            break;
        }
    }
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn who_sends_next_to_nothing_now_and_then_is_too_slow() {
        let (pieces, mut written) = mpsc::channel(128);
        let drops = stream::unfold(0, async |sent| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            (sent < 100).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"a")), sent + 1))
        });
        let too_slow = pass_on(Body::from_stream(drops), pieces, Pace::new(500, 1_000)).await.unwrap_err();
        assert!(format!("{too_slow:?}").contains("E-ADMIN-DEADLINE"), "{too_slow:?}");
        let mut came = 0;
        while written.recv().await.is_some() {
            came += 1;
        }
        assert!(came < 100, "{came}");
    }
}
