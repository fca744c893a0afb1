//! What was removed is installed again, and what was disabled is accepted again with other grants: what comes later counts, and nothing that the one
//! before left behind reaches it.

use std::time::Duration;

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::{Event, Settings};
use plugwork::{Builder, ErrorKind, Grants, Limits, Plugin, Preload, Resident, Runtime, Source, Start};
use serde_json::json;

use crate::living::{House, Life, until};
use crate::world::{self, Number, grant, object};

/// Holds where its input is 1.
const HOLDS: Life = Life { run: "(if (i32.eq (local.get 0) (i32.const 1)) (then call $hold)) (i32.const 7)", ..crate::replacing::ONE };

/// One that keeps no records.
fn forgetful(house: &House) -> Builder {
    let limits = Limits { cpu_percent: None, deadline_ms: 60_000, ..Limits::interactive() };
    world::builder().provide(house.stage.clone()).limits(limits)
}

#[tokio::test]
async fn what_is_installed_again_goes_on_when_the_one_that_was_removed_has_drained() {
    let house = House::new();
    let runtime = forgetful(&house).drain(Duration::from_secs(60)).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &HOLDS).await;
    house.stage.holds();
    let running = installation.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&1).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    installation.remove("ada").await.unwrap();
    let again = house.enabled(&runtime, "", &HOLDS).await;
    assert_eq!(again.call::<Number>(&0).await.unwrap(), 7);
    house.stage.let_go();
    assert_eq!(call.await.unwrap().unwrap(), 7, "it came to its end");
    until("the one before is gone", || runtime.capacity().0.loaded == 1).await;
    assert_eq!((again.call::<Number>(&0).await.unwrap(), again.state()), (7, State::Active));
    assert!(runtime.usage().iter().all(|usage| !usage.revoked));
}

#[tokio::test]
async fn that_it_was_removed_here_does_not_remove_what_was_installed_again() {
    let house = House::new();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    let canary = house.enabled(&runtime, "canary", &HOLDS).await;
    // All of it before the records are looked at again, and enabled by nobody.
    let first = house.enabled(&runtime, "", &HOLDS).await;
    first.remove("ada").await.unwrap();
    let again = house.install(&runtime, "", &HOLDS).await;
    let (subject, by, reason) = ((*canary.subject()).clone(), "grace".to_owned(), String::new());
    house.records.append(0, vec![Event::Disabled { subject, by, reason, settings: Settings::default() }]).await.unwrap();
    until("the records were read", || canary.state() == State::Installed).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((again.state(), runtime.installations().len()), (State::Installed, 2));
    again.enable("ada").await.unwrap();
    assert_eq!(again.call::<Number>(&0).await.unwrap(), 7);
}

/// Asks for a number to start from.
const ASKS: Life = Life { asks: "[permissions.calls]\nstart = 9\n", ..crate::replacing::ONE };

fn starting_at(start: u32) -> Grants {
    grant("stage", json!({})).with("calls", object(json!({ "start": start })))
}

async fn accepted(runtime: &Runtime, start: u32) -> Plugin {
    let offer = runtime.offer(&Source::bytes(ASKS.guest().bytes())).await.unwrap();
    offer.accept_only(starting_at(start)).await.unwrap()
}

#[tokio::test]
async fn what_is_accepted_again_with_less_is_loaded_with_less_ever_after() {
    let house = House::new();
    let runtime = forgetful(&house).resident(Resident { plugins: Some(1), ..Resident::default() }).open().await.unwrap();
    accepted(&runtime, 9).await.enable().await.unwrap().disable().await.unwrap();
    let narrow = accepted(&runtime, 2).await;
    narrow.enable().await.unwrap();
    let installation = runtime.installations().remove(0);
    assert_eq!(installation.plugin().await.unwrap().grants(), narrow.grants());
    installation.disable("ada", "").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.plugin().await.unwrap().grants(), narrow.grants(), "enabled again");
    let other = house.enabled(&runtime, "other", &HOLDS).await;
    assert!(runtime.status().iter().any(|status| !status.loaded));
    assert_eq!(installation.plugin().await.unwrap().grants(), narrow.grants(), "loaded again");
    assert_eq!(other.state().stage(), Stage::Active);
}

#[tokio::test]
async fn the_configuration_of_what_is_accepted_again_counts_ever_after() {
    let house = House::new();
    let runtime = forgetful(&house).open().await.unwrap();
    // Takes no configuration but one of seven bytes.
    let life = Life { init: "(select (i32.const 16) (i32.const 32) (i32.eq (local.get 1) (i32.const 7)))", ..HOLDS };
    let accept = async |configuration| {
        let offer = runtime.offer(&Source::bytes(life.guest().bytes())).await.unwrap().configuration(configuration);
        offer.accept().await.unwrap()
    };
    accept(json!({})).await.enable().await.unwrap_err();
    accept(json!({"a": 1})).await.enable().await.unwrap();
    let installation = runtime.installations().remove(0);
    installation.disable("ada", "").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_active_with_other_grants_is_not_said_to_be_enabled() {
    let house = House::new();
    let runtime = forgetful(&house).open().await.unwrap();
    let wide = accepted(&runtime, 9).await;
    wide.enable().await.unwrap();
    let error = accepted(&runtime, 2).await.enable().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("is active with other grants"), "{error}");
    wide.enable().await.unwrap();
    accepted(&runtime, 9).await.enable().await.unwrap();
    let installation = runtime.installations().remove(0);
    installation.disable("ada", "").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.plugin().await.unwrap().grants(), wide.grants(), "what was refused left nothing behind");
}
