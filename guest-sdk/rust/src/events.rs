//! Events: publishing them, and choosing which to receive.
//!
//! A plugin that calls anything in here imports `plugwork:host/events`, and needs `[permissions.events]` with the topics that go `out` and come `in`.
//! Receiving is the point [`EventHandler`], and needs nothing of this: easily got wrong is that the first [`subscribe`] ends
//! that everything granted comes.

pub use crate::points::{Event, EventHandler};
use crate::refusal::Result;

/// Publishes one event, at most 64 KiB. `denied` for a topic that is not granted, for too many in a second, and where it would go on for ever (the
/// hop limit); `unavailable` where the queue of a subscriber who wants to be asked is full. One of a topic that the host
/// declared durable is kept when this returns; `unavailable` where it could not be.
#[cfg(target_arch = "wasm32")]
pub fn emit(topic: &str, payload: &[u8]) -> Result<()> {
    crate::bindings::events::emit(topic, payload)
}

/// From the first on the plugin receives only what it subscribed to. The same pattern again is the same subscription.
#[cfg(target_arch = "wasm32")]
pub fn subscribe(pattern: &str) -> Result<u32> {
    crate::bindings::events::subscribe(pattern)
}

/// As [`subscribe`], for one event.
#[cfg(target_arch = "wasm32")]
pub fn once(pattern: &str) -> Result<u32> {
    crate::bindings::events::once(pattern)
}

/// Tells the plugin again of the durable events that follow a sequence, as far as it receives them anyhow, after the call that is under way. Gives
/// the sequence from which on that is: greater than `after` where what lies between is gone or was not granted yet.
#[cfg(target_arch = "wasm32")]
pub fn replay(after: u64) -> Result<u64> {
    crate::bindings::events::replay(after)
}

/// Ends a subscription.
#[cfg(target_arch = "wasm32")]
pub fn unsubscribe(subscription: u32) -> Result<()> {
    crate::bindings::events::unsubscribe(subscription)
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn emit(topic: &str, _: &[u8]) -> Result<()> {
    Err(crate::refusal::Refusal::unavailable(format!("no host to publish `{topic}` on")))
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn subscribe(pattern: &str) -> Result<u32> {
    Err(crate::refusal::Refusal::unavailable(format!("no host to hear `{pattern}` from")))
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn once(pattern: &str) -> Result<u32> {
    subscribe(pattern)
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn replay(after: u64) -> Result<u64> {
    Err(crate::refusal::Refusal::unavailable(format!("no host that keeps what follows {after}")))
}

/// Refuses: outside WebAssembly there is no host.
#[cfg(not(target_arch = "wasm32"))]
pub fn unsubscribe(subscription: u32) -> Result<()> {
    Err(crate::refusal::Refusal::unavailable(format!("no host that has a subscription {subscription}")))
}
