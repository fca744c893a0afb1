//! plugwork: run plugins that are WebAssembly components, each linked with exactly what it was granted.
//!
//! The order of things: a [`Runtime`] makes an [`Offer`] of a [`Source`] (read and checked, nothing has run); accepting the
//! offer with [`Grants`] gives a [`Plugin`] (compiled and linked, still nothing has run); a [`Session`] or a
//! [`Dispatch`] calls it through a [`Point`]. There is no other way to load.
//!
//! This crate owns wasmtime. An application that binds its own WIT uses the re-exported [`wasmtime`], so that there is one copy.

mod account;
mod admission;
mod audit;
mod breaker;
mod bucket;
mod builder;
pub mod cache;
mod call;
pub mod capability;
mod cause;
pub mod compile;
mod density;
mod dispatch;
mod drain;
pub mod dynamic;
mod engine;
mod error;
pub mod events;
mod flight;
mod gate;
mod generation;
pub mod guards;
mod hop;
mod housekeeping;
mod inspect;
mod installation;
pub mod interfaces;
mod last_use;
mod lateness;
mod ledger;
mod link;
mod live;
pub mod log;
mod native;
mod observed;
pub mod observer;
mod offer;
mod outlet;
mod plugin;
mod point;
mod reset;
mod room;
mod runtime;
mod session;
mod shelf;
mod source;
mod state;
mod sync;
mod threads;
mod ticker;
mod usage;
mod watch;
mod wiring;

pub use account::{Account, Hold, OpenRequest};
pub use builder::{Builder, Resident};
pub use call::Running;
pub use capability::{Bounds, Capability, Configured};
pub use cause::Cause;
pub use compile::{ChildCompiler, Compiler};
pub use dispatch::{Answer, Dispatch, Every, Origin, Outcome};
pub use engine::{Allocation, Profile, config as engine_config};
pub use error::{Error, ErrorKind, Result};
pub use installation::{Change, Found, Hooks, Installation, Offered, Preload, Replaced, Replacement, Skipped, Start, Started, Status};
pub use ledger::Spend;
pub use native::Native;
pub use observer::Observer;
pub use offer::Offer;
pub use plugin::Plugin;
pub use plugwork_component as component;
pub use plugwork_core as core;
pub use plugwork_core::{Fault, Grants, Limits, Refusal, Standing, Subject};
pub use point::{Call, Point};
pub use reset::PageScan;
pub use runtime::Runtime;
pub use session::Session;
pub use source::Source;
pub use state::State;
pub use threads::{GuestThreads, Job, Lane};
pub use usage::{HostInterface, Storage, Usage};
pub use wasmtime;
pub use wasmtime_wasi;
pub use wasmtime_wasi_http;
