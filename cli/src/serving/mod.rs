//! The command as an edge server: what `plugwork serve` puts together out of the libraries. No rule of serving lives here.

pub(crate) mod application;
pub(crate) mod config;
pub(crate) mod descriptors;
pub(crate) mod host;
pub(crate) mod log;
pub(crate) mod notify;
pub(crate) mod reload;
pub(crate) mod tracing;
