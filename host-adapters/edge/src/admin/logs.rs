//! Following the access log: one JSON object a line, for as long as the reader stays, may, and the server runs.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use plugwork_core::authorize::{Action, Resource};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::asked::Asked;
use super::places::NoPlace;
use super::problem::{Always, Problem};
use super::seam::{Admin, Permit, State as Stage};
use super::tail::{Filter, Following, Next};
use super::who::Caller;
use crate::access::Access;

/// How often a reader that is told nothing gets an empty line, and its token is looked at again.
const EVERY: Duration = Duration::from_secs(5);

struct Told {
    following: Following,
    permit: Permit,
    states: watch::Receiver<Stage>,
    looked: tokio::time::Interval,
}

/// Requests as they are answered, one JSON object a line: `kind` is `request`, with what the access log tells of it; or `lost`, with how many `lines` came
/// faster than they were read. An empty line every five seconds shows that the connection stands. `logs:read`
#[utoipa::path(
    get, path = "/v1/tail", operation_id = "follow-requests", tag = "logs", security(("token" = [])),
    params(
        ("tenant" = Option<String>, Query, description = "Whose; the token's own, or everybody's with requests that met no route"),
        ("application" = Option<String>, Query, description = "Of one application"),
        ("plugin" = Option<String>, Query, description = "Of one plugin, by the application's name for it"),
        ("status" = Option<String>, Query, description = "With one status, `404`, or one class, `5xx`"),
    ),
    responses((status = 200, description = "lines without an end", body = String, content_type = "application/x-ndjson"), Always)
)]
pub(crate) async fn tail(State(admin): State<Admin>, caller: Caller, mut asked: Asked) -> Result<Response, Problem> {
    let (tenant, application) = (asked.tenant_or_all(&caller)?, asked.label("application")?);
    let tenant = tenant.or_else(|| application.as_ref().map(|_| "default".to_owned()));
    let plugin = asked.label("plugin")?;
    let status = asked.text("status").map(|text| status(&text)).transpose()?;
    asked.end()?;
    let filter = Filter { tenant, application, plugin, status };
    let permit = admin.permit(&caller, Action::LogsRead, &filter.resource())?;
    let following = permit.tail().follow(filter, permit.principal().scope.tenant.as_deref()).map_err(|none| {
        let detail = match none {
            NoPlace::All => "too many follow the log already",
            NoPlace::Tenant => "too many of this tenant follow the log already",
        };
        Problem::busy(detail).after(5)
    })?;
    let mut looked = tokio::time::interval(EVERY);
    looked.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    looked.reset();
    let told = Told { following, states: permit.states(), permit, looked };
    let lines = stream::unfold(told, async |mut told| {
        let line = told.line().await?;
        Some((Ok::<Bytes, Infallible>(line), told))
    });
    let mut response = Body::from_stream(lines).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Filter {
    fn resource(&self) -> Resource<'_> {
        Resource { tenant: self.tenant.as_deref(), application: self.application.as_deref() }
    }
}

impl Told {
    /// The next line; none: the server stops, or the reader may not any more.
    async fn line(&mut self) -> Option<Bytes> {
        let states = &mut self.states;
        let next = tokio::select! {
            () = async { drop(states.wait_for(|state| *state == Stage::Stopping).await) } => return None,
            _ = self.looked.tick() => None,
            next = self.following.next() => Some(next),
        };
        let resource = self.following.filter().resource();
        let Some(next) = next else {
            let holds = self.permit.holds(Action::LogsRead, &resource).await;
            return holds.then(|| Bytes::from_static(b"\n"));
        };
        let line = match next {
            Next::Lost(lines) => json!({ "kind": "lost", "lines": lines }),
            // A token may be over between two looks at it.
            Next::Request(_) if !self.permit.is_allowed(Action::LogsRead, &resource) => return None,
            Next::Request(access) => request(&access),
        };
        Some(format!("{line}\n").into())
    }
}

/// A request as a line of a log.
fn request(access: &Access) -> Value {
    let fields = match serde_json::to_value(access) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let kind = [("kind".to_owned(), Value::from("request"))];
    Value::Object(kind.into_iter().chain(fields).collect())
}

fn status(text: &str) -> Result<u16, Problem> {
    let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok()).filter(|class| (1..=5).contains(class));
    let one = || text.parse().ok().filter(|status| (100..=599).contains(status));
    class.or_else(one).ok_or_else(|| Problem::unreadable("`status` is neither a status, `404`, nor a class of them, `4xx`"))
}
