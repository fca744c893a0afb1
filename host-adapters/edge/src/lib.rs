//! The edge server: applications of plugins that answer HTTP, deployed as numbered sets, behind listeners with TLS and without.
//!
//! The order of things: a [`Node`] prepares the plugins of an application beside what is served, puts a deployment on record and makes it live in
//! one step ([`node`]); a [`Server`] takes connections within limits and gives each request to the plugin of its route ([`server`]);
//! operators have a listener of their own ([`admin`]). Here are no rules of what may be deployed or which route wins: those are `plugwork-core`'s.

#![forbid(unsafe_code)]
// The types of the engine are nested deeper than the usual limit once a server's own are around them.
#![recursion_limit = "256"]

mod access;
pub mod admin;
mod budget;
mod components;
mod connection;
mod crowd;
mod finding;
mod gate;
pub mod identity;
mod intake;
mod listen;
mod live;
pub mod metrics;
mod mount;
pub mod node;
mod pace;
mod rate;
mod request;
mod secrets;
mod sending;
pub mod server;
mod settings;
mod share;
mod socket;
mod stable;
mod text;
mod tls;
mod trace;
mod usage;
mod wire;

pub use access::{Access, AccessLog};
pub use components::{Components, ComponentsError};
pub use identity::{Checks, Identify, Unidentified};
pub use listen::{Address, Listen};
pub use node::{Deploy, DeployError, Node, NotServed};
pub use secrets::DeclaredSecrets;
pub use server::Server;
pub use settings::Settings;
pub use stable::Stable;
pub use text::Text;
pub use tls::{Tls, TlsFiles};
pub use trace::{Destination, Tracing, TracingError};
pub use usage::Metering;
