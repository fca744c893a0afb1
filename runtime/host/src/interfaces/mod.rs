//! The interfaces this host can define, each in a file of its own. Nothing here decides whether it may: see `link`.

pub mod bindings;
pub mod blob;
mod blob_wire;
pub(crate) mod caller;
pub(crate) mod clocks;
pub(crate) mod config;
pub(crate) mod deny;
mod events;
mod fetch;
pub mod filesystem;
pub mod handover;
pub mod http;
pub mod keyvalue;
pub(crate) mod lifecycle;
pub(crate) mod log;
pub(crate) mod random;
pub mod secrets;
mod shadow;
pub(crate) mod stdio;
pub mod storage;
pub(crate) mod wasi;

pub use blob_wire::link_blobstore;
pub(crate) use events::link_events;
pub use fetch::link_fetch;
pub use http::{link_client, link_outgoing};
pub use keyvalue::link_keyvalue;
pub use secrets::link_secrets;
