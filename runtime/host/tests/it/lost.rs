//! A version that failed because its file is gone or broken: another takes its place, by the consent on record and never without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::{ConsentKey, Event, Head, Pending, PublicKey, Record, Records, RecordsError, Verified};
use plugwork::{Error, ErrorKind, Installation, Preload, Replacement, Runtime, Start};

use crate::living::{House, Life, REFUSES, REUSE, all_asked, one_less};
use crate::replacing::{BYTES, MAKES, ONE, TWO, done};
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

#[tokio::test]
async fn the_instance_that_proved_it_says_goodbye_on_a_guest_thread() {
    let house = House::new();
    let (runtime, installation) = lost(&house).await;
    let two = Life { asks: REUSE, shutdown: "(call $note (i32.const 9)) i32.const 16", ..TWO };
    let Replacement::Offered(offered) = house.replace(&installation, &runtime, &two).await.unwrap() else { panic!("it was not asked") };
    let grants = all_asked(&offered.offer);
    installation.replace_with(offered.offer, grants, "ada").await.unwrap();
    assert_eq!((house.stage.notes(), house.stage.elsewhere()), (vec![9], 0));
}

/// Disabled on record, and not loaded in this process; with one point, which nobody chose.
async fn disabled(house: &House) -> (Runtime, Installation) {
    let first = house.open().await;
    house.enabled(&first, "", &ONE).await.disable("ada", "").await.unwrap();
    first.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start::default()).await.unwrap();
    let installation = runtime.installations().remove(0);
    (runtime, installation)
}

/// A version with one point more takes the place of one that is there: it has both.
async fn is_replaced_as_one_that_is_there(house: &House, runtime: &Runtime, installation: &Installation) {
    let both: &'static str = Box::leak(format!("{}{BYTES}", crate::guest::NUMBER).into_boxed_str());
    done(house.replace(installation, runtime, &Life { exports: both, more: MAKES, ..TWO }).await);
    assert_eq!(runtime.status()[0].points.len(), 2, "nobody chose");
}

#[tokio::test]
async fn one_whose_file_is_away_for_a_moment_is_not_lost() {
    let house = House::new();
    let (runtime, installation) = disabled(&house).await;
    house.files_are_away(2);
    is_replaced_as_one_that_is_there(&house, &runtime, &installation).await;
}

/// Records that cannot be read for so many looks at a consent.
struct Away(Arc<dyn Records>, Arc<AtomicU32>);

impl Records for Away {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        self.0.append(at_ms, events)
    }

    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
        self.0.append_after(end, at_ms, events)
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        self.0.read(after, limit)
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        self.0.head()
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        match one_less(&self.1) {
            true => Box::pin(std::future::ready(Err(RecordsError::Busy { waited_ms: 1 }))),
            false => self.0.consent(key),
        }
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        self.0.consents()
    }

    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        self.0.lifecycle(key)
    }

    fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
        self.0.lifecycles()
    }

    fn verify(&self) -> Pending<'_, Verified> {
        self.0.verify()
    }

    fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }
}

#[tokio::test]
async fn records_that_cannot_be_read_make_no_version_lost() {
    let (mut house, away) = (House::new(), Arc::new(AtomicU32::new(0)));
    house.records = Arc::new(Away(house.records.clone(), away.clone()));
    let (runtime, installation) = disabled(&house).await;
    // More often than anybody tries.
    away.store(1_000, Ordering::SeqCst);
    assert_eq!(is_refused(&house, &runtime, &installation, &TWO).await.kind(), ErrorKind::Io);
    away.store(1, Ordering::SeqCst);
    is_replaced_as_one_that_is_there(&house, &runtime, &installation).await;
}
