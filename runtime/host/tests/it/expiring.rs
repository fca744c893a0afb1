//! Consent that lasts until a time: at that time its installation is suspended, not a moment before, and not where it was renewed.
//!
//! The clock is the test's; a second plugin whose consent ends earlier shows that the time was looked at.

use std::sync::atomic::Ordering;

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::Settings;
use plugwork::{ErrorKind, Installation, Preload, Runtime, Start};

use crate::consent::Hand;
use crate::living::{House, Life, all_asked, until};
use crate::world::Number;

async fn lasting(house: &House, runtime: &Runtime, instance: &str, expires_ms: u64, recorded: bool) -> Installation {
    let offer = house.offer(runtime, &Life::default()).await.instance(instance).expires_ms(expires_ms);
    let offer = if recorded { offer } else { offer.unrecorded() };
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    installation
}

fn is_over() -> State {
    State::Suspended { reason: "its consent is over".to_owned() }
}

async fn is_suspended_at_its_time(recorded: bool) {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    let installation = lasting(&house, &runtime, "", 1_000, recorded).await;
    let canary = lasting(&house, &runtime, "canary", 999, recorded).await;
    hand.0.store(999, Ordering::SeqCst);
    until("the canary is suspended", || canary.state() == is_over()).await;
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 1001));
    hand.0.store(1_000, Ordering::SeqCst);
    until("it is suspended", || installation.state() == is_over()).await;
    assert!(runtime.point::<Number>().is_empty());
    let error = installation.call::<Number>(&0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("it is suspended: its consent is over"), "{error}");
    assert_eq!(installation.enable("ada").await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(installation.state().stage(), Stage::Suspended);
}

#[tokio::test]
async fn consent_that_is_over_suspends_the_installation() {
    is_suspended_at_its_time(true).await;
}

#[tokio::test]
async fn consent_on_no_record_that_is_over_suspends_the_installation() {
    is_suspended_at_its_time(false).await;
}

#[tokio::test]
async fn an_installation_that_is_not_loaded_is_suspended_too() {
    let (house, hand) = (House::new(), Hand::default());
    let first = house.builder().clock(hand.clone()).open().await.unwrap();
    lasting(&house, &first, "", 1_000, true).await;
    first.close().await.unwrap();
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    let status = || runtime.status().remove(0);
    assert!(!status().loaded && status().state == State::Active);
    hand.0.store(1_000, Ordering::SeqCst);
    until("it is suspended", || status().state == is_over()).await;
}

#[tokio::test]
async fn consent_that_was_renewed_by_another_process_goes_on() {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    let installation = lasting(&house, &runtime, "", 1_000, true).await;
    let canary = lasting(&house, &runtime, "canary", 1_000, true).await;
    let other = house.builder().clock(hand.clone()).open().await.unwrap();
    house.offer(&other, &Life::default()).await.expires_ms(2_000).accept().await.unwrap();
    hand.0.store(1_000, Ordering::SeqCst);
    until("the canary is suspended", || canary.state() == is_over()).await;
    until("it was unloaded", || runtime.status().iter().any(|status| status.key == *installation.key() && !status.loaded)).await;
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 1001));
    hand.0.store(2_000, Ordering::SeqCst);
    until("it is suspended", || installation.state() == is_over()).await;
    // Renewed after it was over: whoever enables it again has it.
    house.offer(&other, &Life::default()).await.accept().await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
}
