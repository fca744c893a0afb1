//! Names and formats of a table's columns, kept from its first batch and compared with every later one.
//!
//! The contract: every batch of one table has the same columns in the same order. Validity does not belong to the
//! schema; one batch may have nulls where another has none.

use super::error::{TableError, TableProblem};
use super::validate::Checked;

/// The columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    columns: Vec<SchemaColumn>,
}

/// Name and format of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaColumn {
    /// The column's name.
    pub name: String,
    /// Arrow format string; [`Format::parse`](super::Format::parse) reads it.
    pub format: String,
}

impl Schema {
    /// The schema of a batch, copied.
    pub fn of(batch: &Checked<'_>) -> Self {
        let column =
            |column: &super::CheckedColumn<'_>| SchemaColumn { name: column.name().to_owned(), format: column.format().to_string() };
        Self { columns: batch.columns().iter().map(column).collect() }
    }

    /// The columns in order.
    pub fn columns(&self) -> &[SchemaColumn] {
        &self.columns
    }

    /// Whether a later batch has the same columns in the same order. Allocates only to report a difference.
    ///
    /// # Errors
    /// The first column that differs, or the number of columns.
    pub fn check(&self, batch: &Checked<'_>) -> Result<(), TableError> {
        for (index, (expected, found)) in self.columns.iter().zip(batch.columns()).enumerate() {
            let refuse = |problem| Err(TableError::column(index, found.name(), problem));
            if found.name() != expected.name {
                return refuse(TableProblem::SchemaName { expected: expected.name.clone() });
            }
            // The raw text is enough: `Format::parse` accepts one spelling of every format.
            if found.raw.format != expected.format {
                let (format, expected) = (found.raw.format.to_owned(), expected.format.clone());
                return refuse(TableProblem::SchemaFormat { format, expected });
            }
        }
        let (columns, expected) = (batch.columns().len(), self.columns.len());
        if columns != expected {
            return Err(TableError::batch(TableProblem::SchemaColumns { columns, expected }));
        }
        Ok(())
    }
}
