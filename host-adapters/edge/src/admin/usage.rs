//! What the plugins of applications used, as the runtime counts it.

use std::collections::BTreeMap;

use axum::extract::State;
use plugwork_core::authorize::{Action, Resource};

use super::answer::Answer;
use super::asked::Asked;
use super::problem::{Always, Problem};
use super::seam::Admin;
use super::who::Caller;
use super::words::{Page, UsageWords};
use crate::node::UsedBy;

/// What each plugin of the applications that are served holds and has spent since its version began to run. `usage:read`
#[utoipa::path(
    get, path = "/v1/usage", operation_id = "list-usage", tag = "usage", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("application" = Option<String>, Query, description = "Of one application"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Plugins in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "in the order of applications, plugins and deployments; of two deployments that share the requests both", body = Page<UsageWords>), Always)
)]
pub(crate) async fn usage(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (tenant, application, page) = (asked.tenant(&caller)?, asked.label("application")?, asked.page()?);
    asked.end()?;
    let resource = Resource { tenant: Some(&tenant), application: application.as_deref() };
    let permit = admin.permit(&caller, Action::UsageRead, &resource)?;
    let used = permit.node().used();
    let own = used.each().filter(|used| {
        let key = used.application;
        key.tenant == tenant && application.as_ref().is_none_or(|application| *application == key.application)
    });
    // Numbers in the order of their size.
    let place = |used: &UsedBy<'_>| format!("{}/{}/{:020}", used.application.application, used.name, used.deployment);
    let all: BTreeMap<String, UsageWords> = own.map(|used| (place(&used), UsageWords::of(&used))).collect();
    Ok(Answer::ok(&page.of(all)))
}
