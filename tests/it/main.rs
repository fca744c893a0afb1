//! What the whole of plugwork promises, tried with real guests in three languages. Rules of one crate are tested in that crate.
//!
//! One thing to know: the guests of `tests/guests` are built at first use; the example plugins must be there
//! (`cargo xtask guests`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod analyses;
mod counter;
mod doorkeeper;
mod dying;
mod features;
mod filesystem;
mod http;
mod http_contract;
mod languages;
mod plugins;
mod puppets;
mod quota;
mod reach;
mod server;
mod stores;
mod tables;
mod vectors;
mod world;
