//! One value of any column, for plugins that write tables in some text format and do not care about types.
//!
//! Slower than the typed readers in `values`, which is the price of not caring: use those in loops that calculate. As
//! text a time is RFC 3339, and a float always shows that it is one (`2.0`), so that it is read back as one.

use std::fmt;
use std::io::Write as _;

use plugwork_core::table::{Format, TimeUnit};

use crate::batch::ColumnView;
use crate::refusal::{Refusal, Result};
use crate::time;
use crate::values::Validity;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A bool.
    Bool(bool),
    /// A signed integer of any width.
    Int(i64),
    /// An unsigned integer of any width.
    UInt(u64),
    /// A 32 bit float.
    Float32(f32),
    /// A 64 bit float.
    Float64(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i64),
    /// A time since 1970-01-01.
    Timestamp {
        /// In `unit`.
        value: i64,
        /// What `value` counts.
        unit: TimeUnit,
        /// Whether it is UTC; otherwise it is a clock on the wall.
        zoned: bool,
    },
    /// A decimal number: `digits` × 10⁻ˢᶜᵃˡᵉ.
    Decimal {
        /// All digits.
        digits: i128,
        /// How many of them stand behind the point.
        scale: u8,
    },
}

/// Reads cells of one column.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    format: Format<'a>,
    validity: Validity<'a>,
    offsets: &'a [[u8; 4]],
    values: &'a [u8],
    /// The same as `values` where the column holds text; empty otherwise.
    text: &'a str,
}

impl<'a> ColumnView<'a> {
    /// A reader for values of any type.
    ///
    /// # Errors
    /// None for a column of a validated batch.
    pub fn cells(&self) -> Result<Cells<'a>> {
        let format = self.format();
        let values: &'a [u8] = &self.raw.values;
        let text = match format {
            Format::Text => std::str::from_utf8(values)
                .map_err(|_| Refusal::other(format!("column `{}` holds bytes that are not UTF-8", self.name())))?,
            _ => "",
        };
        let offsets = self.raw.offsets.as_deref().unwrap_or_default().as_chunks().0;
        Ok(Cells { format, validity: self.validity(), offsets, values, text })
    }
}

impl<'a> Cells<'a> {
    /// The value of a row; `Null` past the end.
    pub fn get(&self, row: usize) -> Cell<'a> {
        if !self.validity.is_present(row) {
            return Cell::Null;
        }
        match self.format {
            Format::Bool => Cell::Bool(self.values[row / 8] >> (row % 8) & 1 == 1),
            Format::Int8 => Cell::Int(i8::from_le_bytes(self.fixed(row)).into()),
            Format::Int16 => Cell::Int(i16::from_le_bytes(self.fixed(row)).into()),
            Format::Int32 => Cell::Int(i32::from_le_bytes(self.fixed(row)).into()),
            Format::Int64 => Cell::Int(i64::from_le_bytes(self.fixed(row))),
            Format::UInt8 => Cell::UInt(u8::from_le_bytes(self.fixed(row)).into()),
            Format::UInt16 => Cell::UInt(u16::from_le_bytes(self.fixed(row)).into()),
            Format::UInt32 => Cell::UInt(u32::from_le_bytes(self.fixed(row)).into()),
            Format::UInt64 => Cell::UInt(u64::from_le_bytes(self.fixed(row))),
            Format::Float32 => Cell::Float32(f32::from_le_bytes(self.fixed(row))),
            Format::Float64 => Cell::Float64(f64::from_le_bytes(self.fixed(row))),
            Format::Text => {
                let (start, end) = self.range(row);
                Cell::Text(&self.text[start..end])
            }
            Format::DateDays => Cell::Date(i32::from_le_bytes(self.fixed(row)).into()),
            Format::DateMilliseconds => Cell::Date(i64::from_le_bytes(self.fixed(row)).div_euclid(time::DAY_MS)),
            Format::Timestamp { unit, zone } => {
                Cell::Timestamp { value: i64::from_le_bytes(self.fixed(row)), unit, zoned: !zone.is_empty() }
            }
            Format::Decimal { scale, .. } => Cell::Decimal { digits: i128::from_le_bytes(self.fixed(row)), scale },
            // The only one left is `Bytes`; the enum is open so that it can grow.
            _ => {
                let (start, end) = self.range(row);
                Cell::Bytes(&self.values[start..end])
            }
        }
    }

    fn fixed<const WIDTH: usize>(&self, row: usize) -> [u8; WIDTH] {
        self.values.as_chunks().0[row]
    }

    fn range(&self, row: usize) -> (usize, usize) {
        let offset = |row: usize| i32::from_le_bytes(self.offsets[row]) as usize;
        (offset(row), offset(row + 1))
    }
}

impl fmt::Display for Cell<'_> {
    /// As a text format without types writes it: nothing for a null, bytes in hexadecimal.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::UInt(value) => write!(out, "{value}"),
            Self::Float32(value) => write!(out, "{value:?}"),
            Self::Float64(value) => write!(out, "{value:?}"),
            Self::Text(value) => out.write_str(value),
            Self::Bytes(value) => value.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
            Self::Date(days) => time::write_date(out, days),
            Self::Timestamp { value, unit, zoned } => time::write_timestamp(out, value, unit.per_second(), zoned),
            Self::Decimal { digits, scale } => write_decimal(out, digits, scale.into()),
        }
    }
}

impl Cell<'_> {
    /// Appends the value as JSON: numbers as numbers, times and bytes as text, and what JSON has no number for (NaN,
    /// infinities) as null.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        match *self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Float32(value) if !value.is_finite() => out.extend_from_slice(b"null"),
            Self::Float64(value) if !value.is_finite() => out.extend_from_slice(b"null"),
            Self::Text(text) => serde_json::to_writer(out, text)?,
            Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Float32(_) | Self::Float64(_) | Self::Decimal { .. } => {
                write!(out, "{self}")?;
            }
            Self::Bytes(_) | Self::Date(_) | Self::Timestamp { .. } => write!(out, "\"{self}\"")?,
        }
        Ok(())
    }
}

fn write_decimal(out: &mut fmt::Formatter<'_>, digits: i128, scale: usize) -> fmt::Result {
    let sign = if digits < 0 { "-" } else { "" };
    // One digit at least before the point.
    let text = format!("{:0width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    let point = if scale > 0 { "." } else { "" };
    write!(out, "{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use crate::{Batch, Column};

    fn json(column: Column) -> String {
        let batch = Batch::new(1, [column]).unwrap();
        let mut out = Vec::new();
        batch.columns().next().unwrap().cells().unwrap().get(0).write_json(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn raw(format: &str, values: &[u8]) -> Column {
        Column::from_buffers("c", format, None, None, values.to_vec())
    }

    #[test]
    fn every_type_is_written_as_json() {
        assert_eq!(json(raw("c", &[0xff])), "-1");
        assert_eq!(json(raw("L", &[0xff; 8])), "18446744073709551615");
        assert_eq!(json(raw("f", &0.1_f32.to_le_bytes())), "0.1");
        assert_eq!(json(Column::f64s("c", [2.0])), "2.0");
        assert_eq!(json(Column::f64s("c", [1e300])), "1e300");
        assert_eq!(json(Column::f64s("c", [f64::NAN])), "null");
        assert_eq!(json(Column::bools("c", [true])), "true");
        assert_eq!(json(Column::texts("c", ["a\"\n\u{1}"])), r#""a\"\n\u0001""#);
        assert_eq!(json(raw("tdD", &17_569_i32.to_le_bytes())), "\"2018-02-07\"");
        assert_eq!(json(raw("tss:", &0_i64.to_le_bytes())), "\"1970-01-01T00:00:00\"");
        assert_eq!(json(Column::timestamps_ms("c", [0_i64])), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(json(raw("d:10,2", &(-5_i128).to_le_bytes())), "-0.05");
        assert_eq!(json(raw("d:3,0", &(-5_i128).to_le_bytes())), "-5");
        assert_eq!(json(Column::i64s("c", [None])), "null");
        let bytes = Column::from_buffers("c", "z", None, Some(vec![0, 0, 0, 0, 2, 0, 0, 0]), vec![1, 0xab]);
        assert_eq!(json(bytes), "\"01ab\"");
    }
}
