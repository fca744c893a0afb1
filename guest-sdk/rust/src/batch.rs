//! A batch as a plugin reads and makes it: rows of named columns in the Arrow columnar format.
//!
//! A `Batch` has always been validated: one that came from the host once when it arrived, one made here because the
//! builders cannot make a wrong one. Reading values is in `values`; filling row by row is in `builder`. The buffers are
//! the contract's own, so nothing is copied on the way in or out.

use plugwork_core::table::limits::{BUFFER_BYTES_MAX, ROWS_MAX};
use plugwork_core::table::{ColumnRef, Format, validate};

use crate::bindings::types;
use crate::refusal::{Refusal, Result};

/// The most rows a batch may have.
pub const BATCH_ROWS_MAX: usize = ROWS_MAX as usize;

/// The most bytes that all buffers of a batch may have together: 1 MiB.
pub const BATCH_BYTES_MAX: usize = BUFFER_BYTES_MAX as usize;

/// Some rows of a table; at most 8,192 rows, 256 columns and 1 MiB.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    raw: types::Batch,
}

impl Batch {
    /// A batch of these columns, all of which have `rows` values.
    ///
    /// # Errors
    /// `invalid` where lengths differ, a name comes twice, or a limit is passed.
    pub fn new(rows: usize, columns: impl IntoIterator<Item = Column>) -> Result<Self> {
        let columns = columns.into_iter().map(|column| column.raw).collect();
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        Self::from_raw(types::Batch { rows, columns })
    }

    /// Validates what came over the boundary.
    pub(crate) fn from_raw(raw: types::Batch) -> Result<Self> {
        validate(raw.rows, raw.columns.iter().map(column_ref))?;
        Ok(Self { raw })
    }

    /// What the builders made, which cannot be wrong; checked anyway in a plugin's own tests.
    pub(crate) fn from_builder(raw: types::Batch) -> Self {
        debug_assert_eq!(validate(raw.rows, raw.columns.iter().map(column_ref)).err(), None);
        Self { raw }
    }

    pub(crate) fn into_raw(self) -> types::Batch {
        self.raw
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.raw.rows as usize
    }

    /// Bytes in all buffers.
    pub fn bytes(&self) -> usize {
        self.raw.columns.iter().map(buffer_bytes).sum()
    }

    /// The columns in their order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = ColumnView<'_>> {
        self.raw.columns.iter().map(|raw| ColumnView { rows: self.rows(), raw })
    }

    /// The column of that name, where there is one.
    pub fn find(&self, name: &str) -> Option<ColumnView<'_>> {
        self.columns().find(|column| column.name() == name)
    }

    /// The column of that name.
    ///
    /// # Errors
    /// `invalid`, with the names that there are.
    pub fn column(&self, name: &str) -> Result<ColumnView<'_>> {
        self.find(name).ok_or_else(|| {
            let names: Vec<_> = self.columns().map(|column| format!("`{}`", column.name())).collect();
            Refusal::invalid("no such column", format!("column `{name}`"), format!("one of {}", names.join(", ")))
        })
    }

    /// The same batch with one column more, or with the column of that name replaced.
    ///
    /// # Errors
    /// `invalid` where the column has other rows or the batch becomes too large.
    pub fn with(mut self, column: Column) -> Result<Self> {
        match self.raw.columns.iter_mut().find(|old| old.name == column.raw.name) {
            Some(old) => *old = column.raw,
            None => self.raw.columns.push(column.raw),
        }
        Self::from_raw(self.raw)
    }

    /// The columns as an owner can take them apart.
    pub fn into_columns(self) -> impl ExactSizeIterator<Item = Column> {
        self.raw.columns.into_iter().map(|raw| Column { raw })
    }
}

/// One column of its own: a name, a format, and buffers. Made by the constructors in `builder`.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub(crate) raw: types::Column,
}

impl Column {
    /// A column from buffers in the Arrow format, for formats that have no constructor of their own; the batch that it
    /// goes into validates it.
    pub fn from_buffers(
        name: impl Into<String>,
        format: impl Into<String>,
        validity: Option<Vec<u8>>,
        offsets: Option<Vec<u8>>,
        values: Vec<u8>,
    ) -> Self {
        Self { raw: types::Column { name: name.into(), format: format.into(), validity, offsets, values } }
    }

    /// The same column under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.raw.name = name.into();
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.raw.name
    }
}

/// A column of a batch, borrowed and known to be valid.
#[derive(Clone, Copy, Debug)]
pub struct ColumnView<'a> {
    pub(crate) rows: usize,
    pub(crate) raw: &'a types::Column,
}

impl<'a> ColumnView<'a> {
    /// The name.
    pub fn name(&self) -> &'a str {
        &self.raw.name
    }

    /// The Arrow format string, such as `g`.
    pub fn format_text(&self) -> &'a str {
        &self.raw.format
    }

    /// The format, for a `match`.
    pub fn format(&self) -> Format<'a> {
        Format::parse(&self.raw.format).expect("a `Batch` is made only of columns that passed `validate`")
    }

    /// Rows, nulls included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A copy that stands alone.
    pub fn to_column(&self) -> Column {
        Column { raw: self.raw.clone() }
    }
}

fn column_ref(raw: &types::Column) -> ColumnRef<'_> {
    ColumnRef {
        name: &raw.name,
        format: &raw.format,
        validity: raw.validity.as_deref(),
        offsets: raw.offsets.as_deref(),
        values: &raw.values,
    }
}

fn buffer_bytes(raw: &types::Column) -> usize {
    raw.values.len() + raw.offsets.as_ref().map_or(0, Vec::len) + raw.validity.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_answered_with_the_names_there_are() {
        let batch = Batch::new(1, [Column::f64s("mag", [4.5]), Column::texts("net", ["us"])]).unwrap();
        assert_eq!(batch.column("magnitude").unwrap_err().to_string(), "column `magnitude`: no such column; expected one of `mag`, `net`");
    }

    #[test]
    fn a_batch_that_lies_about_its_rows_is_refused() {
        assert!(Batch::new(2, [Column::f64s("mag", [4.5])]).is_err());
    }

    #[test]
    fn rows_are_limited_to_8192() {
        assert!(Batch::new(8_192, [Column::i64s("n", vec![0; 8_192])]).is_ok());
        assert!(Batch::new(8_193, [Column::i64s("n", vec![0; 8_193])]).is_err());
    }

    #[test]
    fn a_column_of_the_same_name_is_replaced() {
        let batch = Batch::new(1, [Column::f64s("mag", [4.5])]).unwrap();
        let batch = batch.with(Column::f64s("mag", [5.0])).unwrap();
        assert_eq!(batch.columns().len(), 1);
        assert_eq!(batch.column("mag").unwrap().f64s().unwrap().get(0), Some(5.0));
    }
}
