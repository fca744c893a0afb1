//! Enabling: what cannot start is `failed` with its fault in words and attached to nothing, comes back after a cure, and stops a host's start only
//! where it is critical.

use plugwork::core::lifecycle::{Stage as LifeStage, State};
use plugwork::core::record::Settings;
use plugwork::{ErrorKind, Fault, Grants, Limits, Preload, Start};

use crate::living::{House, Life, REFUSES, all_asked};
use crate::world::{Number, fault};

const LOOPS: &str = "(loop $again (br $again)) i32.const 16";

fn stage(state: &State) -> LifeStage {
    state.stage()
}

/// Enables a plugin that fails at it; it must leave nothing behind but the state and the fault in words.
async fn cannot_be_enabled(life: Life, limits: Limits) -> Fault {
    let house = House::new();
    let runtime = house.builder().limits(limits).open().await.unwrap();
    let installation = house.install(&runtime, "", &life).await;
    let error = installation.enable("ada").await.unwrap_err();
    assert_eq!(installation.state(), State::Failed { fault: error.to_string() });
    assert!(runtime.point::<Number>().is_empty());
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(house.story().await, ["granted 1.0.0"]);
    let status = runtime.status();
    assert_eq!((status.len(), status[0].loaded, status[0].calls), (1, false, 0));
    assert_eq!(runtime.capacity().0.instances, 0, "its seat is free again");
    fault::<()>(Err(error))
}

fn limits() -> Limits {
    Limits { deadline_ms: 250, ..Limits::interactive() }
}

#[tokio::test]
async fn an_init_that_traps_leaves_a_failed_plugin_and_nothing_attached() {
    let life = Life { init: "unreachable", ..Life::default() };
    assert!(matches!(cannot_be_enabled(life, Limits::interactive()).await, Fault::Trap { .. }));
}

#[tokio::test]
async fn an_init_that_hangs_leaves_a_failed_plugin_and_nothing_attached() {
    let life = Life { init: LOOPS, ..Life::default() };
    assert!(matches!(cannot_be_enabled(life, limits()).await, Fault::Deadline { .. }));
}

#[tokio::test]
async fn an_init_that_hangs_in_the_host_leaves_a_failed_plugin_and_nothing_attached() {
    let house = House::new();
    house.stage.holds();
    let runtime = house.builder().limits(limits()).open().await.unwrap();
    let installation = house.install(&runtime, "", &Life { init: "call $hold i32.const 16", ..Life::default() }).await;
    assert!(matches!(fault(installation.enable("ada").await), Fault::Deadline { .. }));
    assert_eq!((stage(&installation.state()), house.stage.inside()), (LifeStage::Failed, 0));
}

#[tokio::test]
async fn an_init_that_asks_for_more_memory_than_it_may_leaves_a_failed_plugin_and_nothing_attached() {
    let life =
        Life { init: "(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable)) i32.const 16", ..Life::default() };
    assert!(matches!(cannot_be_enabled(life, Limits::interactive()).await, Fault::Memory { .. }));
}

#[tokio::test]
async fn a_plugin_that_says_it_is_not_well_is_not_enabled() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.install(&runtime, "", &Life { health: REFUSES, ..Life::default() }).await;
    let error = installation.enable("ada").await.unwrap_err();
    assert_eq!((error.kind(), stage(&installation.state())), (ErrorKind::Refusal, LifeStage::Failed));
    assert!(runtime.point::<Number>().is_empty());
}

/// Traps for as long as the mood is 1.
const MOODY: &str = "(if (i32.eq (call $mood) (i32.const 1)) (then unreachable)) i32.const 16";

#[tokio::test]
async fn what_failed_is_enabled_again_once_it_was_cured() {
    let house = House::new();
    let runtime = house.open().await;
    house.stage.mood(1);
    let installation = house.install(&runtime, "", &Life { init: MOODY, ..Life::default() }).await;
    installation.enable("ada").await.unwrap_err();
    installation.enable("ada").await.unwrap_err();
    assert_eq!(stage(&installation.state()), LifeStage::Failed);
    house.stage.mood(0);
    installation.enable("ada").await.unwrap();
    assert_eq!((installation.state(), runtime.point::<Number>().len()), (State::Active, 1));
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0"]);
}

#[tokio::test]
async fn another_version_cures_what_failed() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.install(&runtime, "", &Life { init: "unreachable", ..Life::default() }).await;
    installation.enable("ada").await.unwrap_err();
    house.replace(&installation, &runtime, &Life { version: "2.0.0", ..Life::default() }).await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    assert_eq!(house.story().await, ["granted 1.0.0", "granted 2.0.0", "replaced 2.0.0", "enabled 2.0.0"]);
}

/// A house with two that are enabled on record; the second cannot start any more.
async fn with_one_broken(critical: bool) -> House {
    let house = House::new();
    let runtime = house.open().await;
    house.enabled(&runtime, "sound", &Life::default()).await;
    let settings = Settings { critical, ..Settings::default() };
    let broken = house.install_with(&runtime, "broken", &Life { init: MOODY, ..Life::default() }, settings).await;
    broken.enable("ada").await.unwrap();
    runtime.close().await.unwrap();
    house.stage.mood(1);
    house
}

#[tokio::test]
async fn one_that_cannot_be_started_is_reported_and_skipped() {
    let house = with_one_broken(false).await;
    let runtime = house.open().await;
    let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, started.loaded, started.skipped.len()), (1, 1, 1));
    assert_eq!(started.skipped[0].key.instance, "broken");
    assert!(matches!(started.skipped[0].error.fault(), Some(Fault::Trap { .. })));
    let broken = runtime.installation(&started.skipped[0].key).unwrap();
    assert_eq!(broken.state(), State::Failed { fault: started.skipped[0].error.to_string() });
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1001);
    house.stage.mood(0);
    broken.enable("ada").await.unwrap();
    assert_eq!(runtime.point::<Number>().len(), 2);
}

#[tokio::test]
async fn a_critical_one_that_cannot_be_started_stops_the_start_whatever_is_preloaded() {
    for preload in [Preload::All, Preload::Likely(256), Preload::Critical] {
        let house = with_one_broken(true).await;
        let runtime = house.open().await;
        let error = runtime.start(Start { preload, ..Start::default() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fault, "{preload:?}");
        assert!(error.to_string().contains("the critical plugin `test:guest#broken` cannot be started"), "{error}");
    }
}

#[tokio::test]
async fn one_that_is_loaded_at_its_first_call_and_cannot_is_failed_then_and_not_tried_at_every_call() {
    let house = with_one_broken(false).await;
    let runtime = house.open().await;
    let started = runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, started.loaded, started.skipped.len()), (2, 0, 0));
    let every = runtime.point::<Number>().every(0).await;
    assert!(matches!(every[0].0.error.as_ref().unwrap().fault(), Some(Fault::Trap { .. })), "{every:?}");
    assert_eq!(every[1].1, Some(1001));
}

#[tokio::test]
async fn what_was_disabled_or_removed_is_not_started_again() {
    let house = House::new();
    let runtime = house.open().await;
    house.enabled(&runtime, "on", &Life::default()).await;
    house.enabled(&runtime, "off", &Life::default()).await.disable("ada", "not now").await.unwrap();
    house.enabled(&runtime, "gone", &Life::default()).await.remove("ada").await.unwrap();
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    let started = runtime.start(Start::default()).await.unwrap();
    assert_eq!((started.active, started.skipped.len()), (1, 0));
    let states: Vec<_> = runtime.installations().iter().map(|known| (known.key().instance.clone(), known.state())).collect();
    let gone = State::Suspended { reason: String::new() }.stage();
    assert!(states.iter().all(|(name, state)| name != "gone" || state.stage() == gone), "{states:?}");
    assert_eq!(states.iter().filter(|(_, state)| *state == State::Active).map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["on"]);
}

#[tokio::test]
async fn an_illegal_move_is_an_error_that_names_the_legal_ones_and_changes_nothing() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.install(&runtime, "", &Life::default()).await;
    let error = installation.disable("ada", "").await.unwrap_err();
    assert_eq!(error.denials()[0].code, "E-LIFECYCLE-MOVE");
    assert!(error.to_string().contains("`enable`"), "{error}");
    assert_eq!(installation.state(), State::Installed);
    let again = house.offer(&runtime, &Life::default()).await;
    let grants = all_asked(&again);
    assert_eq!(runtime.install(again, grants, Settings::default()).await.unwrap_err().kind(), ErrorKind::Invalid);
    installation.remove("ada").await.unwrap();
    for error in [installation.enable("ada").await, installation.disable("ada", "").await, installation.remove("ada").await] {
        assert_eq!(error.unwrap_err().denials()[0].code, "E-LIFECYCLE-MOVE");
    }
    assert_eq!(house.story().await, ["granted 1.0.0", "removed 1.0.0"]);
}

#[tokio::test]
async fn grants_that_are_not_enough_install_nothing() {
    let house = House::new();
    let runtime = house.open().await;
    let offer = house.offer(&runtime, &Life::default()).await;
    assert_eq!(runtime.install(offer, Grants::none(), Settings::default()).await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(runtime.installations().is_empty() && house.story().await.is_empty());
}
