//! Consent to another version that came while a plugin was active and not loaded: its next call loads that version, told which one ran before.

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::Settings;
use plugwork::{ErrorKind, Preload, Runtime, Start};

use crate::living::{House, Life, REFUSES};
use crate::replacing::{BYTES, MAKES, ONE, TWO, done};
use crate::world::{Bytes, Number};

fn both() -> &'static str {
    Box::leak(format!("{}{BYTES}", crate::guest::NUMBER).into_boxed_str())
}

/// Active and not loaded, in a runtime that began before the other version was consented to.
async fn updated(house: &House, one: &Life, two: &Life, points: &[&str]) -> Runtime {
    let first = house.open().await;
    let settings = Settings { points: points.iter().map(|point| point.parse().unwrap()).collect(), ..Settings::default() };
    house.install_with(&first, "", one, settings).await.enable("ada").await.unwrap();
    first.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    assert!(!runtime.status()[0].loaded && runtime.status()[0].state == State::Active);
    let other = house.open().await;
    house.offer(&other, two).await.accept().await.unwrap();
    other.close().await.unwrap();
    runtime
}

fn points(runtime: &Runtime) -> Vec<String> {
    runtime.status()[0].points.iter().map(ToString::to_string).collect()
}

const NUMBER_POINT: &str = "test:point/number@0.1.0";
const BYTES_POINT: &str = "test:point/bytes@0.1.0";

#[tokio::test]
async fn the_next_call_loads_the_version_that_has_consent_and_it_is_on_record() {
    let house = House::new();
    // The version before comes as `1.0.0`: five bytes.
    let runtime = updated(&house, &ONE, &Life { migrate: "(call $note (local.get 1)) i32.const 16", ..TWO }, &[]).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!(house.stage.notes(), [5]);
    assert_eq!(runtime.status()[0].version.as_deref(), Some("2.0.0"));
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0", "granted 2.0.0", "enabled 2.0.0"]);
    // Once: it is no update the next time.
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((runtime.point::<Number>().first(0).await.unwrap().value, house.stage.notes().len()), (2001, 1));
}

#[tokio::test]
async fn one_that_refuses_to_migrate_fails_and_nothing_is_on_record() {
    let house = House::new();
    let runtime = updated(&house, &ONE, &Life { migrate: REFUSES, ..TWO }, &[]).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap_err().kind(), ErrorKind::Refusal);
    assert_eq!(runtime.status()[0].state.stage(), Stage::Failed);
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0", "granted 2.0.0"]);
}

#[tokio::test]
async fn consent_that_was_taken_back_is_no_update() {
    let house = House::new();
    let runtime = updated(&house, &ONE, &TWO, &[]).await;
    let other = house.open().await;
    other.revoke(&house.offer(&other, &TWO).await.subject().clone(), "ada", "").await.unwrap();
    let error = runtime.installations()[0].call::<Number>(&0).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unavailable), "{error}");
    assert_eq!(runtime.status()[0].state.stage(), Stage::Suspended);
}

#[tokio::test]
async fn an_update_is_attached_to_its_new_points_where_nobody_chose() {
    let house = House::new();
    let runtime = updated(&house, &ONE, &Life { exports: both(), more: MAKES, ..TWO }, &[]).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!(runtime.point::<Bytes>().len(), 1);
}

#[tokio::test]
async fn an_update_stays_at_the_points_that_somebody_chose() {
    let house = House::new();
    let with_both = |life: Life| Life { exports: both(), more: MAKES, ..life };
    let runtime = updated(&house, &with_both(ONE), &with_both(TWO), &[NUMBER_POINT]).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!((points(&runtime), runtime.point::<Bytes>().len()), (vec![NUMBER_POINT.to_owned()], 0));
    // And so it is for whoever starts it later.
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((points(&runtime), runtime.point::<Bytes>().len()), (vec![NUMBER_POINT.to_owned()], 0));
}

#[tokio::test]
async fn an_update_that_a_start_finds_stays_at_the_points_that_somebody_chose() {
    let house = House::new();
    let with_both = |life: Life| Life { exports: both(), more: MAKES, ..life };
    updated(&house, &with_both(ONE), &with_both(TWO), &[NUMBER_POINT]).await.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!((points(&runtime), runtime.point::<Bytes>().len()), (vec![NUMBER_POINT.to_owned()], 0));
}

#[tokio::test]
async fn where_the_file_before_is_gone_an_update_gets_no_point_that_it_had_not() {
    let house = House::new();
    let runtime = updated(&house, &ONE, &Life { exports: both(), more: MAKES, ..TWO }, &[]).await;
    house.loses(&ONE);
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!(points(&runtime), [NUMBER_POINT]);
}

#[tokio::test]
async fn an_update_without_the_points_that_somebody_chose_fails() {
    let house = House::new();
    let one = Life { exports: both(), more: MAKES, ..ONE };
    let runtime = updated(&house, &one, &TWO, &[BYTES_POINT]).await;
    let error = runtime.point::<Bytes>().first(0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("exports nothing that it is to be attached to: `test:point/bytes@0.1.0`"), "{error}");
    assert_eq!((runtime.status()[0].state.stage(), runtime.point::<Number>().len()), (Stage::Failed, 0));
}

#[tokio::test]
async fn after_an_update_that_failed_another_version_is_told_once_which_one_ran() {
    let house = House::new();
    let runtime = updated(&house, &ONE, &Life { migrate: REFUSES, ..TWO }, &[]).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap_err().kind(), ErrorKind::Refusal);
    let installation = runtime.installations().remove(0);
    let three = Life { version: "3.0.0", migrate: "(call $note (i32.load8_u (local.get 0))) i32.const 16", ..ONE };
    done(house.replace(&installation, &runtime, &three).await);
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 3001);
    assert_eq!(house.stage.notes(), [u32::from(b'1')], "the version that refused never ran");
}
