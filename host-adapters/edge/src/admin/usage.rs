//! What the plugins of applications used: now, as the runtime counts it, and by the hour, as it is on record.
//!
//! Easily got wrong: the two differ. What is counted now began with the plugin's version in this process; what is on record is up to a minute old, outlives both,
//! and has hours of UTC.

use std::collections::BTreeMap;

use axum::extract::State;
use plugwork_core::authorize::{Action, Resource};
use plugwork_core::metering::{HOUR_MS, UsageHour, UsageKey, UsageQuery};

use super::answer::Answer;
use super::asked::Asked;
use super::problem::{Always, Problem, Sought, of_records};
use super::seam::Admin;
use super::who::Caller;
use super::words::{Page, UsageHourWords, UsageWords};
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

/// What plugins used by the hour, as it is on record: kept every minute, for half a year. `usage:read`
#[utoipa::path(
    get, path = "/v1/usage/hours", operation_id = "list-usage-hours", tag = "usage", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or `default`"),
        ("application" = Option<String>, Query, description = "Of one application"),
        ("plugin" = Option<String>, Query, description = "Of one plugin, by the application's name for it"),
        ("since" = Option<u64>, Query, description = "From the hour of this time on. Unix milliseconds"),
        ("until" = Option<u64>, Query, description = "Before this time: an hour that begins then or later is not told. Unix milliseconds"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows in a page", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "the oldest hour first; in it in the order of applications and plugins", body = Page<UsageHourWords>), Always, Sought)
)]
pub(crate) async fn hours(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Answer, Problem> {
    let (tenant, application, plugin) = (asked.tenant(&caller)?, asked.label("application")?, asked.label("plugin")?);
    let (since_ms, until_ms, page) = (asked.number("since")?, asked.number("until")?, asked.page()?);
    asked.end()?;
    let after = page.cursor.as_deref().map(|cursor| after(&tenant, cursor)).transpose()?;
    let resource = Resource { tenant: Some(&tenant), application: application.as_deref() };
    let permit = admin.permit(&caller, Action::UsageRead, &resource)?;
    let ledger = permit.usage().ok_or_else(|| Problem::not_found("E-ADMIN-USAGE", "this server keeps no record of what plugins used"))?;
    let query = UsageQuery {
        tenant: Some(tenant),
        application,
        plugin,
        from_hour: since_ms.unwrap_or(0) / HOUR_MS,
        until_hour: until_ms.map_or(u64::MAX, |until_ms| until_ms.div_ceil(HOUR_MS)),
        after,
        limit: page.limit + 1,
    };
    let mut rows = ledger.usage(query).await.map_err(|error| of_records("E-ADMIN-RECORDS", &error))?;
    let more = rows.len() > page.limit as usize;
    rows.truncate(page.limit as usize);
    let next = rows.last().filter(|_| more).map(|UsageHour { key, .. }| format!("{}/{}/{}", key.hour, key.application, key.plugin));
    Ok(Answer::ok(&Page { items: rows.iter().map(UsageHourWords::of).collect(), next }))
}

/// The row of a tenant that a page ended with.
fn after(tenant: &str, cursor: &str) -> Result<UsageKey, Problem> {
    let mut parts = cursor.splitn(3, '/');
    let hour = parts.next().and_then(|hour| hour.parse().ok());
    match (hour, parts.next(), parts.next()) {
        (Some(hour), Some(application), Some(plugin)) => {
            Ok(UsageKey { hour, tenant: tenant.to_owned(), application: application.to_owned(), plugin: plugin.to_owned() })
        }
        _ => Err(Problem::unreadable("`cursor` is none that this list gave")),
    }
}
