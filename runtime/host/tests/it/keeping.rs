//! What the tests of durable events share: a host that keeps some, an outbox that can be made to fail, and guests that refuse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use plugwork::core::record::ConsentKey;
use plugwork::events::outbox::{Attempts, Change, Cursor, Extent, Memory, Most, Outbox, OutboxError, Page, Pending, Retention, Span};
use plugwork::events::{DurableEvents, DurableStatus, Event, EventsSettings};
use plugwork::{Builder, Installation, Runtime};
use tokio::sync::Notify;

use crate::eventing::status;
use crate::living::House;

/// Refuses what it is handed, without looking at it, while the test is minded so: answers `unavailable` with an empty reason.
pub(crate) const REFUSES_IN_MOOD: &str = "(call $note (i32.load8_u (i32.load offset=8 (local.get $event))))
    (if (call $mood) (then
      (i32.store8 (i32.const 300) (i32.const 1)) (i32.store8 (i32.const 304) (i32.const 2))
      (i32.store (i32.const 308) (i32.const 0)) (i32.store (i32.const 312) (i32.const 0))
      (return (i32.const 300))))";
/// Notes the event, and traps on 13.
pub(crate) const TRAPS_ON_13: &str =
    "(call $note (call $byte (local.get $event))) (if (i32.eq (call $byte (local.get $event)) (i32.const 13)) (then unreachable))";
/// One event a call.
pub(crate) const ALONE: &str = "at-once = 1";

/// Everything below `a`, `b` and `c` is durable, and what fails is tried again at once.
pub(crate) fn durable() -> DurableEvents {
    DurableEvents { attempts: Attempts { max: 3, retry_ms: 1, retry_ms_max: 2 }, ..DurableEvents::topics(["a/**", "b/**", "c/**"]) }
}

/// A host of this house that keeps its events here.
pub(crate) fn builder(house: &House, outbox: &Arc<impl Outbox>) -> Builder {
    house.builder_without_files().events(EventsSettings::default()).outbox(outbox.clone(), durable())
}

pub(crate) async fn opened(house: &House, outbox: &Arc<impl Outbox>) -> Runtime {
    builder(house, outbox).open().await.unwrap()
}

/// One of its own.
pub(crate) async fn host() -> (House, Arc<Memory>, Runtime) {
    host_keeping(Retention::default()).await
}

/// That keeps so much.
pub(crate) async fn host_keeping(retention: Retention) -> (House, Arc<Memory>, Runtime) {
    let (house, outbox) = (House::new(), Arc::new(Memory::new(retention).unwrap()));
    let runtime = opened(&house, &outbox).await;
    (house, outbox, runtime)
}

/// Publishes each as one byte on `a/one`.
pub(crate) async fn tell(runtime: &Runtime, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes {
        runtime.events().emit("a/one", [byte]).await.unwrap();
    }
}

/// How a plugin is doing with durable events.
pub(crate) fn doing(runtime: &Runtime, installation: &Installation) -> DurableStatus {
    status(runtime, installation).durable.unwrap()
}

/// Where it is, as the outbox has it.
pub(crate) async fn cursor(runtime: &Runtime, installation: &Installation) -> Option<Cursor> {
    runtime.events().cursor(&installation.subject()).await.unwrap()
}

/// An outbox that keeps nothing while it is told to fail, and does not come back while it is told to hang.
#[derive(Default)]
pub(crate) struct Failing {
    kept: Memory,
    pub(crate) fails: AtomicBool,
    hangs: AtomicBool,
    hanging: AtomicUsize,
    goes_on: Notify,
}

impl Failing {
    pub(crate) fn hangs(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    pub(crate) fn goes_on(&self) {
        self.hangs.store(false, Ordering::SeqCst);
        self.goes_on.notify_waiters();
    }

    /// How many hang in it.
    pub(crate) fn hanging(&self) -> usize {
        self.hanging.load(Ordering::SeqCst)
    }

    async fn hang(&self) {
        let mut goes_on = std::pin::pin!(self.goes_on.notified());
        goes_on.as_mut().enable();
        if self.hangs.load(Ordering::SeqCst) {
            self.hanging.fetch_add(1, Ordering::SeqCst);
            goes_on.await;
            self.hanging.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn fail<T: Send + 'static>(&self) -> Option<Pending<'_, T>> {
        let error = OutboxError::Storage { what: "the disk at /secret is full".to_owned(), hint: String::new() };
        self.fails.load(Ordering::SeqCst).then(|| Box::pin(std::future::ready(Err(error))) as Pending<'_, T>)
    }
}

impl Outbox for Failing {
    fn append<'a>(&'a self, tenant: &'a str, at_ms: u64, event: Event) -> Pending<'a, Event> {
        Box::pin(async move {
            self.hang().await;
            self.fail().unwrap_or_else(|| self.kept.append(tenant, at_ms, event)).await
        })
    }

    fn read<'a>(&'a self, tenant: &'a str, after: u64, wanted: &'a [Extent], most: Most) -> Pending<'a, Page> {
        self.fail().unwrap_or_else(|| self.kept.read(tenant, after, wanted, most))
    }

    fn span<'a>(&'a self, tenant: &'a str) -> Pending<'a, Span> {
        self.fail().unwrap_or_else(|| self.kept.span(tenant))
    }

    fn spans(&self) -> Pending<'_, Vec<(String, Span)>> {
        self.fail().unwrap_or_else(|| self.kept.spans())
    }

    fn cursor<'a>(&'a self, key: &'a ConsentKey) -> Pending<'a, Option<Cursor>> {
        self.fail().unwrap_or_else(|| self.kept.cursor(key))
    }

    fn change<'a>(&'a self, key: &'a ConsentKey, change: Change) -> Pending<'a, Option<Cursor>> {
        self.fail().unwrap_or_else(|| self.kept.change(key, change))
    }

    fn prune(&self, at_ms: u64) -> Pending<'_, u64> {
        self.fail().unwrap_or_else(|| self.kept.prune(at_ms))
    }
}
