//! The words and rules of plugwork: pure data and pure decisions, shared by every host and by the browser.
//!
//! Nothing here can tell the time, open a file, spawn, or draw randomness; it also builds for wasm32. What carries a
//! decision out lives elsewhere: the linker in `plugwork`, the effects in `plugwork-capabilities`.

#![forbid(unsafe_code)]

pub mod application;
pub mod authorize;
pub mod breaker;
pub mod capacity;
pub mod chain;
pub mod clock;
pub mod compile_limits;
#[cfg(feature = "records")]
pub mod consent;
pub mod dependency;
pub mod deployment;
pub mod difference;
pub mod digest;
pub mod dispatch;
pub mod events;
pub mod fault;
pub mod grant;
pub mod guard;
pub mod interface;
pub mod lent;
pub mod lifecycle;
pub mod limits;
#[cfg(feature = "resolve")]
pub mod lock;
pub mod manifest;
#[cfg(feature = "records")]
pub mod metering;
pub mod name;
pub mod permission;
pub mod policy;
pub mod reach;
#[cfg(feature = "records")]
pub mod record;
pub mod refusal;
#[cfg(feature = "resolve")]
pub mod resolve;
pub mod rollback;
pub mod route;
pub mod section;
pub mod set_off;
pub mod sources;
#[cfg(feature = "resolve")]
pub mod startup;
pub mod subject;
pub mod table;
pub mod text;
pub mod trace;
#[cfg(feature = "resolve")]
pub mod why;

pub use clock::Clock;
pub use compile_limits::{CompileFailure, CompileLimits};
#[cfg(feature = "records")]
pub use consent::Standing;
pub use dependency::{Dependency, Target};
pub use difference::Difference;
pub use digest::{Digest, Hasher};
pub use fault::Fault;
pub use grant::{Grant, Grants};
pub use interface::InterfaceName;
pub use limits::Limits;
pub use manifest::Manifest;
pub use name::PackageName;
pub use permission::Permission;
pub use refusal::{Denial, Issue, Problem, Refusal};
pub use subject::Subject;
