//! What this crate promises: each failure has its status and its code, nothing illegal passes in either direction, and a client that goes away
//! ends the call.
//!
//! The guests are text (`guest`): what a plugin does is chosen by the path it is asked for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod asking;
mod failing;
mod guest;
mod many;
mod refusing;
mod wire;
mod world;
