//! The interfaces this host can define, each in a file of its own. Nothing here decides whether it may: see `link`.

pub mod bindings;
pub(crate) mod clocks;
pub(crate) mod config;
pub(crate) mod deny;
mod fetch;
pub mod filesystem;
pub mod http;
pub(crate) mod lifecycle;
pub(crate) mod log;
pub(crate) mod random;
pub(crate) mod stdio;
pub(crate) mod wasi;

pub use fetch::link_fetch;
pub use http::link_outgoing;
