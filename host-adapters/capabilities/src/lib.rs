//! Capabilities with real back ends: what a host can offer to plugins.
//!
//! Offering is not granting: each is given to `Runtime::builder(…).provide(…)` and reaches a plugin only by a grant. Decisions are made in
//! `plugwork_core::policy`; the files here gather facts and obey.

#![forbid(unsafe_code)]

mod blob;
mod clock;
mod config;
mod environment;
mod filesystem;
mod http;
mod keyvalue;
mod random;
mod secrets;

pub use blob::{Blob, FolderBlobs};
pub use clock::Clock;
pub use config::Config;
pub use environment::Environment;
pub use filesystem::Filesystem;
pub use http::{Http, Resolve, Resolved, SystemResolver};
pub use keyvalue::{KeyValue, MemoryStore, SqliteStore};
pub use random::Random;
pub use secrets::{EnvironmentSecrets, FileSecrets, Secrets};
