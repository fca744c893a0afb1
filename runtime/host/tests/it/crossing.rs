//! A load that is under way when another version takes the place of the one that it loads: calls go to the version that is on record, whoever comes
//! to its end first.
//!
//! At most one plugin is loaded here, so that a call of `other` unloads the one that the test is about.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork::core::lifecycle::State;
use plugwork::{Builder, Change, ErrorKind, Hooks, Installation, Resident, Running, Runtime};

use crate::living::{House, Life, until};
use crate::replacing::{ONE, TWO, done};
use crate::steered::Steered;
use crate::world::Number;

const OTHER: Life = Life { version: "7.0.0", ..ONE };

/// So little room that one plugin is loaded at a time.
fn one_at_a_time(builder: Builder) -> Builder {
    builder.resident(Resident { plugins: Some(1), ..Resident::default() })
}

async fn both(house: &House, runtime: &Runtime) -> (Installation, Installation) {
    (house.enabled(runtime, "", &ONE).await, house.enabled(runtime, "other", &OTHER).await)
}

async fn unloads(other: &Installation, runtime: &Runtime) {
    other.call::<Number>(&0).await.unwrap();
    assert!(!is_loaded(runtime), "it was unloaded");
}

fn is_loaded(runtime: &Runtime) -> bool {
    runtime.status().iter().any(|status| status.key.instance.is_empty() && status.loaded)
}

type Called = tokio::task::JoinHandle<Result<u32, plugwork::Error>>;

fn calls(installation: &Installation) -> Called {
    let installation = installation.clone();
    tokio::spawn(async move { installation.call::<Number>(&0).await })
}

/// In the middle of a replacement: its version is unloaded, and a call begins to load it again, which is held.
#[derive(Clone)]
struct LoadsMeanwhile {
    stage: crate::living::Stage,
    both: Arc<Mutex<Option<(Runtime, Installation, Installation)>>>,
    call: Arc<Mutex<Option<Called>>>,
}

impl Hooks for LoadsMeanwhile {
    fn before_update<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        Box::pin(async move {
            let both = self.both.lock().unwrap().take();
            let (runtime, installation, other) = both.unwrap();
            self.stage.holds_loads_of(installation.subject().digest);
            unloads(&other, &runtime).await;
            *self.call.lock().unwrap() = Some(calls(&installation));
            until("the load is past its look at the consent", || self.stage.load_is_held()).await;
            Ok(())
        })
    }
}

/// Replaced while a load of the version before is under way, and the call that began it.
async fn replaced_in_the_middle(house: &House) -> (Runtime, Installation, Installation, Called) {
    let hooks = LoadsMeanwhile { stage: house.stage.clone(), both: Arc::default(), call: Arc::default() };
    let runtime = one_at_a_time(house.builder()).hooks(hooks.clone(), Duration::from_secs(60)).open().await.unwrap();
    let (installation, other) = both(house, &runtime).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    *hooks.both.lock().unwrap() = Some((runtime.clone(), installation.clone(), other.clone()));
    done(house.replace(&installation, &runtime, &TWO).await);
    let call = hooks.call.lock().unwrap().take().unwrap();
    assert!(house.stage.load_is_held() && !call.is_finished());
    (runtime, installation, other, call)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_load_that_ends_after_another_version_took_over_changes_nothing() {
    let house = House::new();
    let (runtime, installation, _other, call) = replaced_in_the_middle(&house).await;
    house.stage.lets_load_go();
    assert_eq!(call.await.unwrap().unwrap(), 2001);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    let status = runtime.status().into_iter().find(|status| status.key.instance.is_empty()).unwrap();
    assert_eq!((status.version.as_deref(), status.digest), (Some("2.0.0"), TWO.guest().source().digest()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_does_one_that_finds_the_other_version_unloaded() {
    let house = House::new();
    let (runtime, installation, other, call) = replaced_in_the_middle(&house).await;
    unloads(&other, &runtime).await;
    house.stage.lets_load_go();
    assert_eq!(call.await.unwrap().unwrap(), 2001);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
}

#[tokio::test]
async fn while_the_instance_that_proved_a_version_says_goodbye_calls_go_to_that_version() {
    let house = House::new();
    // Without files a version that is only known by its digest could not be loaded.
    let runtime = one_at_a_time(house.builder_without_files()).open().await.unwrap();
    let (installation, other) = both(&house, &runtime).await;
    house.stage.holds();
    let replacing = {
        let (installation, offer) =
            (installation.clone(), house.offer(&runtime, &Life { shutdown: "call $hold i32.const 16", ..TWO }).await);
        tokio::spawn(async move { installation.replace(offer, "ada").await })
    };
    until("it says goodbye", || house.stage.inside() == 1).await;
    unloads(&other, &runtime).await;
    let call = calls(&installation);
    until("the call is at its own goodbye, or failed", || house.stage.inside() == 2 || call.is_finished()).await;
    assert_eq!(installation.state(), State::Active);
    house.stage.let_go();
    assert_eq!(call.await.unwrap().unwrap(), 2001);
    done(replacing.await.unwrap());
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 2001));
}

/// The version before is unloaded when the other is on record, and before that has taken over; a call loads it then.
async fn called_between_the_record_and_the_swap(with_files: bool) {
    let mut house = House::new();
    let records = Steered::new(house.records.clone());
    house.records = Arc::new(records.clone());
    let builder = if with_files { house.builder() } else { house.builder_without_files() };
    let runtime = one_at_a_time(builder).open().await.unwrap();
    let (installation, other) = both(&house, &runtime).await;
    records.holds_replacements();
    let replacing = {
        let (installation, offer) = (installation.clone(), house.offer(&runtime, &TWO).await);
        tokio::spawn(async move { installation.replace(offer, "ada").await })
    };
    until("it is on record", || records.is_held()).await;
    unloads(&other, &runtime).await;
    let before = records.looks();
    let call = calls(&installation);
    // Its own and that of every instance.
    until("it found that another file has consent", || records.looks() >= before + 2 || call.is_finished()).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    records.let_go();
    done(replacing.await.unwrap());
    assert_eq!(call.await.unwrap().unwrap(), 2001);
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 2001));
    let ours: Vec<_> = house.story().await.into_iter().filter(|line| !line.contains("7.0.0")).collect();
    assert_eq!(ours, ["granted 1.0.0", "enabled 1.0.0", "granted 2.0.0", "enabled 2.0.0", "replaced 2.0.0"]);
}

#[tokio::test]
async fn a_call_between_the_record_and_the_swap_waits_for_the_swap() {
    called_between_the_record_and_the_swap(false).await;
}

#[tokio::test]
async fn and_loads_no_second_one_of_the_new_version() {
    called_between_the_record_and_the_swap(true).await;
}

#[tokio::test]
async fn a_replacement_of_one_that_was_updated_on_record_loads_that_first() {
    let house = House::new();
    let runtime = one_at_a_time(house.builder()).open().await.unwrap();
    let (installation, other) = both(&house, &runtime).await;
    unloads(&other, &runtime).await;
    let elsewhere = house.open().await;
    house.offer(&elsewhere, &TWO).await.accept().await.unwrap();
    let three = Life { version: "3.0.0", migrate: "(call $note (i32.load8_u (local.get 0))) i32.const 16", ..ONE };
    let replaced = done(house.replace(&installation, &runtime, &three).await);
    assert_eq!(replaced.from.unwrap().to_string(), "2.0.0");
    assert_eq!((installation.call::<Number>(&0).await.unwrap(), house.stage.notes()), (3001, vec![u32::from(b'2')]));
}

/// Notes the first number of the version that ran before.
const MIGRATES: Life = Life { migrate: "(call $note (i32.load8_u (local.get 0))) i32.const 16", ..TWO };

#[tokio::test]
async fn an_update_that_cannot_be_loaded_for_a_moment_is_told_later_which_version_ran() {
    let house = House::new();
    let runtime = one_at_a_time(house.builder()).open().await.unwrap();
    let (installation, other) = both(&house, &runtime).await;
    unloads(&other, &runtime).await;
    let elsewhere = house.open().await;
    house.offer(&elsewhere, &MIGRATES).await.accept().await.unwrap();
    house.files_are_away(u32::MAX);
    let error = installation.call::<Number>(&0).await.unwrap_err();
    assert_eq!((error.kind(), installation.state()), (ErrorKind::Io, State::Active));
    house.files_are_away(0);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    assert_eq!(house.stage.notes(), [u32::from(b'1')]);
    assert_eq!(house.story().await.last().unwrap(), "enabled 2.0.0");
}

#[tokio::test]
async fn one_that_never_ran_is_not_what_ran_before() {
    let house = House::new();
    let runtime = one_at_a_time(house.builder()).open().await.unwrap();
    let (installation, other) = both(&house, &runtime).await;
    unloads(&other, &runtime).await;
    let elsewhere = house.open().await;
    house.offer(&elsewhere, &TWO).await.accept().await.unwrap();
    house.files_are_away(u32::MAX);
    installation.call::<Number>(&0).await.unwrap_err();
    house.offer(&elsewhere, &Life { version: "3.0.0", ..MIGRATES }).await.accept().await.unwrap();
    installation.call::<Number>(&0).await.unwrap_err();
    house.files_are_away(0);
    assert_eq!((installation.call::<Number>(&0).await.unwrap(), house.stage.notes()), (3001, vec![u32::from(b'1')]));
}
