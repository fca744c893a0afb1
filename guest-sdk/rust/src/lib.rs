//! Write plugwork plugins in Rust.
//!
//! Implement a point ([`DataSource`], [`Transformer`], [`Analyzer`], [`Exporter`], [`Visualization`],
//! [`HttpFunction`](http::HttpFunction), [`EventHandler`](events::EventHandler), [`Guard`](guard::Guard)), read columns of a [`Batch`] as typed slices, make tables with [`TableBuilder`], say no with a [`Refusal`], and name it all once in
//! [`plugin!`]. For an application's own WIT there is [`bindings!`] and [`export!`].
//!
//! One thing to know: a panic in a guest cannot be caught; it ends the instance, and only its message reaches the host.
//! Answer a [`Refusal`] for everything that input can cause.

#![deny(missing_docs)]

mod batch;
#[doc(hidden)]
pub mod bindings;
mod builder;
mod cell;
mod column_builder;
pub mod events;
mod export;
pub mod fetch;
mod field;
pub mod guard;
pub mod http;
pub mod log;
#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
mod memory;
mod options;
mod panic;
mod points;
pub mod refusal;
pub mod secrets;
pub mod time;
mod values;

pub use batch::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Batch, Column, ColumnView};
pub use builder::{Table, TableBuilder};
pub use cell::{Cell, Cells};
pub use field::{Field, Kind, Value};
pub use options::Options;
pub use plugwork_core::table::{Format, TimeUnit};
pub use plugwork_guest_macros::bindings;
pub use points::{Analyzer, Chart, DataSource, Exporter, Handover, Lifecycle, SNAPSHOT_BYTES_MAX, Transformer, Visualization};
pub use refusal::{Refusal, Result, ResultExt};
pub use values::{Bools, Texts, Validity, Values};

/// Everything a plugin usually needs.
pub mod prelude {
    pub use crate::{
        Analyzer, Batch, Chart, Column, DataSource, Exporter, Field, Options, Refusal, Result, ResultExt, Table, TableBuilder, Transformer,
        Value, Visualization, log, row,
    };
}

/// The generator's run time, for the code that `bindings!` writes.
#[doc(hidden)]
pub use wit_bindgen;

/// What the macros write refers to.
#[doc(hidden)]
pub mod __private {
    pub use crate::panic::install as install_panic_hook;
    pub use crate::points::adapters::*;
}
