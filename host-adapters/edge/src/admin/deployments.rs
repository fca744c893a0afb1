//! Deployments of an application: which there are, a new one, and going back.

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, StatusCode, Uri};
use plugwork_core::application::Application;
use plugwork_core::authorize::Action;
use plugwork_core::deployment::{ApplicationKey, Expected, Rollback};

use super::answer::Answer;
use super::asked::{Asked, Named, json_bytes, read};
use super::once::{Key, once};
use super::problem::{Always, Problem, Sent, Sought};
use super::seam::Admin;
use super::who::Caller;
use super::words::{CurrentWords, DeployWords, DeploymentTextWords, DeploymentWords, Page, RollbackWords};
use crate::finding::issue;
use crate::node::{Deploy, Node};

/// The deployments of an application, the latest first. `deployments:read`
#[utoipa::path(
    get, path = "/v1/applications/{application}/deployments", operation_id = "list-deployments", tag = "deployments", security(("token" = [])),
    params(
        ("application" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Deployments in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "none where there is no such application", body = Page<DeploymentWords>), Always)
)]
pub(crate) async fn list(
    State(admin): State<Admin>,
    caller: Caller,
    Named(application): Named<String>,
    mut asked: Asked,
) -> Result<Answer, Problem> {
    let page = asked.page()?;
    let (permit, key) = admin.permit_application(&caller, Action::DeploymentsRead, application, asked)?;
    let found = permit.node().deployments().deployments(&key, page.after()?, page.limit).await?;
    // The first one has the number 1: after it there is none.
    let last = found.last().filter(|last| found.len() == page.limit as usize && last.number > 1);
    let next = last.map(|last| last.number.to_string());
    Ok(Answer::ok(&Page { items: found.iter().map(DeploymentWords::of).collect(), next }))
}

/// One deployment, with its text. `deployments:read`
#[utoipa::path(
    get, path = "/v1/applications/{application}/deployments/{number}", operation_id = "get-deployment", tag = "deployments", security(("token" = [])),
    params(
        ("application" = String, Path, description = "The application's name"),
        ("number" = u64, Path, description = "The deployment's number"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
    ),
    responses((status = 200, description = "the deployment", body = DeploymentTextWords), Always, Sought)
)]
pub(crate) async fn one(
    State(admin): State<Admin>,
    caller: Caller,
    Named((application, number)): Named<(String, u64)>,
    asked: Asked,
) -> Result<Answer, Problem> {
    let (permit, key) = admin.permit_application(&caller, Action::DeploymentsRead, application, asked)?;
    let found = permit.node().deployments().deployment(&key, number).await?;
    let found = found.ok_or_else(|| Problem::not_found("E-DEPLOY-UNKNOWN", format_args!("there is no deployment {number}")))?;
    Ok(Answer::ok(&DeploymentTextWords { deployment: DeploymentWords::of(&found), text: found.text }))
}

/// Deploys: prepared beside what is served, put on record and served when it is answered, or nothing was changed. Deploying is consent to the grants of the
/// application. `deployments:write`
#[utoipa::path(
    post, path = "/v1/applications/{application}/deployments", operation_id = "deploy", tag = "deployments", security(("token" = [])),
    params(
        ("application" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("idempotency-key" = Option<String>, Header, description = "One word of at most 128 characters: under it the change is made once within 24 hours"),
    ),
    request_body(content = DeployWords, content_type = "application/json"),
    responses((status = 201, description = "it is current", body = CurrentWords), Always, Sent)
)]
pub(crate) async fn deploy(
    State(admin): State<Admin>,
    caller: Caller,
    Named(application): Named<String>,
    asked: Asked,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    let (permit, key) = admin.permit_application(&caller, Action::DeploymentsWrite, application, asked)?;
    let body = json_bytes(&headers, body).await?;
    permit.still().await?;
    let DeployWords { text, plugins, note, expected } = read(&body)?;
    // Permission was given for the application of the path.
    if let Ok(parsed) = Application::parse(&text)
        && parsed.name != key.application
    {
        let finding = issue("name", format!("`{}`", parsed.name), format!("`{}`, as in the path", key.application));
        return Err(Problem::wrong("E-DEPLOY-FINDINGS", "it cannot be served, and nothing was changed", vec![finding]));
    }
    let by = permit.principal().name.clone();
    let once_key = Key::of(&headers, &by, &[b"deploy", uri.to_string().as_bytes(), key.tenant.as_bytes(), &body])?;
    let wish = Deploy { tenant: key.tenant, text, plugins, by, note, expected: expectation(expected) };
    let node = permit.node().clone();
    let change = async move { Ok(Answer::new(StatusCode::CREATED, &CurrentWords::of(&node.deploy(wish).await?))) };
    once(permit.once(), once_key, change).await
}

/// Goes back (or forward) to a deployment: prepared, on record and served when it is answered, or nothing was changed. It gives no consent anew.
/// `deployments:write`
#[utoipa::path(
    post, path = "/v1/applications/{application}/rollback", operation_id = "roll-back", tag = "deployments", security(("token" = [])),
    params(
        ("application" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("idempotency-key" = Option<String>, Header, description = "As where one deploys"),
    ),
    request_body(content = RollbackWords, content_type = "application/json"),
    responses((status = 200, description = "it is current", body = CurrentWords), Always, Sent, Sought)
)]
pub(crate) async fn roll_back(
    State(admin): State<Admin>,
    caller: Caller,
    Named(application): Named<String>,
    asked: Asked,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer, Problem> {
    let (permit, key) = admin.permit_application(&caller, Action::DeploymentsWrite, application, asked)?;
    let body = json_bytes(&headers, body).await?;
    permit.still().await?;
    let wish: RollbackWords = read(&body)?;
    let by = permit.principal().name.clone();
    let once_key = Key::of(&headers, &by, &[b"rollback", uri.to_string().as_bytes(), key.tenant.as_bytes(), &body])?;
    let node = permit.node().clone();
    once(permit.once(), once_key, async move { go_back(&node, key, by, wish).await }).await
}

async fn go_back(node: &Node, key: ApplicationKey, by: String, wish: RollbackWords) -> Result<Answer, Problem> {
    let RollbackWords { to, reason, expected } = wish;
    let (to, expected) = match to {
        Some(to) => (to, expected),
        None => {
            let unknown = |detail: String| Problem::not_found("E-DEPLOY-UNKNOWN", detail);
            let current = node.deployments().current(&key).await?.ok_or_else(|| unknown("nothing was deployed".to_owned()))?;
            let number = current.deployment.number;
            let before = current.moved.from.ok_or_else(|| unknown(format!("nothing was current before deployment {number}")))?;
            // What was before is known for what is current now only.
            (before, expected.or(Some(number)))
        }
    };
    let rolled = node.roll_back(Rollback { key, to, by, reason }, expectation(expected)).await?;
    Ok(Answer::ok(&CurrentWords::of(&rolled)))
}

fn expectation(number: Option<u64>) -> Expected {
    match number {
        None => Expected::Anything,
        Some(0) => Expected::Nothing,
        Some(number) => Expected::Number(number),
    }
}
