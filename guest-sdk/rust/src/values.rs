//! Typed readers over a column: slices where the bytes allow it, iterators with nulls everywhere.
//!
//! Numbers of the asked type are borrowed where the buffer is aligned, which a guest's allocator makes it; any other
//! numeric type is converted into a copy. A slice has a value at a null's place too, of no meaning: look at
//! [`Validity`] first, or iterate, which gives `None` there.

use std::borrow::Cow;

use bytemuck::AnyBitPattern;
use plugwork_core::table::{Format, TimeUnit};

use crate::batch::ColumnView;
use crate::refusal::{Refusal, Result};

/// Which rows of a column have a value.
#[derive(Clone, Copy, Debug)]
pub struct Validity<'a> {
    rows: usize,
    bits: Option<&'a [u8]>,
}

impl Validity<'_> {
    /// Whether this row has a value; false past the end.
    #[inline]
    pub fn is_present(&self, row: usize) -> bool {
        row < self.rows && self.bits.is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
    }

    /// Whether it is known that every row has a value, so that a loop over a slice needs to ask nothing.
    #[inline]
    pub fn all_present(&self) -> bool {
        self.bits.is_none()
    }

    /// How many rows have none.
    pub fn nulls(&self) -> usize {
        let Some(bits) = self.bits else { return 0 };
        let (whole, rest) = bits.split_at(self.rows / 8);
        let present: u32 = whole.iter().map(|byte| byte.count_ones()).sum();
        // The bits past the last row may be anything.
        let last = rest.first().map_or(0, |byte| (byte & ((1 << (self.rows % 8)) - 1)).count_ones());
        self.rows - (present + last) as usize
    }
}

/// Numbers, dates or times of one column.
#[derive(Clone, Debug)]
pub struct Values<'a, T: Copy> {
    values: Cow<'a, [T]>,
    validity: Validity<'a>,
}

impl<'a, T: Copy> Values<'a, T> {
    /// Every row's value; at a null's place a value of no meaning.
    #[inline]
    pub fn slice(&self) -> &[T] {
        &self.values
    }

    /// Which rows have a value.
    #[inline]
    pub fn validity(&self) -> Validity<'a> {
        self.validity
    }

    /// The value of a row; none for a null and past the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<T> {
        self.validity.is_present(row).then(|| self.values[row])
    }

    /// Row after row, none for a null.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<T>> {
        self.values.iter().enumerate().map(|(row, value)| self.validity.is_present(row).then_some(*value))
    }
}

/// Texts of one column.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    text: &'a str,
    offsets: &'a [[u8; 4]],
    validity: Validity<'a>,
}

impl<'a> Texts<'a> {
    /// The text of a row; none for a null and past the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.validity.is_present(row).then(|| {
            let [start, end] = [self.offsets[row], self.offsets[row + 1]].map(|at| i32::from_le_bytes(at) as usize);
            &self.text[start..end]
        })
    }

    /// Which rows have a value.
    pub fn validity(&self) -> Validity<'a> {
        self.validity
    }

    /// Row after row, none for a null.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a str>> + '_ {
        (0..self.validity.rows).map(|row| self.get(row))
    }
}

/// Bools of one column.
#[derive(Clone, Copy, Debug)]
pub struct Bools<'a> {
    bits: &'a [u8],
    validity: Validity<'a>,
}

impl<'a> Bools<'a> {
    /// The value of a row; none for a null and past the end.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        self.validity.is_present(row).then(|| self.bits[row / 8] >> (row % 8) & 1 == 1)
    }

    /// Which rows have a value.
    pub fn validity(&self) -> Validity<'a> {
        self.validity
    }

    /// Row after row, none for a null.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<bool>> + '_ {
        (0..self.validity.rows).map(|row| self.get(row))
    }
}

impl<'a> ColumnView<'a> {
    /// Which rows have a value.
    pub fn validity(&self) -> Validity<'a> {
        Validity { rows: self.rows, bits: self.raw.validity.as_deref() }
    }

    /// Whether [`ColumnView::f64s`] can read it: integers and floats, not dates, times or decimals.
    pub fn is_numeric(&self) -> bool {
        use Format::*;
        matches!(self.format(), Int8 | UInt8 | Int16 | UInt16 | Int32 | UInt32 | Int64 | UInt64 | Float32 | Float64)
    }

    /// Integers and floats as floats: `g` without a copy, the others converted (64 bit integers past 2⁵³ are rounded).
    ///
    /// # Errors
    /// `invalid` where the column holds anything else.
    pub fn f64s(&self) -> Result<Values<'a, f64>> {
        let bytes: &'a [u8] = &self.raw.values;
        let values = match self.format() {
            Format::Float64 => borrow(bytes),
            Format::Float32 => convert(bytes, |value: f32| value.into()),
            Format::Int8 => convert(bytes, |value: i8| value.into()),
            Format::UInt8 => convert(bytes, |value: u8| value.into()),
            Format::Int16 => convert(bytes, |value: i16| value.into()),
            Format::UInt16 => convert(bytes, |value: u16| value.into()),
            Format::Int32 => convert(bytes, |value: i32| value.into()),
            Format::UInt32 => convert(bytes, |value: u32| value.into()),
            Format::Int64 => convert(bytes, |value: i64| value as f64),
            Format::UInt64 => convert(bytes, |value: u64| value as f64),
            _ => return Err(self.not("numbers (`c C s S i I l L f g`)")),
        };
        Ok(Values { values, validity: self.validity() })
    }

    /// Integers of up to 64 bits, dates and timestamps in their own unit: `l`, `tdm` and timestamps without a copy.
    ///
    /// # Errors
    /// `invalid` where the column holds anything else; unsigned 64 bit integers are not read, because half of them do
    /// not fit.
    pub fn i64s(&self) -> Result<Values<'a, i64>> {
        let bytes: &'a [u8] = &self.raw.values;
        let values = match self.format() {
            Format::Int64 | Format::DateMilliseconds | Format::Timestamp { .. } => borrow(bytes),
            Format::Int8 => convert(bytes, |value: i8| value.into()),
            Format::UInt8 => convert(bytes, |value: u8| value.into()),
            Format::Int16 => convert(bytes, |value: i16| value.into()),
            Format::UInt16 => convert(bytes, |value: u16| value.into()),
            Format::Int32 | Format::DateDays => convert(bytes, |value: i32| value.into()),
            Format::UInt32 => convert(bytes, |value: u32| value.into()),
            _ => return Err(self.not("integers, dates or timestamps (`c C s S i I l tdD tdm ts…`)")),
        };
        Ok(Values { values, validity: self.validity() })
    }

    /// Dates and timestamps as milliseconds since 1970-01-01: `tdm` and `tsm:…` without a copy, finer units rounded
    /// down, coarser ones that do not fit held at the end of the range.
    ///
    /// # Errors
    /// `invalid` where the column holds anything else.
    pub fn timestamps_ms(&self) -> Result<Values<'a, i64>> {
        let bytes: &'a [u8] = &self.raw.values;
        let values = match self.format() {
            Format::DateMilliseconds | Format::Timestamp { unit: TimeUnit::Milliseconds, .. } => borrow(bytes),
            Format::DateDays => convert(bytes, |days: i32| i64::from(days) * 86_400_000),
            Format::Timestamp { unit: TimeUnit::Seconds, .. } => convert(bytes, |value: i64| value.saturating_mul(1_000)),
            Format::Timestamp { unit, .. } => {
                let per_millisecond = unit.per_second() / 1_000;
                convert(bytes, move |value: i64| value.div_euclid(per_millisecond))
            }
            _ => return Err(self.not("dates or timestamps (`tdD tdm ts…`)")),
        };
        Ok(Values { values, validity: self.validity() })
    }

    /// Texts, without a copy.
    ///
    /// # Errors
    /// `invalid` where the column does not hold text.
    pub fn texts(&self) -> Result<Texts<'a>> {
        let Format::Text = self.format() else { return Err(self.not("text (`u`)")) };
        // Validated on arrival, and checked again here: once a batch costs nothing that could be measured, and
        // the alternative is `unsafe`.
        let text = std::str::from_utf8(&self.raw.values)
            .map_err(|_| Refusal::other(format!("column `{}` holds bytes that are not UTF-8", self.name())))?;
        let offsets = self.raw.offsets.as_deref().unwrap_or_default().as_chunks().0;
        Ok(Texts { text, offsets, validity: self.validity() })
    }

    /// Bools, without a copy.
    ///
    /// # Errors
    /// `invalid` where the column does not hold bools.
    pub fn bools(&self) -> Result<Bools<'a>> {
        let Format::Bool = self.format() else { return Err(self.not("bools (`b`)")) };
        Ok(Bools { bits: &self.raw.values, validity: self.validity() })
    }

    fn not(&self, expected: &str) -> Refusal {
        Refusal::invalid(format!("the format is `{}`", self.format_text()), format!("column `{}`", self.name()), expected)
    }
}

/// The buffer as it is, where it is aligned and this machine is little endian as the format is; otherwise a copy.
fn borrow<T: Number>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
        _ => convert(bytes, |value: T| value),
    }
}

fn convert<'a, T: Number, U: Copy>(bytes: &[u8], convert: impl Fn(T) -> U) -> Cow<'a, [U]> {
    Cow::Owned(bytes.chunks_exact(size_of::<T>()).map(|bytes| convert(T::read(bytes))).collect())
}

trait Number: AnyBitPattern {
    /// Reads one value from exactly its width in bytes.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! numbers {
    ($($type:ty)+) => {
        $(impl Number for $type {
            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$type>()];
                raw.copy_from_slice(bytes);
                Self::from_le_bytes(raw)
            }
        })+
    };
}

numbers!(i8 u8 i16 u16 i32 u32 i64 u64 f32 f64);

#[cfg(test)]
mod tests {
    use crate::{Batch, Column};

    fn batch(column: Column, rows: usize) -> Batch {
        Batch::new(rows, [column]).unwrap()
    }

    #[test]
    fn floats_are_read_with_their_nulls() {
        let batch = batch(Column::f64s("mag", [Some(4.5), None, Some(0.9)]), 3);
        let values = batch.column("mag").unwrap().f64s().unwrap();
        assert_eq!(values.iter().collect::<Vec<_>>(), [Some(4.5), None, Some(0.9)]);
        assert_eq!(values.validity().nulls(), 1);
        assert_eq!(values.slice().len(), 3);
    }

    #[test]
    fn integers_are_read_as_floats_too() {
        let batch = batch(Column::i64s("n", [1, -2]), 2);
        assert_eq!(batch.column("n").unwrap().f64s().unwrap().slice(), [1.0, -2.0]);
    }

    #[test]
    fn a_misaligned_buffer_is_copied_and_not_refused() {
        let bytes = [&[0_u8][..], &4.5_f64.to_le_bytes()].concat();
        assert_eq!(&*super::borrow::<f64>(&bytes[1..]), [4.5]);
    }

    #[test]
    fn timestamps_of_every_unit_are_milliseconds() {
        for (format, value) in [("tss:", 2), ("tsm:UTC", 2_000), ("tsu:UTC", 2_000_999), ("tsn:", 2_000_999_999)] {
            let column = Column::from_buffers("time", format, None, None, i64::to_le_bytes(value).to_vec());
            let batch = batch(column, 1);
            assert_eq!(batch.column("time").unwrap().timestamps_ms().unwrap().get(0), Some(2_000), "{format}");
        }
    }

    #[test]
    fn texts_are_read_with_empty_and_missing_ones_apart() {
        let batch = batch(Column::texts("place", [Some("a"), Some(""), None, Some("ü")]), 4);
        let texts = batch.column("place").unwrap().texts().unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("a"), Some(""), None, Some("ü")]);
        assert_eq!(texts.get(4), None);
    }

    #[test]
    fn a_column_of_another_type_is_refused_by_name() {
        let batch = batch(Column::texts("place", ["here"]), 1);
        let refusal = batch.column("place").unwrap().f64s().unwrap_err();
        assert!(refusal.to_string().starts_with("column `place`: the format is `u`"), "{refusal}");
    }
}
