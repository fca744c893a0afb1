//! Going back by itself: a version that fails or is slow within its window makes room for the one before, and says why.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork::core::lifecycle::State;
use plugwork::core::record::Settings;
use plugwork::core::rollback::Watch;
use plugwork::events::QueueOptions;
use plugwork::{ErrorKind, Installation, Preload, Runtime, Start};

use crate::consent::Hand;
use crate::living::{House, Life, REUSE, all_asked, until};
use crate::steered::Steered;
use crate::world::Number;

/// Traps while the mood is 1.
const MOODY: &str = "(if (i32.eq (call $mood) (i32.const 1)) (then unreachable)) (i32.mul (global.get $version) (i32.const 1000))";
/// Counts to twenty million first.
const SLOW: &str = "(local $i i32) (loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $again (i32.lt_u (local.get $i) (i32.const 20000000)))) (i32.const 2000)";
const FAST: &str = "(i32.mul (global.get $version) (i32.const 1000))";

fn life(version: &'static str, run: &'static str) -> Life {
    Life { version, run, asks: REUSE, ..Life::default() }
}

/// Short of calls, long in time: what decides is seen and not waited for.
fn watch() -> Watch {
    Watch { window_ms: 3_600_000, calls_min: 4, latency_calls_min: 4, ..Watch::default() }
}

async fn replaced(watch: Watch, old: &Life, calls_before: u32, new: &Life) -> (House, Runtime, Installation) {
    let house = House::new();
    let breaker = plugwork::core::breaker::Settings { faults: 1_000, ..Default::default() };
    let runtime = house.builder().rollback(watch).breaker(breaker).open().await.unwrap();
    let installation = house.enabled(&runtime, "", old).await;
    for _ in 0..calls_before {
        let _ = installation.call::<Number>(&0).await;
    }
    house.replace(&installation, &runtime, new).await.unwrap();
    assert_eq!(installation.subject().digest, runtime.status()[0].digest);
    assert!(runtime.status()[0].rolled_back.is_none());
    (house, runtime, installation)
}

#[tokio::test]
async fn a_version_that_faults_goes_back_by_itself_and_says_why() {
    let (house, runtime, installation) = replaced(watch(), &life("1.0.0", FAST), 10, &life("2.0.0", "unreachable")).await;
    for _ in 0..4 {
        // One fault of four calls is more than is tolerated, so it may go back after the first.
        assert!(matches!(installation.call::<Number>(&0).await, Err(_) | Ok(1000)));
    }
    until("it goes back", || runtime.status()[0].rolled_back.is_some()).await;
    let status = runtime.status().remove(0);
    let why = status.rolled_back.unwrap();
    assert!(why.contains("2.0.0 was rolled back to 1.0.0: ") && why.contains("calls failed (100 %)"), "{why}");
    assert_eq!((status.version.as_deref(), installation.call::<Number>(&0).await.unwrap()), (Some("1.0.0"), 1000));
    let story = house.story().await;
    assert_eq!(story[5..], ["granted 1.0.0", "enabled 1.0.0", "rolled back 1.0.0"]);
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1000);
    assert_eq!(house.story().await, story);
}

#[tokio::test]
async fn a_version_that_goes_back_is_an_event_with_its_reason() {
    let (_house, runtime, installation) = replaced(watch(), &life("1.0.0", FAST), 10, &life("2.0.0", "unreachable")).await;
    let mut told = runtime.events().subscribe("plugwork/lifecycle/rolled-back", QueueOptions::default()).unwrap();
    let second = installation.subject().digest;
    for _ in 0..4 {
        assert!(matches!(installation.call::<Number>(&0).await, Err(_) | Ok(1000)));
    }
    let said: serde_json::Value = serde_json::from_slice(&told.next().await.unwrap().payload).unwrap();
    assert_eq!(said["from"].as_str(), Some(&*second.to_string()));
    assert!(said["digest"] != said["from"] && said["reason"].as_str().is_some_and(|why| why.contains("calls failed")), "{said}");
}

#[tokio::test]
async fn a_version_whose_breaker_opens_goes_back_all_the_same() {
    let house = House::new();
    let runtime = house.builder().rollback(Watch { calls_min: 20, ..watch() }).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &life("1.0.0", FAST)).await;
    house.replace(&installation, &runtime, &life("2.0.0", "unreachable")).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(installation.call::<Number>(&0).await, Err(_) | Ok(1000)));
    }
    until("it goes back", || runtime.status()[0].rolled_back.is_some()).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_version_that_is_slow_goes_back_by_itself_and_says_why() {
    let watch = Watch { latency_floor_us: 5_000, ..watch() };
    let (house, runtime, installation) = replaced(watch, &life("1.0.0", FAST), 50, &life("2.0.0", SLOW)).await;
    for _ in 0..4 {
        assert!(matches!(installation.call::<Number>(&0).await, Ok(1000 | 2000)));
    }
    until("it goes back", || runtime.status()[0].rolled_back.is_some()).await;
    let why = runtime.status()[0].rolled_back.clone().unwrap();
    assert!(why.contains("9 of 10 calls take up to"), "{why}");
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1000);
    assert!(house.story().await.contains(&"rolled back 1.0.0".to_owned()));
}

#[tokio::test]
async fn a_version_as_bad_as_the_one_before_stays() {
    let short = Watch { window_ms: 1_000, ..watch() };
    let (house, runtime, installation) = replaced(short, &life("1.0.0", "unreachable"), 10, &life("2.0.0", "unreachable")).await;
    for _ in 0..10 {
        installation.call::<Number>(&0).await.unwrap_err();
    }
    until("the one before is gone", || runtime.capacity().0.loaded == 1).await;
    assert_eq!(runtime.status()[0].version.as_deref(), Some("2.0.0"));
    assert!(!house.story().await.contains(&"rolled back 1.0.0".to_owned()));
}

#[tokio::test]
async fn after_its_window_the_one_before_is_released_and_nothing_goes_back() {
    let short = Watch { window_ms: 1_000, ..watch() };
    let (house, runtime, installation) = replaced(short, &life("1.0.0", MOODY), 10, &life("2.0.0", MOODY)).await;
    assert_eq!(runtime.capacity().0.loaded, 2, "both are there while it is watched");
    until("the one before is gone", || runtime.capacity().0.loaded == 1).await;
    house.stage.mood(1);
    for _ in 0..20 {
        installation.call::<Number>(&0).await.unwrap_err();
    }
    house.stage.mood(0);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2000);
    assert_eq!(house.story().await.last().unwrap(), "replaced 2.0.0");
    assert!(runtime.status()[0].rolled_back.is_none());
}

#[tokio::test]
async fn a_version_that_is_disabled_while_it_is_watched_leaves_nothing_behind() {
    let (_house, runtime, installation) = replaced(watch(), &life("1.0.0", FAST), 1, &life("2.0.0", FAST)).await;
    installation.disable("ada", "").await.unwrap();
    drop(installation);
    until("both are gone", || runtime.capacity().0.loaded == 0).await;
    assert_eq!(runtime.capacity().0.instances, 0);
}

#[tokio::test]
async fn a_version_whose_consent_is_over_gets_no_calls_back_where_only_the_new_one_was_renewed() {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().rollback(watch()).clock(hand.clone()).open().await.unwrap();
    let offer = house.offer(&runtime, &life("1.0.0", FAST)).await.expires_ms(1_000);
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    for _ in 0..10 {
        installation.call::<Number>(&0).await.unwrap();
    }
    let two = life("2.0.0", "unreachable");
    house.replace(&installation, &runtime, &two).await.unwrap();
    house.offer(&runtime, &two).await.expires_ms(9_000).accept().await.unwrap();
    hand.0.store(1_000, Ordering::SeqCst);
    until("it was unloaded", || !runtime.status()[0].loaded).await;
    for _ in 0..4 {
        assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    }
    until("the watch gave up the one before", || runtime.capacity().0.loaded == 1).await;
    assert!(!house.story().await.contains(&"rolled back 1.0.0".to_owned()), "{:?}", house.story().await);
    assert_eq!((installation.state(), installation.subject().digest), (State::Active, runtime.status()[0].digest));
    assert_eq!(runtime.status()[0].version.as_deref(), Some("2.0.0"));
}

#[tokio::test]
async fn a_version_that_goes_back_while_its_runtime_closes_is_not_attached_again() {
    let mut house = House::new();
    let records = Steered::new(house.records.clone());
    house.records = Arc::new(records.clone());
    let runtime = house.builder().rollback(watch()).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &life("1.0.0", FAST)).await;
    house.replace(&installation, &runtime, &life("2.0.0", "unreachable")).await.unwrap();
    records.holds_replacements();
    for _ in 0..4 {
        installation.call::<Number>(&0).await.unwrap_err();
    }
    until("it is on record", || records.is_held()).await;
    let looking = runtime.clone();
    runtime.close().await.unwrap();
    records.let_go();
    until("it has gone back", || looking.status()[0].digest == life("1.0.0", FAST).guest().source().digest()).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!looking.status()[0].loaded);
    until("its instances are gone", || looking.capacity().0.instances == 0).await;
}
