//! What the server promises, over real sockets: what is refused is refused by its code, a deployment is whole or nothing, and no request is lost in a
//! change.
//!
//! The guest is the one of the tests of `plugwork-http`: the letter after the first `/` of the path says what it does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod admin;
mod certificate;
mod collector;
mod crowding;
mod deploying;
mod flooding;
mod frames;
mod fronts;
#[path = "../../../http/tests/it/guest.rs"]
#[allow(dead_code, reason = "of its guests one is used here")]
mod guest;
mod identifying;
mod limiting;
mod observing;
mod pressing;
mod refusing;
mod serving;
mod settling;
mod sharing;
#[path = "../../src/identity/signing.rs"]
mod signing;
mod tenants;
mod world;
