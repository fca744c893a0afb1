//! An application that opens an observer is seen by `plugwork ps`, `top` and `logs` from another process, as the command's own verbs are.

use std::sync::Arc;

use plugwork::{Allocation, Observer, Preload, Runtime, Start};
use plugwork_component::PackageFolder;
use plugwork_store::Store;
use serde_json::{Value, json};

use crate::component::{outcomes, talker, with_manifest, with_text};
use crate::place::Place;

async fn application(place: &Place) -> Runtime {
    let store = Arc::new(Store::open(&place.path("state/store")).await.unwrap());
    let packages = Arc::new(PackageFolder::new(place.path("state/packages")));
    Runtime::in_memory().allocation(Allocation::OnDemand).records(store).packages(packages).open().await.unwrap()
}

fn ps(place: &Place) -> Value {
    place.run(&["ps", "--json"]).exits(0).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_with_an_observer_is_seen_and_one_without_is_not() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["enable", "test:plugin"]).exits(0);
    let runtime = application(&place).await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    let unseen = &ps(&place)[0];
    assert_eq!((&unseen["state"], &unseen["recorded"], &unseen["running"]), (&json!("enabled"), &json!("enabled"), &json!(0)));

    let observer = Observer::open(&runtime, place.path("state"), "shop").unwrap();
    let seen = &ps(&place)[0];
    assert_eq!((&seen["state"], &seen["recorded"], &seen["running"]), (&json!("active"), &json!("enabled"), &json!(1)));
    let host = &seen["hosts"][0];
    assert_eq!((&host["pid"], &host["verb"], &host["loaded"]), (&json!(std::process::id()), &json!("shop"), &json!(true)));
    place.run(&["ps"]).exits(0).says(&["test:plugin  0.1.0    active  ", " shop "]);
    let top = place.run(&["top", "--once", "--json"]).exits(0).json();
    assert_eq!(top["hosts"][0]["plugins"][0]["installation"]["state"]["state"], "active");
    place.run(&["top", "--once"]).exits(0).says(&[" shop  test:plugin  active"]);

    drop(observer);
    assert_eq!(ps(&place)[0]["running"], 0);
    assert_eq!(std::fs::read_dir(place.path("state/run")).unwrap().count(), 0);
    runtime.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_plugins_say_is_shown_from_the_moment_that_it_is_observed() {
    let place = Place::new();
    place.write("t.wasm", with_manifest(&talker(), ""));
    place.run(&["add", "t.wasm", "--yes"]).exits(0);
    place.run(&["enable", "test:plugin"]).exits(0);
    let runtime = application(&place).await;
    let _observer = Observer::open(&runtime, place.path("state"), "shop").unwrap();
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    // It says its two things and spins until its deadline.
    let installation = runtime.installations().remove(0);
    assert!(installation.call_dynamic("talks", &[]).await.is_err());
    let said = place.run(&["logs", "test:plugin", "--level", "warn", "--json"]).exits(0);
    let first: Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["from"]["process"], &first["level"]), (&json!(std::process::id()), &json!("warn")));
    assert!(first["message"].as_str().unwrap().starts_with("hello"), "{first}");
    runtime.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_started_is_failed_in_its_process_and_enabled_on_record() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["enable", "test:plugin"]).exits(0);
    // Not what was consented to any more.
    for file in std::fs::read_dir(place.path("state/packages")).unwrap() {
        std::fs::write(file.unwrap().path(), with_text(&outcomes(), "name = \"test:plugin\"\nversion = \"0.2.0\"\n")).unwrap();
    }
    let runtime = application(&place).await;
    let _observer = Observer::open(&runtime, place.path("state"), "shop").unwrap();
    let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, started.skipped.len()), (0, 1));
    let shown = &ps(&place)[0];
    assert_eq!((&shown["recorded"], &shown["running"]), (&json!("enabled"), &json!(0)));
    assert!(shown["state"] == "failed" && shown["hosts"][0]["why"].is_string(), "{shown}");
    runtime.close().await.unwrap();
}
