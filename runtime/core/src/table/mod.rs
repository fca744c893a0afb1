//! The one validator and reader for batches in the Arrow columnar format (`plugwork:table/types`).
//!
//! Here: the limits, the format strings, [`validate`], the typed reader of what was validated, the comparison of
//! schemas between batches, and a JSON preview. Not here: building batches (the SDKs), files, Arrow arrays.
//!
//! What a reader may get wrong: a batch is hostile until [`validate`] has returned it as [`Checked`]. Only a
//! `Checked` can be read, and everything in it can be read completely; there is no second way in.

pub mod calendar;
mod error;
mod format;
pub mod limits;
mod preview;
mod read;
mod schema;
mod validate;

pub use error::{ColumnPlace, TableError, TableProblem};
pub use format::{Format, TimeUnit};
pub use read::{Cell, Element, ReadError, Values};
pub use schema::{Schema, SchemaColumn};
pub use validate::{Checked, CheckedColumn, ColumnRef, validate};

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
