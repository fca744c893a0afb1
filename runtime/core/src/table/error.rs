//! What is wrong with a batch: which column, what was found, what was expected.
//!
//! The three texts fit `plugwork:plugin/refusal`'s `issue` (what, where, expected). Names come from an untrusted
//! batch: everything printed here is escaped and cut, so a message is always one short line.

use std::fmt;

use super::limits::{BUFFER_BYTES_MAX, COLUMNS_MAX, NAME_BYTES_MAX, ROWS_MAX};

/// Why a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The column at fault; `None` when it is the batch as a whole. Boxed with the rest to keep the error small.
    pub(super) inner: Box<(Option<ColumnPlace>, TableProblem)>,
}

/// Where a column stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnPlace {
    /// Position in the batch, from 0.
    pub index: usize,
    /// Name as the batch gives it, untrusted, cut after 128 bytes.
    pub name: String,
}

/// What was found where something else was expected. Sizes are bytes unless the field says rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the buffers and units that the variants describe")]
pub enum TableProblem {
    /// More rows than [`ROWS_MAX`].
    TooManyRows { rows: u32 },
    /// More columns than [`COLUMNS_MAX`].
    TooManyColumns,
    /// The buffers up to and with this column are more than [`BUFFER_BYTES_MAX`].
    TooManyBytes { bytes: u64 },
    /// A name that is empty or longer than [`NAME_BYTES_MAX`].
    NameLength { bytes: usize },
    /// Two columns of one name.
    NameTwice { first_index: usize },
    /// A format string that the contract does not name.
    FormatUnknown { format: String },
    /// The validity buffer is not ceil(rows / 8) bytes.
    ValidityLength { bytes: usize, expected: usize },
    /// Text or bytes without offsets.
    OffsetsMissing,
    /// Offsets on a format that has none.
    OffsetsUnexpected,
    /// The offsets buffer is not 4 × (rows + 1) bytes.
    OffsetsLength { bytes: usize, expected: usize },
    /// The first offset is not 0.
    OffsetsStart { offset: i32 },
    /// An offset is less than the one before it (or negative, which is the same after a first 0).
    OffsetsFall { row: usize, from: i32, to: i32 },
    /// An offset points past the last byte of `values`.
    OffsetsPastEnd { row: usize, offset: i32, bytes: usize },
    /// The last offset is before the last byte of `values`: bytes that belong to no row.
    OffsetsEnd { offset: i32, bytes: usize },
    /// The values buffer has not the length that rows and format give.
    ValuesLength { bytes: usize, expected: usize },
    /// The texts are not UTF-8.
    TextNotUtf8 { byte: usize },
    /// The texts are UTF-8, but an offset cuts a character in two.
    TextCut { row: usize, byte: usize },
    /// A decimal with more digits than its format's precision.
    DecimalTooWide { row: usize, precision: u8 },
    /// Another number of columns than the first batch of the table had.
    SchemaColumns { columns: usize, expected: usize },
    /// Another name than the first batch had at this place.
    SchemaName { expected: String },
    /// Another format than the first batch had at this place.
    SchemaFormat { format: String, expected: String },
}

impl TableError {
    pub(super) fn batch(problem: TableProblem) -> Self {
        Self { inner: Box::new((None, problem)) }
    }

    pub(super) fn column(index: usize, name: &str, problem: TableProblem) -> Self {
        let place = ColumnPlace { index, name: cut(name, NAME_BYTES_MAX).to_owned() };
        Self { inner: Box::new((Some(place), problem)) }
    }

    /// The column at fault; `None` when it is the batch as a whole.
    pub fn place(&self) -> Option<&ColumnPlace> {
        self.inner.0.as_ref()
    }

    /// What was found, for branching.
    pub fn problem(&self) -> &TableProblem {
        &self.inner.1
    }

    /// Where, in words: ``column `depth` `` or `batch`. The `where` of an `issue`.
    pub fn at(&self) -> String {
        match self.place() {
            None => "batch".into(),
            Some(place) if place.name.is_empty() => format!("column {}", place.index),
            Some(place) => format!("column `{}`", printable(&place.name)),
        }
    }

    /// What was found, in words. The `what` of an `issue`.
    pub fn what(&self) -> String {
        use TableProblem as P;
        match self.problem() {
            P::TooManyRows { rows } => format!("has {rows} rows"),
            P::TooManyColumns => "has too many columns".into(),
            P::TooManyBytes { bytes } => format!("the buffers together hold {bytes} bytes or more"),
            P::NameLength { bytes } => format!("the name has {bytes} bytes"),
            P::NameTwice { first_index } => format!("the name is also that of column {first_index}"),
            P::FormatUnknown { format } => format!("the format `{}` is not known", printable(format)),
            P::ValidityLength { bytes, .. } => format!("`validity` holds {bytes} bytes"),
            P::OffsetsMissing => "`offsets` is missing".into(),
            P::OffsetsUnexpected => "`offsets` is present".into(),
            P::OffsetsLength { bytes, .. } => format!("`offsets` holds {bytes} bytes"),
            P::OffsetsStart { offset } => format!("the first offset is {offset}"),
            P::OffsetsFall { row, from, to } => format!("the offsets fall from {from} to {to} at row {row}"),
            P::OffsetsPastEnd { row, offset, bytes } => {
                format!("row {row} ends at byte {offset}, but `values` holds {bytes} bytes")
            }
            P::OffsetsEnd { offset, bytes } => format!("the last offset is {offset}, but `values` holds {bytes} bytes"),
            P::ValuesLength { bytes, .. } => format!("`values` holds {bytes} bytes"),
            P::TextNotUtf8 { byte } => format!("`values` is not UTF-8 at byte {byte}"),
            P::TextCut { row, byte } => format!("row {row} ends within a character, at byte {byte}"),
            P::DecimalTooWide { row, precision } => {
                format!("the decimal of row {row} has more than {precision} digits")
            }
            P::SchemaColumns { columns, .. } => format!("has {columns} columns"),
            P::SchemaName { .. } => "the name differs from the first batch".into(),
            P::SchemaFormat { format, .. } => format!("the format is `{}`", printable(format)),
        }
    }

    /// What would have been right, in words. The `expected` of an `issue`.
    pub fn expected(&self) -> String {
        use TableProblem as P;
        match self.problem() {
            P::TooManyRows { .. } => format!("at most {ROWS_MAX} rows; send the rest in further batches"),
            P::TooManyColumns => format!("at most {COLUMNS_MAX} columns"),
            P::TooManyBytes { .. } => format!("at most {BUFFER_BYTES_MAX} bytes; send fewer rows in one batch"),
            P::NameLength { .. } => format!("1 to {NAME_BYTES_MAX} bytes"),
            P::NameTwice { .. } => "every name once".into(),
            P::FormatUnknown { .. } => {
                "one of b c C s S i I l L f g u z tdD tdm tss:Z tsm:Z tsu:Z tsn:Z d:P,S (P 1 to 38, S 0 to P)".into()
            }
            P::ValidityLength { expected, .. } => format!("{expected}: one bit a row"),
            P::OffsetsMissing => "4 × (rows + 1) bytes for `u` and `z`".into(),
            P::OffsetsUnexpected => "offsets for `u` and `z` only".into(),
            P::OffsetsLength { expected, .. } => format!("{expected}: 4 × (rows + 1)"),
            P::OffsetsStart { .. } => "0".into(),
            P::OffsetsFall { .. } => "offsets that never fall and are never negative".into(),
            P::OffsetsPastEnd { .. } | P::OffsetsEnd { .. } => "a last offset equal to the length of `values`".into(),
            P::ValuesLength { expected, .. } => format!("{expected}, from rows and format"),
            P::TextNotUtf8 { .. } => "UTF-8, or the format `z` for bytes".into(),
            P::TextCut { .. } => "offsets on character boundaries".into(),
            P::DecimalTooWide { precision, .. } => format!("at most {precision} digits"),
            P::SchemaColumns { expected, .. } => format!("{expected}, as in the first batch"),
            P::SchemaName { expected } => format!("`{}`, as in the first batch", printable(expected)),
            P::SchemaFormat { expected, .. } => format!("`{}`, as in the first batch", printable(expected)),
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; expected {}", self.at(), self.what(), self.expected())
    }
}

impl std::error::Error for TableError {}

/// The longest prefix of at most `bytes_max` bytes that ends on a character boundary.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn printable(text: &str) -> impl fmt::Display {
    cut(text, NAME_BYTES_MAX).escape_debug()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_column_finding_and_expectation() {
        let error = TableError::column(2, "depth", TableProblem::ValuesLength { bytes: 12, expected: 16 });
        assert_eq!(error.to_string(), "column `depth`: `values` holds 12 bytes; expected 16, from rows and format");
    }

    #[test]
    fn a_hostile_name_cannot_break_the_line() {
        let error = TableError::column(0, "a\n\u{1b}[31m`", TableProblem::OffsetsMissing);
        assert!(!error.to_string().contains(|found: char| found.is_control()));
    }
}
