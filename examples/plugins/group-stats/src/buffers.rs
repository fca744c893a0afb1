//! Columns of the guest SDK as the raw buffers that the analysis reads.
//!
//! Lives here: [`Buffers`]. Not here: reading them. May be misread: 64 bit numbers, dates and timestamps are borrowed, which is
//! the path that has to be fast; narrower numbers are widened by the SDK and text is laid end to end again, so a key of
//! such a column comes out as a 64 bit one.

use std::borrow::Cow;

use plugwork_guest::prelude::*;
use plugwork_guest::{ColumnView, Format, Validity, Values};

use crate::column;

/// One column, ready to be lent to the analysis.
pub(crate) struct Buffers<'a> {
    name: &'a str,
    format: Cow<'a, str>,
    validity: Option<Vec<u8>>,
    offsets: Option<Vec<u8>>,
    values: Held<'a>,
}

enum Held<'a> {
    Floats(Values<'a, f64>),
    Integers(Values<'a, i64>),
    Days(Vec<i32>),
    Bytes(Vec<u8>),
}

impl<'a> Buffers<'a> {
    /// Name and format only, for a column that nobody reads.
    pub(crate) fn empty(column: ColumnView<'a>) -> Buffers<'a> {
        let format = widened(column.format_text());
        Buffers { name: column.name(), format, validity: None, offsets: None, values: Held::Bytes(Vec::new()) }
    }

    /// The whole column. A format without a reader in the SDK (decimals, bytes) is refused.
    pub(crate) fn of(column: ColumnView<'a>) -> Result<Buffers<'a>> {
        let mut buffers = Buffers::empty(column);
        buffers.validity = bits_of(column.validity(), column.rows());
        match column.format() {
            Format::Float32 | Format::Float64 | Format::UInt64 => buffers.values = Held::Floats(column.f64s()?),
            Format::DateDays => {
                let days = column.i64s()?.slice().iter().map(|days| *days as i32).collect();
                buffers.values = Held::Days(days);
            }
            Format::Text => {
                let texts = column.texts()?;
                let mut bytes = Vec::new();
                let mut offsets = Vec::with_capacity(4 * (column.rows() + 1));
                offsets.extend_from_slice(&[0; 4]);
                for text in texts.iter() {
                    bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
                    offsets.extend_from_slice(&(bytes.len() as i32).to_le_bytes());
                }
                (buffers.offsets, buffers.values) = (Some(offsets), Held::Bytes(bytes));
            }
            Format::Bool => {
                let bools = column.bools()?;
                buffers.values = Held::Bytes(pack(column.rows(), |row| bools.get(row) == Some(true)));
            }
            Format::Bytes | Format::Decimal { .. } => {
                return Err(Refusal::invalid(
                    format!("format `{}` is not read", column.format_text()),
                    format!("column `{}`", column.name()),
                    "numbers, dates, timestamps, bools or text",
                ));
            }
            _ => buffers.values = Held::Integers(column.i64s()?),
        }
        Ok(buffers)
    }

    /// What the analysis takes.
    pub(crate) fn column(&self) -> column::Column<'_> {
        let values = match &self.values {
            Held::Floats(values) => bytemuck::cast_slice(values.slice()),
            Held::Integers(values) => bytemuck::cast_slice(values.slice()),
            Held::Days(days) => bytemuck::cast_slice(days),
            Held::Bytes(bytes) => bytes,
        };
        let (validity, offsets) = (self.validity.as_deref(), self.offsets.as_deref());
        column::Column { name: self.name, format: &self.format, validity, offsets, values }
    }
}

/// The format that the SDK's reader gives for one of the contract.
fn widened(format: &str) -> Cow<'_, str> {
    match format {
        "c" | "C" | "s" | "S" | "i" | "I" => Cow::Borrowed("l"),
        "f" | "L" => Cow::Borrowed("g"),
        other => Cow::Borrowed(other),
    }
}

fn bits_of(validity: Validity<'_>, rows: usize) -> Option<Vec<u8>> {
    (!validity.all_present()).then(|| pack(rows, |row| validity.is_present(row)))
}

fn pack(rows: usize, is_set: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bytes = vec![0; rows.div_ceil(8)];
    (0..rows).filter(|row| is_set(*row)).for_each(|row| bytes[row / 8] |= 1 << (row % 8));
    bytes
}
