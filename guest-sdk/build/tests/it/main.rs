//! The promises of `plugwork-build`, kept with real projects and the real Rust toolchain.
//!
//! JavaScript and Python are built by the tests of their SDKs and of the examples; here it is the order of the steps, the cache and the
//! words of the errors. Cargo's target folder is shared with this build's own, so the SDK is compiled once, not once per test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod errors;
mod fixture;
mod remembering;
mod result;
