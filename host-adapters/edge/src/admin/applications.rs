//! Applications as they are served.

use std::collections::BTreeMap;

use axum::extract::State;
use plugwork_core::authorize::{Action, Resource};
use plugwork_core::deployment::Current;

use super::answer::Answer;
use super::asked::{Asked, Named};
use super::problem::{Always, Problem, Sought};
use super::seam::{Admin, Permit};
use super::who::Caller;
use super::words::{ApplicationWords, CurrentWords, FindingWords, Page, PluginWords, RouteWords};
use crate::node::DeployError;

/// The applications of a tenant: what is current of each, whether it is served, and if not, why. `deployments:read`
#[utoipa::path(
    get, path = "/v1/applications", operation_id = "list-applications", tag = "applications", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Applications in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "in the order of names", body = Page<ApplicationWords>), Always)
)]
pub(crate) async fn list(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (tenant, page) = (asked.tenant(&caller)?, asked.page()?);
    asked.end()?;
    let permit = admin.permit(&caller, Action::DeploymentsRead, &Resource::tenant(&tenant))?;
    let currents = permit.node().deployments().currents(Some(&tenant)).await?;
    let all: BTreeMap<String, Current> =
        currents.into_iter().map(|current| (current.deployment.key.application.clone(), current)).collect();
    let Page { items, next } = page.of(all);
    Ok(Answer::ok(&Page { items: items.iter().map(|current| words(&permit, current)).collect(), next }))
}

/// One application. `deployments:read`
#[utoipa::path(
    get, path = "/v1/applications/{application}", operation_id = "get-application", tag = "applications", security(("token" = [])),
    params(
        ("application" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
    ),
    responses((status = 200, description = "the application", body = ApplicationWords), Always, Sought)
)]
pub(crate) async fn one(
    State(admin): State<Admin>,
    caller: Caller,
    Named(application): Named<String>,
    asked: Asked,
) -> Result<Answer, Problem> {
    let (permit, key) = admin.permit_application(&caller, Action::DeploymentsRead, application, asked)?;
    let current = permit.node().deployments().current(&key).await?;
    let current = current.ok_or_else(|| Problem::not_found("E-DEPLOY-UNKNOWN", "nothing was deployed under this name"))?;
    Ok(Answer::ok(&words(&permit, &current)))
}

fn words(permit: &Permit, current: &Current) -> ApplicationWords {
    let live = permit.node().live();
    let deployment = &current.deployment;
    let is_current = |served: &Current| served.deployment.number == deployment.number;
    let serving = live.serving.get(&deployment.key).filter(|serving| serving.is_up());
    let not_served = permit.not_served();
    let why = not_served.iter().find(|not| not.key == deployment.key && not.number.is_none_or(|number| number == deployment.number));
    let findings = match why.filter(|_| serving.is_none()).map(|not| &not.error) {
        None => Vec::new(),
        Some(DeployError::Findings(findings)) => findings.iter().map(FindingWords::of).collect(),
        Some(other) => vec![FindingWords { at: String::new(), what: other.to_string(), expected: String::new() }],
    };
    let plugins = serving.iter().flat_map(|serving| &serving.mounts).map(|(name, mount)| PluginWords {
        name: name.clone(),
        package: mount.installation.key().package.to_string(),
        instance: mount.label.clone(),
        state: mount.installation.state().stage().to_string(),
        in_flight: mount.gate.in_flight() as u64,
        waiting: mount.gate.waiting() as u64,
    });
    let routes = serving.iter().flat_map(|serving| &serving.application.routes).map(|declared| RouteWords {
        host: declared.route.host.to_string(),
        methods: declared.route.methods.clone(),
        path: declared.route.path.to_string(),
        plugin: declared.plugin.clone(),
    });
    ApplicationWords {
        current: CurrentWords::of(current),
        served: serving.is_some_and(|serving| serving.current.as_deref().is_some_and(is_current)),
        findings,
        plugins: plugins.collect(),
        routes: routes.collect(),
    }
}
