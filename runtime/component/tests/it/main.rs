//! The promise of plugwork-component: any bytes in, a typed answer out; what is written can be read again.
//!
//! One binary. Components are written in text here and in `components.rs`; big real ones (interpreters) are read by
//! the language tests, which build them.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod components;
mod embedding;
mod folder;
mod fusing;
mod fuzz;
mod indexed;
mod limits;
mod reading;
mod sources;
