//! Records that another process wrote: what is disabled, enabled, revoked or removed there is so here too. What this process wrote itself is done
//! already, and is not done again when it is read.

use std::sync::Arc;

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::{Event, Settings};
use plugwork::{ErrorKind, Installation, Preload, Runtime, Start, Subject};

use crate::living::{House, Life, until};
use crate::world::Number;

async fn append(house: &House, event: Event) {
    house.records.append(0, vec![event]).await.unwrap();
}

fn disabled(subject: &Arc<Subject>) -> Event {
    let (by, reason) = ("grace".to_owned(), String::new());
    Event::Disabled { subject: (**subject).clone(), by, reason, settings: Settings::default() }
}

fn enabled(subject: &Arc<Subject>) -> Event {
    Event::Enabled { subject: (**subject).clone(), by: "grace".to_owned(), settings: Settings::default() }
}

async fn becomes(installation: &Installation, stage: Stage) {
    until(&format!("it is {stage}"), || installation.state().stage() == stage).await;
}

async fn active(house: &House) -> (Runtime, Installation) {
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &Life::default()).await;
    (runtime, installation)
}

#[tokio::test]
async fn what_another_process_disables_and_enables_is_so_here() {
    let house = House::new();
    let (runtime, installation) = active(&house).await;
    append(&house, disabled(&installation.subject())).await;
    becomes(&installation, Stage::Installed).await;
    assert!(runtime.point::<Number>().is_empty());
    append(&house, enabled(&installation.subject())).await;
    becomes(&installation, Stage::Active).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1001);
}

#[tokio::test]
async fn what_another_process_revokes_is_suspended_here_and_runs_again_by_a_later_consent() {
    let house = House::new();
    let (runtime, installation) = active(&house).await;
    let subject = (*installation.subject()).clone();
    append(&house, Event::Revoked { subject, by: "grace".to_owned(), reason: "leak".to_owned() }).await;
    becomes(&installation, Stage::Suspended).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    house.offer(&runtime, &Life::default()).await.accept().await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
}

#[tokio::test]
async fn what_another_process_removes_is_gone_here() {
    let house = House::new();
    let (runtime, installation) = active(&house).await;
    append(&house, Event::Removed { subject: (*installation.subject()).clone(), by: "grace".to_owned() }).await;
    becomes(&installation, Stage::Removed).await;
    until("it is not listed", || runtime.installations().is_empty()).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let again = house.enabled(&runtime, "", &Life::default()).await;
    assert_eq!(again.call::<Number>(&0).await.unwrap(), 1001);
}

#[tokio::test]
async fn what_another_process_installs_and_enables_runs_here_after_a_start() {
    let house = House::new();
    let runtime = house.open().await;
    runtime.start(Start::default()).await.unwrap();
    let other = house.open().await;
    house.enabled(&other, "", &Life::default()).await;
    until("it is attached", || runtime.point::<Number>().len() == 1).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1001);
}

/// Makes sure that every record so far was read: what is done to the second plugin comes after it.
async fn all_is_read(house: &House, canary: &Installation) {
    append(house, disabled(&canary.subject())).await;
    becomes(canary, Stage::Installed).await;
}

#[tokio::test]
async fn what_this_process_did_is_not_done_again() {
    let house = House::new();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    let canary = house.enabled(&runtime, "canary", &Life::default()).await;
    // All of it before the records are looked at again.
    let ends_disabled = house.enabled(&runtime, "disabled", &Life::default()).await;
    ends_disabled.disable("ada", "").await.unwrap();
    let ends_enabled = house.enabled(&runtime, "enabled", &Life::default()).await;
    ends_enabled.disable("ada", "").await.unwrap();
    ends_enabled.enable("ada").await.unwrap();
    let generation = runtime.status().iter().find(|status| status.key == *ends_enabled.key()).unwrap().generation;
    house.enabled(&runtime, "removed", &Life::default()).await.remove("ada").await.unwrap();
    house.enabled(&runtime, "anew", &Life::default()).await.remove("ada").await.unwrap();
    let anew = house.enabled(&runtime, "anew", &Life::default()).await;
    all_is_read(&house, &canary).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((ends_disabled.state(), ends_enabled.state(), anew.state()), (State::Installed, State::Active, State::Active));
    let status = runtime.status();
    assert_eq!(status.iter().find(|status| status.key == *ends_enabled.key()).unwrap().generation, generation);
    let names: Vec<_> = status.iter().map(|status| status.key.instance.as_str()).collect();
    assert_eq!(names, ["anew", "canary", "disabled", "enabled"]);
}
