//! Consent through what happens to a plugin: unloaded and loaded again, or replaced, it has what it was given, as long as it was given and no longer.
//!
//! Easily got wrong: consent that nobody recorded is as good as any other, and is over or taken back like any other.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plugwork::core::record::Event;
use plugwork::{Allocation, Builder, ErrorKind, Installation, Resident, Runtime};

use crate::consent::Hand;
use crate::density::until;
use crate::guest::{ECHO, Guest};
use crate::starting::Left;
use crate::world::Number;

fn guest(version: u32) -> Guest {
    Guest::new(&format!("{ECHO} (func (export \"salt\") (result i32) i32.const {version})"))
        .manifest(&format!("description = \"{version}\"\n"))
}

/// One place for a plugin that is loaded.
fn narrow(builder: Builder) -> Builder {
    builder.resident(Resident { plugins: Some(1), ..Resident::default() })
}

/// Unloads it, by another that is loaded.
async fn unload(runtime: &Runtime, installation: &Installation) {
    let offer = runtime.offer(&guest(9).source()).await.unwrap().instance("other").unrecorded();
    offer.accept().await.unwrap().enable().await.unwrap();
    assert!(runtime.status().iter().any(|status| status.key == *installation.key() && !status.loaded));
}

#[tokio::test]
async fn what_was_taken_back_while_it_was_unloaded_does_not_come_back() {
    for recorded in [false, true] {
        let left = Left::default();
        let runtime = narrow(left.builder()).open().await.unwrap();
        let offer = runtime.offer(&guest(1).source()).await.unwrap();
        let offer = if recorded { offer } else { offer.unrecorded() };
        let plugin = offer.accept().await.unwrap();
        plugin.enable().await.unwrap();
        let installation = runtime.installation(&plugin.subject().into()).unwrap();
        let subject = plugin.subject().clone();
        drop(plugin);
        unload(&runtime, &installation).await;
        // By another process; this one has not looked yet.
        left.records.append(1, vec![Event::Revoked { subject, by: "grace".to_owned(), reason: String::new() }]).await.unwrap();
        let error = installation.call::<Number>(&1).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Unavailable), "recorded: {recorded}: {error:?}");
    }
}

/// Runtimes with records and without, and their clock.
fn both() -> [(Builder, Hand); 2] {
    let (one, other) = (Hand::default(), Hand::default());
    let without = Runtime::in_memory().allocation(Allocation::OnDemand).clock(one.clone());
    [(without, one), (Left::default().builder().clock(other.clone()), other)]
}

async fn expiring(runtime: &Runtime) -> Installation {
    let offer = runtime.offer(&guest(1).source()).await.unwrap().unrecorded().expires_ms(1_000);
    let plugin = offer.accept().await.unwrap();
    plugin.enable().await.unwrap();
    let installation = runtime.installation(&plugin.subject().into()).unwrap();
    assert_eq!(installation.call::<Number>(&1).await.unwrap(), 1);
    installation
}

async fn ends(installation: &Installation, clock: &Hand) {
    assert_eq!(installation.call::<Number>(&1).await.unwrap(), 1, "until then");
    clock.0.store(1_000, Ordering::SeqCst);
    // Whoever looks at the clock does so a few times a second.
    let began = Instant::now();
    while installation.call::<Number>(&1).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(60), "it is over, and it still runs");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn consent_that_is_over_is_over_with_records_and_without() {
    for (builder, clock) in both() {
        let runtime = builder.open().await.unwrap();
        ends(&expiring(&runtime).await, &clock).await;
    }
}

#[tokio::test]
async fn being_unloaded_makes_no_consent_longer() {
    for (builder, clock) in both() {
        let runtime = narrow(builder).open().await.unwrap();
        let installation = expiring(&runtime).await;
        unload(&runtime, &installation).await;
        ends(&installation, &clock).await;
        unload_again(&runtime, &installation).await;
        installation.call::<Number>(&1).await.unwrap_err();
    }
}

/// As [`unload`], by the other that is known already.
async fn unload_again(runtime: &Runtime, installation: &Installation) {
    let other = runtime.installations().into_iter().find(|other| other.key().instance == "other").unwrap();
    until(|| runtime.capacity().0.loaded <= 1).await;
    other.call::<Number>(&1).await.unwrap();
    assert!(runtime.status().iter().any(|status| status.key == *installation.key() && !status.loaded));
}

#[tokio::test]
async fn neither_does_being_replaced() {
    for (builder, clock) in both() {
        let runtime = builder.open().await.unwrap();
        let installation = expiring(&runtime).await;
        installation.replace(runtime.offer(&guest(2).source()).await.unwrap(), "ada").await.unwrap();
        ends(&installation, &clock).await;
    }
}
