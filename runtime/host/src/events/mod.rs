//! Events between plugins and the application: a bus in this process, a bounded queue for each subscriber, deliveries as ordinary guarded calls.
//!
//! What is granted is decided in `core::policy::events`, what a full queue does in `core::events`. `bus` knows who wants which topic, `subscriber` has the
//! queues, `serve` hands events to plugins, `grant` is the capability, `application` what the application sees, `lifecycle` what the host itself
//! publishes; `publish` is the way of an event that is kept first, and `durable` how it is handed over. Easily got wrong: an event never crosses a tenant, and publishing never calls a guest.

mod application;
mod bindings;
mod bus;
mod counts;
mod durable;
mod filter;
mod grant;
mod handler;
mod lifecycle;
mod publish;
mod serve;
mod subscriber;

use plugwork_core::Issue;
use plugwork_core::limits::{EVENT_BLOCK_MS_MAX, EVENT_QUEUE_EVENTS, EVENT_QUEUE_EVENTS_MAX, EVENTS_PER_SECOND};

pub use application::{Events, QueueOptions, Subscription};
pub(crate) use bus::{Bus, Scope};
pub use counts::{EventCounts, SubscriberStatus};
pub(crate) use durable::{Durable, check as check_durable};
pub use durable::{DurableEvents, DurableStatus, DurableSubscription, Told};
pub(crate) use grant::{Emitter, EventsCapability, bounds_of};
pub use handler::EventHandler;
pub use plugwork_core::events::outbox;
pub use plugwork_core::events::{Chain, Event, LifecycleTopic, MISSED_TOPIC, Overflow, PARKED_TOPIC};

/// What holds for plugins whose grant does not say otherwise, and how long publishers wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventsSettings {
    /// Events that one plugin may publish in a second, saved up for one second. 10,000.
    pub per_second: u64,
    /// Events that may wait for one plugin, 1 to 65,536. 1,024.
    pub queue_events: u32,
    /// How long publishing waits for a queue that is full and blocks. Milliseconds, 0 to 1,000; 1,000. Past it the event is rejected.
    pub block_ms: u64,
}

impl Default for EventsSettings {
    fn default() -> Self {
        Self { per_second: EVENTS_PER_SECOND, queue_events: EVENT_QUEUE_EVENTS, block_ms: EVENT_BLOCK_MS_MAX }
    }
}

impl EventsSettings {
    /// Whether each lies in its range.
    pub(crate) fn check(&self) -> Result<(), Issue> {
        let wrong = |what: String, at: &str, expected: String| Err(Issue { what, at: at.to_owned(), expected });
        if !(1..=EVENT_QUEUE_EVENTS_MAX).contains(&self.queue_events) {
            return wrong(self.queue_events.to_string(), "queue-events", format!("1 to {EVENT_QUEUE_EVENTS_MAX}"));
        }
        if self.block_ms > EVENT_BLOCK_MS_MAX {
            return wrong(self.block_ms.to_string(), "block-ms", format!("0 to {EVENT_BLOCK_MS_MAX}"));
        }
        Ok(())
    }
}
