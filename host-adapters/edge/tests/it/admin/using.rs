//! What plugins used, as operators are told.

use http::Method;
use plugwork_core::authorize::Action;
use plugwork_core::deployment::Expected;
use plugwork_core::metering::{UsageHour, UsageKey, UsageLedger, UsageSum};
use serde_json::{Value, json};

use super::desk::{Desk, HOUR_MS};
use crate::world::application;

/// The version of the guest that shares the requests where a share is given.
fn version(number: u32, share: &str) -> String {
    application(&[("/e", "")]).replace("[plugin.guest.limits]", &format!("config = {{ version = {number} }}\n[plugin.guest.limits]"))
        + share
}

fn parts<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["items"].as_array().unwrap().iter().map(|item| &item[name]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_that_share_the_requests_are_told_also_where_their_plugins_have_one_name() {
    let desk = Desk::new().await;
    desk.stage.deploy(&version(1, ""), Expected::Nothing).await.unwrap();
    desk.stage.deploy(&version(2, "[split]\npercent = 50\n"), Expected::Number(1)).await.unwrap();
    let page = desk.get("/v1/usage").await.json();
    assert_eq!((parts(&page, "plugin"), parts(&page, "deployment")), (vec![&json!("guest"), &json!("guest")], vec![&json!(1), &json!(2)]));
    let (first, second) = (&page["items"][0]["instance"], &page["items"][1]["instance"]);
    assert_ne!(first, second);
    // A page at a time they are the same two.
    let one = desk.get("/v1/usage?limit=1").await.json();
    let cursor = one["next"].as_str().unwrap().replace('/', "%2F");
    let other = desk.get(&format!("/v1/usage?limit=1&cursor={cursor}")).await.json();
    assert_eq!((parts(&one, "instance"), parts(&other, "instance")), (vec![first], vec![second]));
    // A series is told once, of both together.
    let text = plugwork_edge::metrics::text(&desk.stage.node);
    let series = text.lines().filter(|line| line.starts_with("plugwork_plugin_calls_total{")).count();
    assert_eq!(series, 1, "{text}");
}

fn row(hour: u64, tenant: &str, application: &str, plugin: &str, requests: u64) -> UsageHour {
    let key = UsageKey { hour, tenant: tenant.to_owned(), application: application.to_owned(), plugin: plugin.to_owned() };
    UsageHour { key, sum: UsageSum { requests, cpu_ms: 7, ..UsageSum::default() } }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_on_record_are_told_in_pages_each_once_and_to_their_tenant() {
    let desk = Desk::new().await;
    let mut rows = Vec::new();
    for hour in 10..14 {
        rows.extend([row(hour, "default", "blog", "p", 1), row(hour, "default", "shop", "p", hour), row(hour, "acme", "shop", "p", 100)]);
    }
    desk.ledger.add_usage(rows).await.unwrap();
    let asked = async |query: &str| {
        let told = desk.get(&format!("/v1/usage/hours?{query}")).await;
        assert_eq!(told.status, 200, "{query}: {told:?}");
        told.json()
    };
    let seen = |page: &Value| {
        let items = page["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| (item["from-ms"].as_u64().unwrap() / HOUR_MS, item["application"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = asked(&format!("limit=3{cursor}")).await;
        all.extend(seen(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
            None => break,
        }
    }
    let expected: Vec<_> = (10..14).flat_map(|hour| ["blog", "shop"].map(|application| (hour, application.to_owned()))).collect();
    assert_eq!(all, expected, "each once, the oldest first, of the one tenant");
    // The hour of `since` with all of it; none that begins at `until` or later.
    let some = asked(&format!("application=shop&since={}&until={}", 11 * HOUR_MS + 1, 13 * HOUR_MS)).await;
    assert_eq!(seen(&some), [(11, "shop".to_owned()), (12, "shop".to_owned())]);
    assert_eq!((&some["items"][0]["requests"], &some["items"][0]["cpu-ms"]), (&json!(11), &json!(7)));
    assert_eq!(seen(&asked("plugin=other").await), []);
    let stranger = desk.token(Some("acme"), None, &[Action::UsageRead]).await;
    let theirs = desk.as_bearer(&stranger, Method::GET, "/v1/usage/hours?since=0", None).await.json();
    assert_eq!((theirs["items"].as_array().unwrap().len(), &theirs["items"][0]["requests"]), (4, &json!(100)));
    assert_eq!(desk.as_bearer(&stranger, Method::GET, "/v1/usage/hours?tenant=default", None).await.code(), "E-AUTH-TENANT");
    for wrong in ["since=yesterday", "until=-1", "cursor=1", "cursor=x%2Fa%2Fb", "limit=0", "hour=1"] {
        assert_eq!(desk.get(&format!("/v1/usage/hours?{wrong}")).await.code(), "E-ADMIN-REQUEST", "{wrong}");
    }
}
