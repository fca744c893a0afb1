//! Events between plugins: what one is, how it goes from plugin to plugin, and the bounded queue in which it waits.
//!
//! Pure: what is granted is in [`crate::policy::events`]; who delivers, and when, is the host's business (`docs/events.md`). Easily got wrong: an
//! event that answers another belongs to its chain, and has one hop more.

mod event;
mod lifecycle;
mod queue;

pub use event::{Chain, ENTRY_BYTES, Event, HOST_SOURCE};
pub use lifecycle::{LifecycleEvent, LifecycleTopic};
pub use queue::{Bounds, Overflow, Pushed, Queue};
