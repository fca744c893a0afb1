//! What the plugins of applications used, as the runtime counts it.

use std::collections::BTreeMap;

use axum::extract::State;
use plugwork_core::authorize::{Action, Resource};
use plugwork_core::record::ConsentKey;

use super::answer::Answer;
use super::asked::Asked;
use super::problem::{Always, Problem};
use super::seam::Admin;
use super::who::Caller;
use super::words::{Page, UsageWords};

/// What each plugin of the applications that are served holds and has spent since its version began to run. `usage:read`
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "list-usage", tag = "usage", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("application" = Option<String>, Query, description = "Of one application"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Plugins in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "in the order of `APPLICATION/PLUGIN`", body = Page<UsageWords>), Always)
)]
pub(crate) async fn usage(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (tenant, application, page) = (asked.tenant(&caller)?, asked.label("application")?, asked.page()?);
    asked.end()?;
    let resource = Resource { tenant: Some(&tenant), application: application.as_deref() };
    let permit = admin.permit(&caller, Action::UsageRead, &resource)?;
    let used: BTreeMap<ConsentKey, _> =
        permit.node().runtime().usage().into_iter().map(|usage| (ConsentKey::from(&usage.subject), usage)).collect();
    let live = permit.node().live();
    let mut all = BTreeMap::new();
    for (key, serving) in &live.serving {
        if key.tenant != tenant || application.as_ref().is_some_and(|application| *application != key.application) {
            continue;
        }
        // Of two sides that share the requests, the current one last: it has the name.
        for (name, mount) in serving.older.iter().flat_map(|older| &older.mounts).chain(&serving.mounts) {
            if let Some(usage) = used.get(mount.installation.key()) {
                all.insert(format!("{}/{name}", key.application), UsageWords::of(&key.application, name, usage));
            }
        }
    }
    Ok(Answer::ok(&page.of(all)))
}
