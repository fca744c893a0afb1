//! A version that failed because its file is gone or broken: another takes its place, by the consent on record and never without one.

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::Event;
use plugwork::{Error, ErrorKind, Installation, Preload, Replacement, Runtime, Start};

use crate::living::{House, Life, REFUSES, all_asked};
use crate::replacing::{ONE, TWO, done};
use crate::world::Number;

/// Enabled on record, and failed because nobody has the file.
async fn lost(house: &House) -> (Runtime, Installation) {
    let first = house.open().await;
    house.enabled(&first, "", &ONE).await;
    first.close().await.unwrap();
    house.loses(&ONE);
    let runtime = house.open().await;
    let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, started.skipped.len()), (0, 1));
    let installation = runtime.installations().remove(0);
    assert_eq!(installation.state().stage(), Stage::Failed);
    (runtime, installation)
}

#[tokio::test]
async fn another_version_takes_its_place_and_runs_from_then_on() {
    let house = House::new();
    let (runtime, installation) = lost(&house).await;
    let two = Life { migrate: "(call $note (local.get 1)) i32.const 16", ..TWO };
    let replaced = done(house.replace(&installation, &runtime, &two).await);
    let version = |version: &Option<semver::Version>| version.as_ref().unwrap().to_string();
    assert_eq!((version(&replaced.from), version(&replaced.to)), ("1.0.0".to_owned(), "2.0.0".to_owned()));
    assert_eq!(house.stage.notes(), [5], "told that `1.0.0` ran before");
    installation.enable("ada").await.unwrap();
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 2001));
    let story = ["granted 1.0.0", "enabled 1.0.0", "granted 2.0.0", "replaced 2.0.0", "enabled 2.0.0"];
    assert_eq!(house.story().await, story);
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
}

async fn is_refused(house: &House, runtime: &Runtime, installation: &Installation, two: &Life) -> Error {
    let before = house.story().await;
    let error = house.replace(installation, runtime, two).await.unwrap_err();
    assert_eq!(house.story().await, before);
    assert_ne!(installation.state(), State::Active);
    error
}

#[tokio::test]
async fn one_that_is_not_well_does_not() {
    let house = House::new();
    let (runtime, installation) = lost(&house).await;
    let error = is_refused(&house, &runtime, &installation, &Life { health: REFUSES, ..TWO }).await;
    assert_eq!((error.kind(), installation.state().stage()), (ErrorKind::Refusal, Stage::Failed));
}

#[tokio::test]
async fn nobody_takes_the_place_of_one_whose_consent_was_taken_back() {
    let house = House::new();
    let (runtime, installation) = lost(&house).await;
    let subject = (*installation.subject()).clone();
    house.records.append(0, vec![Event::Revoked { subject, by: "grace".to_owned(), reason: String::new() }]).await.unwrap();
    // Why it cannot be loaded is what is told.
    assert_eq!(is_refused(&house, &runtime, &installation, &TWO).await.kind(), ErrorKind::Io);
}

#[tokio::test]
async fn one_that_asks_for_more_is_an_offer_and_takes_the_place_with_consent() {
    let house = House::new();
    let (runtime, installation) = lost(&house).await;
    let two = Life { asks: "[permissions.calls]\nstart = 1\n", ..TWO };
    let Replacement::Offered(offered) = house.replace(&installation, &runtime, &two).await.unwrap() else { panic!("it was not asked") };
    assert_eq!(offered.capabilities, ["calls"]);
    let grants = all_asked(&offered.offer);
    installation.replace_with(offered.offer, grants, "ada").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    assert!(installation.plugin().await.unwrap().grants().get("calls").is_some());
}
