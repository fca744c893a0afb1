//! Consent that is on no record and was taken back or is over: no other version brings it back, at whatever moment it ended.
//!
//! May be misread: the records hear of a revocation also where they never heard of the consent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use plugwork::core::lifecycle::{Stage, State};
use plugwork::core::record::{Event, Records, Settings};
use plugwork::{Change, ErrorKind, Hooks, Installation, Resident, Running, Runtime, Source};

use crate::consent::Hand;
use crate::density::plus;
use crate::living::{House, Life, all_asked, until};
use crate::replacing::{ONE, TWO};
use crate::world::Number;

/// Leaves a note as soon as anything of it runs.
const TELLS: Life = Life {
    init: "(call $note (i32.const 2)) i32.const 16",
    migrate: "(call $note (i32.const 4)) i32.const 16",
    shutdown: "(call $note (i32.const 5)) i32.const 16",
    ..TWO
};

async fn installed(house: &House, runtime: &Runtime, expires_ms: Option<u64>) -> Installation {
    let offer = house.offer(runtime, &ONE).await.unrecorded();
    let offer = match expires_ms {
        Some(expires_ms) => offer.expires_ms(expires_ms),
        None => offer,
    };
    let grants = all_asked(&offer);
    runtime.install(offer, grants, Settings::default()).await.unwrap()
}

/// Another version is refused, in either way, nothing of it runs, and nothing is called.
async fn stays_down(house: &House, runtime: &Runtime, installation: &Installation) {
    let error = house.replace(installation, runtime, &TELLS).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let offer = house.offer(runtime, &TELLS).await;
    let grants = all_asked(&offer);
    assert_eq!(installation.replace_with(offer, grants, "ada").await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(installation.enable("ada").await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(house.stage.notes().is_empty() && runtime.point::<Number>().is_empty());
    assert_ne!(installation.state(), State::Active);
}

#[tokio::test]
async fn what_was_installed_and_revoked_is_replaced_by_nothing() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = installed(&house, &runtime, None).await;
    runtime.revoke(&installation.subject(), "grace", "leak").await.unwrap();
    let error = house.replace(&installation, &runtime, &TELLS).await.unwrap_err();
    assert_eq!(error.denials()[0].code, "E-CONSENT-REVOKED", "the records say why");
    stays_down(&house, &runtime, &installation).await;
}

#[tokio::test]
async fn what_was_installed_and_is_over_is_replaced_by_nothing() {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    let installation = installed(&house, &runtime, Some(1_000)).await;
    hand.0.store(1_000, Ordering::SeqCst);
    until("it is over", || runtime.usage().iter().any(|usage| usage.revoked)).await;
    stays_down(&house, &runtime, &installation).await;
}

/// Another process takes consent back while a version is being replaced.
struct RevokesAtUpdate(Arc<dyn Records>);

impl Hooks for RevokesAtUpdate {
    fn before_update<'a>(&'a self, change: &'a Change) -> Running<'a, Result<(), String>> {
        Box::pin(async move {
            let (subject, by) = (change.subject.clone(), "grace".to_owned());
            self.0.append(0, vec![Event::Revoked { subject, by, reason: String::new() }]).await.unwrap();
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_revocation_that_comes_while_it_is_replaced_is_not_lost() {
    let house = House::new();
    let runtime = house.builder().hooks(RevokesAtUpdate(house.records.clone()), Duration::from_secs(60)).open().await.unwrap();
    let installation = installed(&house, &runtime, None).await;
    installation.enable("ada").await.unwrap();
    assert_eq!(house.replace(&installation, &runtime, &TELLS).await.unwrap_err().kind(), ErrorKind::Refused);
    until("it is heard of", || installation.state().stage() == Stage::Suspended).await;
    stays_down(&house, &runtime, &installation).await;
}

#[tokio::test]
async fn a_revocation_that_comes_after_it_was_replaced_ends_the_new_version_too() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = installed(&house, &runtime, None).await;
    installation.enable("ada").await.unwrap();
    house.replace(&installation, &runtime, &TWO).await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    assert!(house.story().await.is_empty(), "it is on no record");
    let subject = (*installation.subject()).clone();
    house.records.append(0, vec![Event::Revoked { subject, by: "grace".to_owned(), reason: String::new() }]).await.unwrap();
    until("it is heard of", || installation.state().stage() == Stage::Suspended).await;
    stays_down(&house, &runtime, &installation).await;
}

#[tokio::test]
async fn what_is_put_on_record_after_a_revocation_does_not_bring_it_back() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = installed(&house, &runtime, None).await;
    runtime.revoke(&installation.subject(), "grace", "leak").await.unwrap();
    // Less than was granted before.
    house.offer(&runtime, &ONE).await.accept().await.unwrap();
    stays_down(&house, &runtime, &installation).await;
}

#[tokio::test]
async fn one_whose_file_is_gone_is_replaced_by_nothing_once_it_was_revoked() {
    let (house, state) = (House::new(), tempfile::tempdir().unwrap());
    // So little room for code that it has to be compiled each time it is loaded.
    let resident = Resident { code_bytes: 1, ..Resident::default() };
    let runtime = house.builder().resident(resident).open().await.unwrap();
    let file = state.path().join("guest.wasm");
    std::fs::write(&file, ONE.guest().bytes()).unwrap();
    let offer = runtime.offer(&Source::file(&file).unwrap()).await.unwrap().unrecorded();
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    std::fs::remove_file(&file).unwrap();
    installation.disable("ada", "").await.unwrap();
    // Others push its code out of memory.
    let mut others = 0;
    let gone = loop {
        others += 1;
        runtime.offer(&plus(others).source()).await.unwrap().unrecorded().accept().await.unwrap();
        match installation.enable("ada").await {
            Ok(()) => installation.disable("ada", "").await.unwrap(),
            Err(error) => break error,
        }
        assert!(others < 1_000, "it is never gone");
    };
    assert_eq!(gone.kind(), ErrorKind::Io, "it cannot be loaded any more: {gone}");
    runtime.revoke(&installation.subject(), "grace", "leak").await.unwrap();
    stays_down_lost(&house, &runtime, &installation).await;
}

async fn stays_down_lost(house: &House, runtime: &Runtime, installation: &Installation) {
    assert_eq!(house.replace(installation, runtime, &TELLS).await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(house.stage.notes().is_empty() && runtime.point::<Number>().is_empty());
}
