//! What the crate promises from outside: every vector holds, grants only narrow, and nothing that decides can be talked round.
//!
//! Reference answers in `oracle.rs` are written from the specifications and share no code with the crate. The vectors run once more on wasm32, in
//! `tests/it/vectors.rs` of the repository.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod applications;
mod authorize;
mod bounds;
mod breaker;
mod deployments;
mod difference;
mod grants;
mod hints;
mod lifecycle;
mod manifests;
mod oracle;
mod patterns;
mod policy;
mod route_oracle;
mod routes;
mod vectors;

/// How long a property may take. Its inputs are counted, not timed: on a busy machine as many are tried as on an idle one.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
