//! Making tables: row by row with [`TableBuilder`], which cuts batches by itself, or column by column with the
//! constructors of [`Column`].
//!
//! A builder knows its columns from the start and never makes a batch past the limits: when a row would not fit any
//! more, the rows before it become a batch. Only a single row of more than 1 MiB is refused.

use std::collections::VecDeque;

use crate::batch::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Batch, Column};
use crate::bindings::types;
use crate::column_builder::ColumnBuilder;
use crate::field::{Field, Value};
use crate::refusal::{Refusal, Result};

/// Rows in, batches out.
///
/// ```
/// use plugwork_guest::{Field, TableBuilder, row};
/// let mut table = TableBuilder::new([Field::text("network"), Field::i64("events"), Field::f64("b")]);
/// table.push(row!["ci", 168, 0.82])?;
/// table.push(row!["nc", 3, None::<f64>])?;
/// let batch = table.last().expect("two rows");
/// assert_eq!(batch.rows(), 2);
/// assert!(table.last().is_none());
/// # Ok::<(), plugwork_guest::Refusal>(())
/// ```
#[derive(Debug)]
pub struct TableBuilder {
    columns: Vec<ColumnBuilder>,
    rows: usize,
    full: VecDeque<Batch>,
    /// Whether a batch was made: a table without rows still has one, so that its columns are known.
    began: bool,
}

impl TableBuilder {
    /// A table of these columns, in this order.
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        let columns = fields.into_iter().map(ColumnBuilder::new).collect();
        Self { columns, rows: 0, full: VecDeque::new(), began: false }
    }

    /// Adds one row; [`row!`](crate::row) makes it from plain values.
    ///
    /// # Errors
    /// `other` where the row has another number of values than the table has columns, or a value of another type: both
    /// are the plugin's mistakes. `invalid` where the row alone has more than 1 MiB, or a number does not fit its column.
    pub fn push(&mut self, row: &[Value<'_>]) -> Result<()> {
        if row.len() != self.columns.len() {
            let (values, columns) = (row.len(), self.columns.len());
            return Err(Refusal::other(format!("a row of {values} values for a table of {columns} columns")));
        }
        // Checked before anything is added, so that a refused row leaves no half behind.
        let mut row_bytes = 0;
        for (column, value) in self.columns.iter().zip(row) {
            row_bytes += column.check(value)?;
        }
        if self.rows > 0 && self.bytes(self.rows + 1) + row_bytes > BATCH_BYTES_MAX {
            self.cut();
        }
        if self.bytes(1) + row_bytes > BATCH_BYTES_MAX {
            let what = format!("a row of {row_bytes} bytes");
            return Err(Refusal::invalid(what, "", format!("at most {BATCH_BYTES_MAX} bytes")));
        }
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value);
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS_MAX {
            self.cut();
        }
        Ok(())
    }

    /// A batch that is full and waits to be handed on. A source asks after every row.
    pub fn ready(&mut self) -> Option<Batch> {
        self.full.pop_front()
    }

    /// What is left, when there are no more rows: call it until it is none. A table that never had a row gives one
    /// batch of 0 rows.
    pub fn last(&mut self) -> Option<Batch> {
        if self.full.is_empty() && (self.rows > 0 || !self.began) {
            self.cut();
        }
        self.full.pop_front()
    }

    /// The whole table under a name, for an analyzer's `finish`.
    pub fn into_table(mut self, name: impl Into<String>) -> Table {
        let batches = std::iter::from_fn(|| self.last()).collect();
        Table { name: name.into(), batches }
    }

    /// Bytes of all buffers if there were `rows` rows and no new values; what bitmaps may need is counted in full.
    fn bytes(&self, rows: usize) -> usize {
        self.columns.iter().map(|column| column.bytes(rows)).sum()
    }

    fn cut(&mut self) {
        let rows = self.rows;
        let columns = self.columns.iter_mut().map(|column| column.take(rows)).collect();
        let rows = u32::try_from(rows).expect("a batch has at most 8,192 rows");
        self.full.push_back(Batch::from_builder(types::Batch { rows, columns }));
        self.rows = 0;
        self.began = true;
    }
}

/// A table that an analyzer found.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// 1 to 64 characters of `a` to `z`, `0` to `9` and `-`.
    pub name: String,
    /// All with the same columns; at least one.
    pub batches: Vec<Batch>,
}

/// The values of one row, for [`TableBuilder::push`]; an `Option` that is none becomes a null.
#[macro_export]
macro_rules! row {
    ($($value:expr),* $(,)?) => { &[$($crate::Value::from($value)),*] };
}

/// Column by column: each value is a `T` or an `Option<T>`. The batch that the column goes into checks the lengths.
impl Column {
    /// 64 bit floats (`g`).
    pub fn f64s<T: Into<Option<f64>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::f64(name), values)
    }

    /// 64 bit integers (`l`).
    pub fn i64s<T: Into<Option<i64>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::i64(name), values)
    }

    /// 32 bit integers (`i`).
    pub fn i32s<T: Into<Option<i32>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::i32(name), values)
    }

    /// Bools (`b`).
    pub fn bools<T: Into<Option<bool>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::bool(name), values)
    }

    /// Milliseconds since 1970-01-01 UTC (`tsm:UTC`).
    pub fn timestamps_ms<T: Into<Option<i64>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::timestamp_ms(name), values)
    }

    /// Texts (`u`).
    pub fn texts<'a, T: Into<Option<&'a str>>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        column(Field::text(name), values)
    }
}

fn column<'a, T: Into<Option<V>>, V: Into<Value<'a>>>(field: Field, values: impl IntoIterator<Item = T>) -> Column {
    let mut builder = ColumnBuilder::new(field);
    let mut rows = 0;
    for value in values {
        builder.push(&Value::from(value.into()));
        rows += 1;
    }
    Column { raw: builder.take(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(mut table: TableBuilder) -> Vec<usize> {
        std::iter::from_fn(|| table.last()).map(|batch| batch.rows()).collect()
    }

    #[test]
    fn a_table_without_rows_is_one_batch_of_0_rows() {
        assert_eq!(batches(TableBuilder::new([Field::text("a")])), [0]);
    }

    #[test]
    fn a_batch_is_cut_at_8192_rows() {
        let mut table = TableBuilder::new([Field::i64("n")]);
        for n in 0..8_192_i64 {
            assert!(table.ready().is_none());
            table.push(row![n]).unwrap();
        }
        assert_eq!(table.ready().map(|batch| batch.rows()), Some(8_192));
        table.push(row![0]).unwrap();
        assert_eq!(batches(table), [1]);
    }

    #[test]
    fn a_full_last_batch_is_not_followed_by_an_empty_one() {
        let mut table = TableBuilder::new([Field::i64("n")]);
        (0..8_192).for_each(|n| table.push(row![n]).unwrap());
        assert_eq!(batches(table), [8_192]);
    }

    #[test]
    fn a_batch_is_cut_before_it_passes_1_mib() {
        let mut table = TableBuilder::new([Field::text("body"), Field::bool("flag")]);
        let body = "x".repeat(300_000);
        (0..7).for_each(|_| table.push(row![body.as_str(), true]).unwrap());
        assert_eq!(batches(table), [3, 3, 1]);
    }

    #[test]
    fn one_row_past_1_mib_is_refused_and_leaves_nothing_behind() {
        let mut table = TableBuilder::new([Field::i64("n"), Field::text("body")]);
        // 1 MiB less the integer, two offsets and two bitmaps.
        let fits = "x".repeat(BATCH_BYTES_MAX - 8 - 8 - 2);
        table.push(row![1, fits.as_str()]).unwrap();
        assert!(table.push(row![2, format!("{fits}x").as_str()]).is_err());
        assert_eq!(batches(table), [1]);
    }

    #[test]
    fn a_row_of_the_wrong_shape_is_refused() {
        let mut table = TableBuilder::new([Field::i64("n"), Field::text("t")]);
        assert!(table.push(row![1]).is_err());
        let refusal = table.push(row!["1", "2"]).unwrap_err();
        assert_eq!(refusal.to_string(), "column `n` holds 64 bit integers and was given text");
        assert_eq!(batches(table), [0]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let mut table = TableBuilder::new([Field::i32("n")]);
        assert!(table.push(row![i64::from(i32::MAX)]).is_ok());
        assert!(table.push(row![i64::from(i32::MAX) + 1]).is_err());
    }
}
