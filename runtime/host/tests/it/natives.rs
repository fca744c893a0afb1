//! Native plugins that wait: their deadline, their breaker, and who waits for their calls. Natives among components are in `dispatching`.
//!
//! May be misread: a deadline ends a native plugin that waits for something; one that keeps its thread is not ended, and has no test here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::poll;
use plugwork::core::breaker;
use plugwork::{Builder, ErrorKind, Fault, Installation, Limits, Native, Refusal, Running, Runtime};
use tokio::sync::Semaphore;

use crate::living::until;
use crate::world::{self, Answer, fault};

/// Waits until it is let through, then gives its input back.
#[derive(Clone)]
struct Waits {
    places: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
}

impl Waits {
    fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(0)), inside: Arc::default() }
    }
}

impl Native<Answer> for Waits {
    fn call<'a>(&'a self, input: &'a u32) -> Running<'a, Result<u32, Refusal>> {
        struct Inside<'a>(&'a AtomicUsize);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        Box::pin(async move {
            self.inside.fetch_add(1, Ordering::SeqCst);
            let _inside = Inside(&self.inside);
            self.places.acquire().await.unwrap().forget();
            Ok(*input)
        })
    }
}

async fn open(builder: Builder, waits: &Waits) -> (Runtime, Installation) {
    let runtime = builder.native::<Answer>("rules:waits", 0, waits.clone()).open().await.unwrap();
    let installation = runtime.installations().remove(0);
    (runtime, installation)
}

fn within(deadline_ms: u64) -> Builder {
    world::builder().limits(Limits { deadline_ms, ..Limits::interactive() })
}

#[tokio::test]
async fn one_that_waits_is_ended_at_its_deadline_wherever_it_is_called() {
    let waits = Waits::new();
    let (runtime, installation) = open(within(20), &waits).await;
    let is_late = |ended: Fault| {
        assert!(matches!(ended, Fault::Deadline { limit_ms: 20, ran_ms } if ran_ms >= 20), "{ended:?}");
        assert_eq!(waits.inside.load(Ordering::SeqCst), 0, "its future is dropped");
    };
    is_late(fault(installation.call::<Answer>(&1).await));
    is_late(fault(runtime.point::<Answer>().first(1).await));
    is_late(runtime.point::<Answer>().every(1).await[0].0.error.as_ref().unwrap().fault().unwrap().clone());
    waits.places.add_permits(1);
    assert_eq!(installation.call::<Answer>(&7).await.unwrap(), 7);
    assert_eq!((runtime.status()[0].calls, runtime.status()[0].faults), (4, 3));
}

#[tokio::test]
async fn one_that_keeps_failing_is_not_called_until_its_breaker_closes_or_it_is_enabled_again() {
    let waits = Waits::new();
    let breaker = breaker::Settings { faults: 2, ..breaker::Settings::default() };
    let (runtime, installation) = open(within(5).breaker(breaker), &waits).await;
    for _ in 0..2 {
        assert!(matches!(fault(installation.call::<Answer>(&1).await), Fault::Deadline { .. }));
    }
    waits.places.add_permits(2);
    let error = installation.call::<Answer>(&1).await.unwrap_err();
    assert_eq!((error.kind(), runtime.status()[0].breaker), (ErrorKind::Unavailable, "open"), "{error}");
    assert!(error.to_string().contains("its breaker is open"), "{error}");
    assert_eq!(runtime.point::<Answer>().first(1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(waits.places.available_permits(), 2, "it was not called");
    installation.disable("ada", "").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!((installation.call::<Answer>(&3).await.unwrap(), runtime.status()[0].breaker), (3, "closed"));
}

#[tokio::test]
async fn a_refusal_opens_no_breaker() {
    let refuses = |_: &u32| Err(Refusal::Unavailable { reason: "not today".to_owned() });
    let breaker = breaker::Settings { faults: 1, ..breaker::Settings::default() };
    let runtime = world::builder().breaker(breaker).native::<Answer>("rules:no", 0, refuses).open().await.unwrap();
    for _ in 0..3 {
        assert_eq!(runtime.installations()[0].call::<Answer>(&1).await.unwrap_err().kind(), ErrorKind::Refusal);
    }
}

#[tokio::test]
async fn closing_waits_for_a_call_of_a_native_plugin() {
    let waits = Waits::new();
    let (runtime, installation) = open(within(600_000), &waits).await;
    let call = tokio::spawn(async move { installation.call::<Answer>(&7).await });
    until("it waits", || waits.inside.load(Ordering::SeqCst) == 1).await;
    assert_eq!(runtime.status()[0].in_flight, 1);
    let mut closing = Box::pin(runtime.close());
    for _ in 0..20 {
        assert!(poll!(&mut closing).is_pending(), "a call is under way");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    waits.places.add_permits(1);
    closing.await.unwrap();
    assert!(call.is_finished(), "closing was done first");
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn a_call_under_way_finishes_after_its_plugin_was_disabled_and_no_other_begins() {
    let waits = Waits::new();
    let (runtime, installation) = open(within(600_000), &waits).await;
    let dispatch = runtime.point::<Answer>();
    let theirs = installation.clone();
    let call = tokio::spawn(async move { theirs.call::<Answer>(&7).await });
    until("it waits", || waits.inside.load(Ordering::SeqCst) == 1).await;
    installation.disable("ada", "").await.unwrap();
    waits.places.add_permits(2);
    assert_eq!(installation.call::<Answer>(&1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(dispatch.first(1).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(call.await.unwrap().unwrap(), 7);
}

/// Keeps its thread for a while, and then waits.
struct Works(Duration);

impl Native<Answer> for Works {
    fn call<'a>(&'a self, _: &'a u32) -> Running<'a, Result<u32, Refusal>> {
        Box::pin(async move {
            std::thread::sleep(self.0);
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn what_it_works_before_it_first_waits_is_part_of_its_time() {
    let builder = within(1_000).native::<Answer>("rules:works", 0, Works(Duration::from_millis(900)));
    let runtime = builder.open().await.unwrap();
    let ended = fault(runtime.installations()[0].call::<Answer>(&1).await);
    assert!(matches!(ended, Fault::Deadline { limit_ms: 1_000, ran_ms: 1_000..1_800 }), "{ended:?}");
}
