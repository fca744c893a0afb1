//! The outbox: events of durable topics, kept until they are past their bounds, and a cursor for each plugin that is told of them.
//!
//! The seam that a host programs against, and what every implementation shares; no I/O. Who delivers, and when, is the host's business
//! (`docs/events.md`). Easily got wrong: sequence numbers are each tenant's own, so that nobody learns from them how much others publish; and what a
//! cursor becomes is decided by [`Change::apply`] alone, in whichever implementation.

mod consent;
mod cursor;
mod error;
mod memory;
mod retention;

use std::future::Future;
use std::pin::Pin;

pub use consent::Lasting;
pub use cursor::{Change, Cursor, Extent, Failing, Parked};
pub use error::OutboxError;
pub use memory::Memory;
pub use retention::{Attempts, Retention, Span};

use super::Event;
use crate::record::ConsentKey;

/// What a method of [`Outbox`] gives: a future that may move between threads.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, OutboxError>> + Send + 'a>>;

/// Where events of durable topics are kept.
///
/// One host uses it at a time: with two, each delivers. Every implementation passes the contract suite in `host-adapters/store/tests/it/outbox.rs`.
pub trait Outbox: Send + Sync + 'static {
    /// Keeps an event of a tenant, and lets go of as many of that tenant's oldest as its bounds want. Durable when it resolves; dropping the future may or
    /// may not keep it. Gives the event with its sequence: from 1, without gaps, each tenant's own.
    fn append<'a>(&'a self, tenant: &'a str, at_ms: u64, event: Event) -> Pending<'a, Event>;

    /// The events after a sequence that one of the extents wants, in order: at least one where there is one, and no more than fit `most`. Looks at
    /// [`crate::limits::OUTBOX_SCAN_MAX`] events at most: see [`Page::scanned`].
    fn read<'a>(&'a self, tenant: &'a str, after: u64, wanted: &'a [Extent], most: Most) -> Pending<'a, Page>;

    /// What is there of a tenant: [`Span::EMPTY`] where nothing ever was.
    fn span<'a>(&'a self, tenant: &'a str) -> Pending<'a, Span>;

    /// The same of each tenant that ever had an event.
    fn spans(&self) -> Pending<'_, Vec<(String, Span)>>;

    /// Where a subscriber is; none where it never began, or was forgotten.
    fn cursor<'a>(&'a self, key: &'a ConsentKey) -> Pending<'a, Option<Cursor>>;

    /// Changes a cursor, as [`Change::apply`] does: durable when it resolves. Gives the cursor as it is then.
    fn change<'a>(&'a self, key: &'a ConsentKey, change: Change) -> Pending<'a, Option<Cursor>>;

    /// Lets go of what is past its age at this time; says how many events.
    fn prune(&self, at_ms: u64) -> Pending<'_, u64>;
}

/// How much is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Events, at least one.
    pub events: usize,
    /// Their bytes, counted as in a queue; one event is read whatever it has.
    pub bytes: usize,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In order, each with its sequence.
    pub events: Vec<Event>,
    /// Everything up to this sequence was looked at: where to read on from. What was asked for itself: there is nothing behind it.
    pub scanned: u64,
    /// Everything up to this sequence is not there any more; 0 where nothing is gone. Beyond what was asked for: some of that was missed.
    pub gone: u64,
}
