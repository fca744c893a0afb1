//! The typed reader over a checked column: cells with nulls, and iterators that borrow from the buffers.
//!
//! Correct only because [`validate`](super::validate) came first: indexes here are in range by what it proved, and
//! only it can make a [`CheckedColumn`]. Dates and timestamps read as whole numbers in their format's unit; what may
//! surprise is that `f64` also reads integers, and then rounds those of 64 bits beyond 2^53.

use std::fmt;
use std::marker::PhantomData;

use super::format::Format;
use super::validate::CheckedColumn;

/// One value of any column.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell<'a> {
    /// Absent.
    Null,
    /// Of a bool column.
    Bool(bool),
    /// Signed integers, dates and timestamps; the unit is in the column's [`Format`].
    Int(i64),
    /// Unsigned integers.
    UInt(u64),
    /// Floats of both widths.
    Float(f64),
    /// Of a text column.
    Text(&'a str),
    /// Of a bytes column.
    Bytes(&'a [u8]),
    /// `digits` divided by 10 to the power of `scale`.
    Decimal {
        /// All digits, as a whole number.
        digits: i128,
        /// Digits after the point.
        scale: u8,
    },
}

impl<'a> CheckedColumn<'a> {
    /// The column's name.
    pub fn name(&self) -> &'a str {
        self.raw.name
    }

    /// What the values are.
    pub fn format(&self) -> Format<'a> {
        self.format
    }

    /// Rows, 0 to 8,192.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The validity bitmap; `None` when nothing is null. Bits after the last row are undefined.
    pub fn validity(&self) -> Option<&'a [u8]> {
        self.raw.validity
    }

    /// The offsets buffer of text and bytes.
    pub fn offsets(&self) -> Option<&'a [u8]> {
        self.raw.offsets
    }

    /// The values buffer.
    pub fn values(&self) -> &'a [u8] {
        self.raw.values
    }

    /// How many rows are null. Counts the bitmap: linear, 1 KiB at most.
    pub fn nulls(&self) -> usize {
        let Some(validity) = self.raw.validity else { return 0 };
        let (whole, rest) = validity.split_at(self.rows / 8);
        let present: u32 = whole.iter().map(|byte| byte.count_ones()).sum();
        let last = rest.first().map_or(0, |byte| (byte & ((1 << (self.rows % 8)) - 1)).count_ones());
        self.rows - (present + last) as usize
    }

    /// Whether the row has a value; `false` beyond the last row.
    pub fn is_present(&self, row: usize) -> bool {
        row < self.rows && self.raw.validity.is_none_or(|validity| bit(validity, row))
    }

    /// The value of one row; `None` beyond the last row.
    pub fn cell(&self, row: usize) -> Option<Cell<'a>> {
        if row >= self.rows {
            return None;
        }
        if !self.is_present(row) {
            return Some(Cell::Null);
        }
        Some(match self.format {
            Format::Bool => Cell::Bool(bit(self.raw.values, row)),
            Format::UInt8 | Format::UInt16 | Format::UInt32 | Format::UInt64 => Cell::UInt(self.unsigned(row)),
            Format::Float32 => Cell::Float(f32::from_le_bytes(self.fixed(row)).into()),
            Format::Float64 => Cell::Float(f64::from_le_bytes(self.fixed(row))),
            Format::Text => Cell::Text(self.text(row)),
            Format::Bytes => Cell::Bytes(self.slice(row)),
            Format::Decimal { scale, .. } => Cell::Decimal { digits: i128::from_le_bytes(self.fixed(row)), scale },
            Format::Int8
            | Format::Int16
            | Format::Int32
            | Format::Int64
            | Format::DateDays
            | Format::DateMilliseconds
            | Format::Timestamp { .. } => Cell::Int(self.signed(row)),
        })
    }

    /// All rows as `T`, `None` for null: `f64` for floats and integers, `i64` for signed integers, dates and
    /// timestamps, `u64` for unsigned integers, `bool`, `&str` and `&[u8]` (which also reads text).
    ///
    /// # Errors
    /// When the column's format cannot be read as `T`.
    pub fn read<T: Element<'a>>(&self) -> Result<Values<'a, T>, ReadError> {
        if !T::fits(self.format) {
            return Err(ReadError { column: self.name().to_owned(), format: self.format.to_string(), wanted: T::WANTED });
        }
        Ok(Values { column: *self, row: 0, element: PhantomData })
    }

    pub(super) fn fixed<const WIDTH: usize>(&self, row: usize) -> [u8; WIDTH] {
        // In range: `values` is rows × width bytes, and every caller matched the format to the width.
        self.raw.values.as_chunks().0[row]
    }

    fn signed(&self, row: usize) -> i64 {
        match self.format.width() {
            Some(1) => i8::from_le_bytes(self.fixed(row)).into(),
            Some(2) => i16::from_le_bytes(self.fixed(row)).into(),
            Some(4) => i32::from_le_bytes(self.fixed(row)).into(),
            _ => i64::from_le_bytes(self.fixed(row)),
        }
    }

    fn unsigned(&self, row: usize) -> u64 {
        match self.format.width() {
            Some(1) => u8::from_le_bytes(self.fixed(row)).into(),
            Some(2) => u16::from_le_bytes(self.fixed(row)).into(),
            Some(4) => u32::from_le_bytes(self.fixed(row)).into(),
            _ => u64::from_le_bytes(self.fixed(row)),
        }
    }

    fn slice(&self, row: usize) -> &'a [u8] {
        let offsets = self.raw.offsets.unwrap_or_default().as_chunks().0;
        let [start, end] = [offsets[row], offsets[row + 1]].map(|offset| i32::from_le_bytes(offset) as usize);
        &self.raw.values[start..end]
    }

    fn text(&self, row: usize) -> &'a str {
        // Checked a second time rather than `unsafe`: one linear pass over text that is about to be copied anyway.
        std::str::from_utf8(self.slice(row)).expect("`validate` proved UTF-8 and cuts on character boundaries")
    }
}

fn bit(bits: &[u8], row: usize) -> bool {
    bits[row / 8] >> (row % 8) & 1 == 1
}

/// A Rust type that a column can be read as. Sealed: the formats are the contract's.
pub trait Element<'a>: Sized + sealed::Sealed {
    /// What this type reads, for the error.
    const WANTED: &'static str;
    /// Whether a column of that format can be read as this type.
    fn fits(format: Format<'_>) -> bool;
    /// Converts a cell of a fitting format; `None` for null.
    fn from_cell(cell: Cell<'a>) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for u64 {}
    impl Sealed for bool {}
    impl Sealed for &str {}
    impl Sealed for &[u8] {}
}

macro_rules! element {
    ($type:ty, $wanted:literal, $formats:pat, { $($cell:pat => $value:expr),+ }) => {
        impl<'a> Element<'a> for $type {
            const WANTED: &'static str = $wanted;

            fn fits(format: Format<'_>) -> bool {
                use Format::*;
                matches!(format, $formats)
            }

            fn from_cell(cell: Cell<'a>) -> Option<Self> {
                match cell {
                    $($cell => Some($value),)+
                    _ => None,
                }
            }
        }
    };
}

element!(f64, "numbers (`c C s S i I l L f g`)",
    Int8 | UInt8 | Int16 | UInt16 | Int32 | UInt32 | Int64 | UInt64 | Float32 | Float64,
    { Cell::Float(value) => value, Cell::Int(value) => value as f64, Cell::UInt(value) => value as f64 });
element!(i64, "signed integers, dates or timestamps (`c s i l tdD tdm tss: tsm: tsu: tsn:`)",
    Int8 | Int16 | Int32 | Int64 | DateDays | DateMilliseconds | Timestamp { .. },
    { Cell::Int(value) => value });
element!(u64, "unsigned integers (`C S I L`)", UInt8 | UInt16 | UInt32 | UInt64, { Cell::UInt(value) => value });
element!(bool, "bools (`b`)", Bool, { Cell::Bool(value) => value });
element!(&'a str, "text (`u`)", Text, { Cell::Text(value) => value });
element!(&'a [u8], "bytes or text (`z u`)", Bytes | Text,
    { Cell::Bytes(value) => value, Cell::Text(value) => value.as_bytes() });

/// The rows of one column as `T`, borrowed; made by [`CheckedColumn::read`].
#[derive(Clone, Debug)]
pub struct Values<'a, T> {
    column: CheckedColumn<'a>,
    row: usize,
    element: PhantomData<T>,
}

impl<'a, T: Element<'a>> Iterator for Values<'a, T> {
    type Item = Option<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let cell = self.column.cell(self.row)?;
        self.row += 1;
        Some(T::from_cell(cell))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.column.rows - self.row;
        (left, Some(left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for Values<'a, T> {}

/// A column was asked for as a type that its format does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The column's name.
    pub column: String,
    /// Its format string.
    pub format: String,
    /// What was asked for.
    pub wanted: &'static str,
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, format, wanted } = self;
        write!(out, "column `{}`: the format is `{format}`; expected {wanted}", column.escape_debug())
    }
}

impl std::error::Error for ReadError {}
