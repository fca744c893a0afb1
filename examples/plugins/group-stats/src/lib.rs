//! Statistics of any table by group: count, nulls, mean, smallest, largest and quantiles, in memory that does not grow with
//! the number of rows.
//!
//! Lives here: the contents page. `statistics` is the analysis, pure and native like any library, so that a benchmark can
//! run the same loop with and without a component around it; `plugin` and `buffers` put the component around it. May be
//! misread: without the feature `plugin`, which the component is built with, the library has no dependencies at all.

#[cfg(feature = "plugin")]
mod buffers;
pub mod column;
mod issue;
mod keys;
#[cfg(feature = "plugin")]
pub mod plugin;
mod result;
pub mod sketch;
mod statistics;

pub use column::Column;
pub use issue::Issue;
pub use keys::KEY_BYTES_MAX;
pub use result::{OwnedColumn, Table};
pub use statistics::{Plan, Statistics};

#[cfg(feature = "plugin")]
plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    analyzer: plugin::GroupStats,
}

#[cfg(test)]
mod tests;
