//! What became of events: sums of the whole bus, and of each subscriber.

use std::sync::atomic::{AtomicU64, Ordering};

use plugwork_core::events::Overflow;
use serde::Serialize;

use super::durable::DurableStatus;

/// What one subscriber made of its events, or all of them together. Each event that was queued for a subscriber ends in exactly one of `handled`,
/// `refused`, `faulted`, `lost` and `dropped`, or still waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventCounts {
    /// Queued for it.
    pub queued: u64,
    /// Handled, or taken by the application.
    pub handled: u64,
    /// In calls that its handler answered with a refusal.
    pub refused: u64,
    /// In calls that ended in a fault: a trap, a deadline.
    pub faulted: u64,
    /// In calls that could not begin: no room, or its plugin was gone by then.
    pub lost: u64,
    /// Waited in the queue, and were dropped for newer ones or because the subscription ended.
    pub dropped: u64,
    /// Found the queue full and were not queued.
    pub rejected: u64,
}

/// How one subscriber is doing, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriberStatus {
    /// The plugin's `tenant/namespace:name#instance`, or `application` and a number.
    pub name: String,
    /// Events that wait.
    pub waiting: usize,
    /// Bytes of those.
    pub waiting_bytes: usize,
    /// What happens where its queue is full.
    pub overflow: Overflow,
    /// What became of the others since it subscribed.
    pub counts: EventCounts,
    /// The same for durable events, of a plugin in a host that keeps some. They are in none of the other numbers.
    pub durable: Option<DurableStatus>,
}

/// The same while it is counted.
#[derive(Default)]
pub(super) struct Counting {
    queued: AtomicU64,
    ended: [AtomicU64; End::COUNT],
    rejected: AtomicU64,
}

/// How a queued event ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Handled,
    Refused,
    Faulted,
    Lost,
    Dropped,
}

impl End {
    const COUNT: usize = 5;
}

impl Counting {
    pub(super) fn queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, events: u64, end: End) {
        self.ended[end as usize].fetch_add(events, Ordering::Relaxed);
    }

    pub(super) fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> EventCounts {
        let ended = |end: End| self.ended[end as usize].load(Ordering::Relaxed);
        EventCounts {
            queued: self.queued.load(Ordering::Relaxed),
            handled: ended(End::Handled),
            refused: ended(End::Refused),
            faulted: ended(End::Faulted),
            lost: ended(End::Lost),
            dropped: ended(End::Dropped),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }
}
