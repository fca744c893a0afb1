//! The decision whether a batch is what it says: [`validate`] turns borrowed buffers into [`Checked`].
//!
//! Every check is linear in the bytes given and stops at the first lie. Nothing is copied. What may surprise: bits
//! after the last row (of `validity` and of bool values) and values under a null are not looked at, as Arrow leaves
//! them undefined; texts under a null must still be UTF-8, because all texts are checked as one buffer.

use std::collections::BTreeMap;

use super::error::{TableError, TableProblem, cut};
use super::format::Format;
use super::limits::{BUFFER_BYTES_MAX, COLUMNS_MAX, NAME_BYTES_MAX, ROWS_MAX};

/// One column as it came, borrowed: fits the host's and the SDKs' generated types without a copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColumnRef<'a> {
    /// 1 to 128 bytes, unique within the batch.
    pub name: &'a str,
    /// Arrow format string, see [`Format::parse`].
    pub format: &'a str,
    /// One bit a row, 1 for present; `None` when nothing is null.
    pub validity: Option<&'a [u8]>,
    /// rows + 1 signed 32 bit little endian integers, for `u` and `z` only.
    pub offsets: Option<&'a [u8]>,
    /// The values, little endian and dense.
    pub values: &'a [u8],
}

/// A batch that keeps every promise of the contract, still borrowed from where it came.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    rows: u32,
    columns: Vec<CheckedColumn<'a>>,
    buffer_bytes: u64,
}

/// One column of a [`Checked`] batch; read it with the methods in `read.rs`.
#[derive(Clone, Copy, Debug)]
pub struct CheckedColumn<'a> {
    pub(super) rows: usize,
    pub(super) format: Format<'a>,
    pub(super) raw: ColumnRef<'a>,
}

/// Checks a batch against the contract (`wit/table/types.wit`) and gives back a view that can be read completely.
///
/// # Errors
/// The first thing found wrong, with the column's name. The iterator is not asked for more than
/// [`COLUMNS_MAX`] + 1 columns.
pub fn validate<'a>(rows: u32, columns: impl IntoIterator<Item = ColumnRef<'a>>) -> Result<Checked<'a>, TableError> {
    if rows > ROWS_MAX {
        return Err(TableError::batch(TableProblem::TooManyRows { rows }));
    }
    let mut checked = Checked { rows, columns: Vec::new(), buffer_bytes: 0 };
    let mut names = BTreeMap::new();
    for (index, column) in columns.into_iter().enumerate() {
        if index == COLUMNS_MAX {
            return Err(TableError::batch(TableProblem::TooManyColumns));
        }
        let refuse = |problem| TableError::column(index, column.name, problem);
        check_name(column.name).map_err(refuse)?;
        if let Some(first_index) = names.insert(column.name, index) {
            return Err(refuse(TableProblem::NameTwice { first_index }));
        }
        // Before any buffer is read, so that the work is bounded by the limit and not by what was sent.
        checked.buffer_bytes += buffer_bytes(&column);
        if checked.buffer_bytes > BUFFER_BYTES_MAX {
            return Err(refuse(TableProblem::TooManyBytes { bytes: checked.buffer_bytes }));
        }
        checked.columns.push(check_column(rows as usize, column).map_err(refuse)?);
    }
    Ok(checked)
}

impl<'a> Checked<'a> {
    /// Rows of every column, 0 to 8,192.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The columns, in the order of the batch.
    pub fn columns(&self) -> &[CheckedColumn<'a>] {
        &self.columns
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&CheckedColumn<'a>> {
        self.columns.iter().find(|column| column.raw.name == name)
    }

    /// Bytes over all buffers, at most 1 MiB.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffer_bytes
    }
}

fn buffer_bytes(column: &ColumnRef<'_>) -> u64 {
    // Saturating: views may overlap, so even impossible sums must not wrap on a 32 bit guest.
    [column.validity.unwrap_or_default(), column.offsets.unwrap_or_default(), column.values]
        .iter()
        .fold(0, |sum: u64, buffer| sum.saturating_add(buffer.len() as u64))
}

fn check_name(name: &str) -> Result<(), TableProblem> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(TableProblem::NameLength { bytes: name.len() });
    }
    Ok(())
}

fn check_column(rows: usize, raw: ColumnRef<'_>) -> Result<CheckedColumn<'_>, TableProblem> {
    let format =
        Format::parse(raw.format).ok_or_else(|| TableProblem::FormatUnknown { format: cut(raw.format, NAME_BYTES_MAX).to_owned() })?;
    let bitmap_bytes = rows.div_ceil(8);
    if let Some(validity) = raw.validity
        && validity.len() != bitmap_bytes
    {
        return Err(TableProblem::ValidityLength { bytes: validity.len(), expected: bitmap_bytes });
    }
    match (format.has_offsets(), raw.offsets) {
        (true, Some(offsets)) => {
            check_offsets(rows, offsets, raw.values)?;
            if format == Format::Text {
                check_text(offsets, raw.values)?;
            }
        }
        (true, None) => return Err(TableProblem::OffsetsMissing),
        (false, Some(_)) => return Err(TableProblem::OffsetsUnexpected),
        (false, None) => {
            let expected = format.width().map_or(bitmap_bytes, |width| rows * width);
            if raw.values.len() != expected {
                return Err(TableProblem::ValuesLength { bytes: raw.values.len(), expected });
            }
        }
    }
    let column = CheckedColumn { rows, format, raw };
    if let Format::Decimal { precision, .. } = format {
        check_decimals(&column, precision)?;
    }
    Ok(column)
}

fn check_offsets(rows: usize, offsets: &[u8], values: &[u8]) -> Result<(), TableProblem> {
    let expected = 4 * (rows + 1);
    if offsets.len() != expected {
        return Err(TableProblem::OffsetsLength { bytes: offsets.len(), expected });
    }
    let mut last = 0;
    for (index, offset) in integers(offsets).enumerate() {
        if index == 0 && offset != 0 {
            return Err(TableProblem::OffsetsStart { offset });
        }
        // Offset `index` ends row `index - 1`; the first one was handled above.
        let row = index.saturating_sub(1);
        if offset < last {
            return Err(TableProblem::OffsetsFall { row, from: last, to: offset });
        }
        if offset as usize > values.len() {
            return Err(TableProblem::OffsetsPastEnd { row, offset, bytes: values.len() });
        }
        last = offset;
    }
    if last as usize != values.len() {
        return Err(TableProblem::OffsetsEnd { offset: last, bytes: values.len() });
    }
    Ok(())
}

fn check_text(offsets: &[u8], values: &[u8]) -> Result<(), TableProblem> {
    let text = std::str::from_utf8(values).map_err(|error| TableProblem::TextNotUtf8 { byte: error.valid_up_to() })?;
    for (index, offset) in integers(offsets).enumerate() {
        if !text.is_char_boundary(offset as usize) {
            return Err(TableProblem::TextCut { row: index.saturating_sub(1), byte: offset as usize });
        }
    }
    Ok(())
}

fn check_decimals(column: &CheckedColumn<'_>, precision: u8) -> Result<(), TableProblem> {
    let limit = 10_u128.pow(u32::from(precision));
    for row in 0..column.rows {
        if column.is_present(row) && i128::from_le_bytes(column.fixed(row)).unsigned_abs() >= limit {
            return Err(TableProblem::DecimalTooWide { row, precision });
        }
    }
    Ok(())
}

pub(super) fn integers(bytes: &[u8]) -> impl Iterator<Item = i32> {
    bytes.as_chunks().0.iter().map(|chunk| i32::from_le_bytes(*chunk))
}
