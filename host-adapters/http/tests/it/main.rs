//! What this crate promises: each failure has its status and its code, nothing illegal passes in either direction, and a client that goes away
//! ends the call.
//!
//! The guest of the simple point is text (`guest`), those of WASI are components that Cargo builds (`proxy` for 0.2, `service` and `egress` for 0.3):
//! what each does is chosen by the path it is asked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod asking;
mod at_once;
mod clients;
mod egress;
mod failing;
mod guest;
mod many;
mod places;
mod proxy;
mod refusing;
mod service;
mod serving;
mod streaming;
mod wire;
mod world;
