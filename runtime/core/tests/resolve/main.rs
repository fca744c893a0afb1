//! What the resolver promises: answers that obey every rule, the same verdict as a solver of another kind and as trying everything, and reasons in words.
//!
//! The rules are written down a second time in `checker.rs` and share no code with the crate but its types and the parsing of versions.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod checker;
mod compact;
mod everything;
mod explained;
mod graphs;
mod large;
mod locks;
mod oracle;
mod rules;
mod starting;
