//! The promise of the `plugwork` crate: what is refused, what is linked, what every limit does, and that one plugin's fault harms nobody else.
//!
//! One binary. Guests are component text (`guest.rs`), so that each test shows the whole plugin it speaks of. Guests in real languages
//! are the product tests' subject, not this crate's.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod accounts;
mod again;
mod allocation;
mod breaking;
mod broken;
mod cache;
mod canary;
mod carrying;
mod compile;
mod consent;
mod crossing;
mod denials;
mod density;
mod dispatch;
mod dispatching;
mod durable;
mod dynamic;
mod ending;
mod entitled;
mod eventing;
mod events;
mod expiring;
mod fairness;
mod faults;
mod fused;
mod fuzz;
mod guarding;
mod guest;
mod hooks;
mod installations;
mod keeping;
mod killed;
mod lanes;
mod lasting;
mod limits;
mod linking;
mod living;
mod log;
mod lost;
mod maps;
mod natives;
mod obeying;
mod offers;
mod ordered;
mod races;
mod replacing;
mod reuse;
mod rolling_back;
mod scarcity;
mod sessions;
mod smith;
mod starting;
mod steered;
mod storms;
mod unrecorded;
mod updating;
mod waiting;
mod wired_handles;
mod wired_rights;
mod wiring;
mod world;
