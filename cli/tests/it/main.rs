//! What the command promises: what it prints, where, and with which exit code. Every test starts the real binary.
//!
//! Most components are made here from text; tests on real plugins need `cargo xtask guests` first and say so when they are missing.
//! Nothing is taken from the machine: each test has a folder of its own, also for the command's state.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod build;
mod cache;
mod call;
#[path = "../../../host-adapters/edge/tests/it/certificate.rs"]
#[allow(dead_code, reason = "only its files are used here")]
mod certificate;
mod check;
mod component;
mod consent;
mod dev;
mod explain;
mod grants;
mod help;
mod inspect;
mod killed;
mod life;
mod live;
mod logs;
mod obey;
mod operate;
mod place;
mod resolve;
mod run;
mod seen;
mod serve;
mod state;
mod terminal;
mod verify;
mod why;
