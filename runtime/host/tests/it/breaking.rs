//! The breaker of a plugin: five faults and it is not called for a while, then one call may try.

use std::time::Duration;

use plugwork::core::breaker::Settings;
use plugwork::core::capacity::Resource;
use plugwork::{Allocation, Error, ErrorKind, Installation, Limits, Resident, Runtime};

use crate::living::{House, Life, until};
use crate::world::Number;

/// Traps while the mood is 1, waits in the host where it is held, and notes each call.
const MOODY: &str = "(call $note (i32.const 1)) (call $hold)
    (if (i32.eq (call $mood) (i32.const 1)) (then unreachable)) (i32.mul (global.get $version) (i32.const 1000))";

fn life(version: &'static str) -> Life {
    Life { version, run: MOODY, ..Life::default() }
}

async fn failing(settings: Settings) -> (House, Runtime, Installation) {
    let house = House::new();
    let runtime = house.builder().breaker(settings).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &life("1.0.0")).await;
    house.stage.mood(1);
    (house, runtime, installation)
}

#[tokio::test]
async fn five_faults_open_it_and_a_call_is_told_when_to_come_again() {
    let (house, runtime, installation) = failing(Settings::default()).await;
    for _ in 0..5 {
        assert_eq!(runtime.status()[0].breaker, "closed");
        assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    }
    assert_eq!(runtime.status()[0].breaker, "open");
    let error = installation.call::<Number>(&0).await.unwrap_err();
    assert_eq!((error.kind(), house.stage.notes().len()), (ErrorKind::Unavailable, 5), "the guest did not run");
    let text = error.to_string();
    let after_ms: u64 = text.split("is not called for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&after_ms), "{text}");
    let session = installation.session::<Number>().await.unwrap_err();
    assert_eq!(session.kind(), ErrorKind::Unavailable, "a session is no way around it");
}

#[tokio::test]
async fn half_open_it_lets_one_through_and_closes_when_that_one_succeeds() {
    let (house, runtime, installation) = failing(Settings { open_ms: 1, ..Settings::default() }).await;
    for _ in 0..5 {
        installation.call::<Number>(&0).await.unwrap_err();
    }
    house.stage.mood(0);
    house.stage.holds();
    let before = house.stage.notes().len();
    let mut probe = None;
    // Its time is over when a call comes through, which then waits in the host.
    while house.stage.notes().len() == before {
        let trying = installation.clone();
        let call = tokio::spawn(async move { trying.call::<Number>(&0).await });
        until("it was let through or not", || call.is_finished() || house.stage.inside() == 1).await;
        probe = Some(call);
    }
    assert_eq!(runtime.status()[0].breaker, "half-open");
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable, "one at a time");
    assert_eq!(house.stage.notes().len(), before + 1);
    house.stage.let_go();
    assert_eq!(probe.unwrap().await.unwrap().unwrap(), 1000);
    assert_eq!(runtime.status()[0].breaker, "closed");
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1000);
}

#[tokio::test]
async fn it_stays_open_for_its_time_from_the_end_of_the_call_that_opened_it() {
    let (house, runtime, installation) = failing(Settings { faults: 1, window_ms: 60_000, open_ms: 400 }).await;
    house.stage.holds();
    let failing = installation.clone();
    let call = tokio::spawn(async move { failing.call::<Number>(&0).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    // Longer than it stays open. It may take longer still: what is tested is that the time has not begun.
    tokio::time::sleep(Duration::from_millis(600)).await;
    house.stage.let_go();
    call.await.unwrap().unwrap_err();
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(runtime);
}

#[tokio::test]
async fn a_version_that_takes_the_place_begins_with_a_closed_one() {
    let (house, runtime, installation) = failing(Settings::default()).await;
    for _ in 0..5 {
        installation.call::<Number>(&0).await.unwrap_err();
    }
    house.stage.mood(0);
    house.replace(&installation, &runtime, &life("2.0.0")).await.unwrap();
    assert_eq!(runtime.status()[0].breaker, "closed");
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2000);
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_opens_nothing() {
    let house = House::new();
    let runtime = house.open().await;
    let refusing = crate::dispatch::refusing();
    let offer = runtime.offer(&refusing.source()).await.unwrap();
    let installation = runtime.install(offer, plugwork::Grants::none(), Default::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    for _ in 0..10 {
        assert_eq!(installation.call::<crate::world::Answer>(&0).await.unwrap_err().kind(), ErrorKind::Refusal);
    }
    assert_eq!(runtime.status()[0].breaker, "closed");
}

#[tokio::test]
async fn it_stays_open_while_its_plugin_is_unloaded_and_nobody_makes_room_for_a_refused_call() {
    let house = House::new();
    let settings = Settings { open_ms: 600_000, ..Settings::default() };
    let resident = Resident { plugins: Some(1), ..Resident::default() };
    let runtime = house.builder().breaker(settings).resident(resident).open().await.unwrap();
    let failing = house.enabled(&runtime, "failing", &life("1.0.0")).await;
    house.stage.mood(1);
    for _ in 0..5 {
        failing.call::<Number>(&0).await.unwrap_err();
    }
    house.stage.mood(0);
    let notes = house.stage.notes().len();
    let other = house.enabled(&runtime, "other", &Life::default()).await;
    let status = || runtime.status().into_iter().map(|status| (status.loaded, status.breaker)).collect::<Vec<_>>();
    assert_eq!(status(), [(false, "open"), (true, "closed")]);
    for kind in [failing.call::<Number>(&0).await.unwrap_err().kind(), failing.session::<Number>().await.unwrap_err().kind()] {
        assert_eq!(kind, ErrorKind::Unavailable);
    }
    assert_eq!((status(), house.stage.notes().len()), (vec![(false, "open"), (true, "closed")], notes), "it was not loaded for that");
    assert_eq!(other.call::<Number>(&0).await.unwrap(), 1001);
    // Somebody who disables and enables it begins anew.
    failing.disable("ada", "").await.unwrap();
    failing.enable("ada").await.unwrap();
    assert_eq!(failing.call::<Number>(&0).await.unwrap(), 1000);
}

#[tokio::test]
async fn faults_from_before_it_was_unloaded_still_count() {
    let house = House::new();
    let resident = Resident { plugins: Some(1), ..Resident::default() };
    let runtime = house.builder().resident(resident).open().await.unwrap();
    let failing = house.enabled(&runtime, "failing", &life("1.0.0")).await;
    house.stage.mood(1);
    let other = house.enabled(&runtime, "other", &Life::default()).await;
    for _ in 0..5 {
        assert_eq!(failing.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
        other.call::<Number>(&0).await.unwrap();
    }
    assert_eq!(failing.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_call_that_finds_no_room_is_no_proof_that_it_works_again() {
    let house = House::new();
    let settings = Settings { open_ms: 1, ..Settings::default() };
    let limits = Limits { deadline_ms: 1_000, cpu_percent: None, host_calls_per_second: None, ..Limits::interactive() };
    let builder = house.builder().breaker(settings).limits(limits).allocation(Allocation::Pooling { instances: 2 });
    let runtime = builder.open().await.unwrap();
    let failing = house.enabled(&runtime, "failing", &life("1.0.0")).await;
    let other = house.enabled(&runtime, "other", &Life::default()).await;
    house.stage.mood(1);
    for _ in 0..5 {
        assert_eq!(failing.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    }
    let breaker = || runtime.status().into_iter().find(|status| status.key.instance == "failing").unwrap().breaker;
    assert_eq!(breaker(), "open");
    let sessions = (other.session::<Number>().await.unwrap(), other.session::<Number>().await.unwrap());
    let is_scarce = |error: Error| error.scarcity().is_some_and(|scarce| scarce.what == Resource::Instances);
    // Its time is over when a call gets as far as to look for room.
    while !is_scarce(failing.call::<Number>(&0).await.unwrap_err()) {}
    assert_eq!(breaker(), "half-open", "nothing of it ran");
    while !is_scarce(failing.session::<Number>().await.unwrap_err()) {}
    assert_eq!(breaker(), "half-open");
    drop(sessions);
    assert_eq!(failing.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    assert_eq!(breaker(), "open", "one fault is enough");
}

#[tokio::test]
async fn a_call_of_a_session_from_before_it_opened_says_nothing_when_it_ends() {
    let house = House::new();
    let runtime = house.builder().breaker(Settings { faults: 1, open_ms: 300, ..Settings::default() }).open().await.unwrap();
    let run = "(if (i32.eqz (local.get 0)) (then unreachable)) call $hold (i32.const 7)";
    let installation = house.enabled(&runtime, "", &Life { run, ..Life::default() }).await;
    let mut session = installation.session::<Number>().await.unwrap();
    house.stage.holds();
    let calling = tokio::spawn(async move { session.call_input(&1).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    assert_eq!(runtime.status()[0].breaker, "open");
    // Past its time: whoever asks now is the one to try.
    tokio::time::sleep(Duration::from_millis(900)).await;
    house.stage.let_go();
    assert_eq!(calling.await.unwrap().unwrap(), 7);
    assert_eq!(runtime.status()[0].breaker, "open");
    assert_eq!(installation.call::<Number>(&1).await.unwrap(), 7);
    assert_eq!(runtime.status()[0].breaker, "closed", "that one tried");
}
