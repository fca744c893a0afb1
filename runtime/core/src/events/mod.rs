//! Events between plugins: what one is, how it goes from plugin to plugin, the bounded queue in which it waits, and the outbox that keeps durable ones.
//!
//! Pure: what is granted is in [`crate::policy::events`]; who delivers, and when, is the host's business (`docs/events.md`). Easily got wrong: an
//! event that answers another belongs to its chain, and has one hop more.

mod event;
mod lifecycle;
#[cfg(feature = "records")]
pub mod outbox;
mod queue;
mod trouble;

pub use event::{Chain, ENTRY_BYTES, Event, HOST_SOURCE};
pub use lifecycle::{LifecycleEvent, LifecycleTopic};
pub use queue::{Bounds, Overflow, Pushed, Queue};
pub use trouble::{MISSED_TOPIC, MissedEvent, PARKED_TOPIC, ParkedEvent};
