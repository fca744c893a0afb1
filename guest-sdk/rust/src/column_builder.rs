//! The buffers of one column while it grows.
//!
//! `check` says whether a value fits and what it weighs, `push` adds it and trusts that it was checked. No bitmap is
//! kept until the first null: most columns have none, and readers are faster without.

use crate::bindings::types;
use crate::field::{Field, Kind, Value};
use crate::refusal::{Refusal, Result};

#[derive(Debug)]
pub(crate) struct ColumnBuilder {
    field: Field,
    format: String,
    rows: usize,
    validity: Option<Vec<u8>>,
    offsets: Vec<u8>,
    values: Vec<u8>,
}

impl ColumnBuilder {
    pub(crate) fn new(field: Field) -> Self {
        let format = field.kind.format();
        let offsets = if has_offsets(&field.kind) { vec![0; 4] } else { Vec::new() };
        Self { field, format, rows: 0, validity: None, offsets, values: Vec::new() }
    }

    /// Whether the value fits, and how many bytes it adds besides bitmaps.
    pub(crate) fn check(&self, value: &Value<'_>) -> Result<usize> {
        match (&self.field.kind, value) {
            (Kind::Bool, Value::Null | Value::Bool(_)) => Ok(0),
            (Kind::I32 | Kind::Days, Value::I64(value)) => match i32::try_from(*value) {
                Ok(_) => Ok(4),
                Err(_) => Err(Refusal::invalid(
                    format!("{value} does not fit into {}", self.field.kind.words()),
                    format!("column `{}`", self.field.name),
                    format!("{} to {}", i32::MIN, i32::MAX),
                )),
            },
            (Kind::I32 | Kind::Days, Value::Null) => Ok(4),
            (Kind::I64 | Kind::TimestampMs(_), Value::I64(_) | Value::Null) => Ok(8),
            (Kind::F64, Value::F64(_) | Value::I64(_) | Value::Null) => Ok(8),
            (Kind::Text | Kind::Bytes, Value::Null) => Ok(4),
            (Kind::Text | Kind::Bytes, Value::Text(text)) => Ok(4 + text.len()),
            (Kind::Bytes, Value::Bytes(bytes)) => Ok(4 + bytes.len()),
            (kind, value) => {
                Err(Refusal::other(format!("column `{}` holds {} and was given {}", self.field.name, kind.words(), value.words())))
            }
        }
    }

    /// Adds a value that `check` let pass.
    pub(crate) fn push(&mut self, value: &Value<'_>) {
        let null = matches!(value, Value::Null);
        if null && self.validity.is_none() {
            self.validity = Some(present(self.rows));
        }
        if let Some(validity) = &mut self.validity {
            set_bit(validity, self.rows, !null);
        }
        match &self.field.kind {
            Kind::Bool => set_bit(&mut self.values, self.rows, matches!(value, Value::Bool(true))),
            Kind::I32 | Kind::Days => self.values.extend_from_slice(&(integer(value) as i32).to_le_bytes()),
            Kind::I64 | Kind::TimestampMs(_) => self.values.extend_from_slice(&integer(value).to_le_bytes()),
            Kind::F64 => {
                let value = match value {
                    Value::F64(value) => *value,
                    value => integer(value) as f64,
                };
                self.values.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Text | Kind::Bytes => {
                match value {
                    Value::Text(text) => self.values.extend_from_slice(text.as_bytes()),
                    Value::Bytes(bytes) => self.values.extend_from_slice(bytes),
                    _ => {}
                }
                self.offsets.extend_from_slice(&(self.values.len() as u32).to_le_bytes());
            }
        }
        self.rows += 1;
    }

    /// Bytes of all buffers if there were `rows` rows and no new values, every bitmap counted in full.
    pub(crate) fn bytes(&self, rows: usize) -> usize {
        let bits = if self.field.kind == Kind::Bool { rows.div_ceil(8) } else { self.values.len() };
        bits + self.offsets.len() + rows.div_ceil(8)
    }

    /// Hands the buffers out and begins again.
    pub(crate) fn take(&mut self, rows: usize) -> types::Column {
        debug_assert_eq!(rows, self.rows, "every column gets a value for every row");
        // The next batch will be about as large: one allocation instead of a dozen.
        let values = Vec::with_capacity(self.values.len());
        let offsets = has_offsets(&self.field.kind).then(|| {
            let mut next = Vec::with_capacity(self.offsets.len());
            next.extend_from_slice(&[0; 4]);
            std::mem::replace(&mut self.offsets, next)
        });
        self.rows = 0;
        types::Column {
            name: self.field.name.clone(),
            format: self.format.clone(),
            validity: self.validity.take(),
            offsets,
            values: std::mem::replace(&mut self.values, values),
        }
    }
}

fn has_offsets(kind: &Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Bytes)
}

/// What stands at a null's place is 0.
fn integer(value: &Value<'_>) -> i64 {
    if let Value::I64(value) = value { *value } else { 0 }
}

/// A bitmap that says of `rows` rows that they have values.
fn present(rows: usize) -> Vec<u8> {
    let mut bits = vec![0xff; rows / 8];
    if !rows.is_multiple_of(8) {
        bits.push((1 << (rows % 8)) - 1);
    }
    bits
}

fn set_bit(bits: &mut Vec<u8>, row: usize, value: bool) {
    if row.is_multiple_of(8) {
        bits.push(0);
    }
    bits[row / 8] |= u8::from(value) << (row % 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bitmap_begins_with_the_first_null_wherever_it_is() {
        for nulls_from in 0..20 {
            let mut builder = ColumnBuilder::new(Field::i64("n"));
            for row in 0..20_i64 {
                let value = if row == nulls_from { Value::Null } else { Value::I64(row) };
                builder.push(&value);
            }
            let validity = builder.take(20).validity.unwrap();
            let bits = u32::from_le_bytes([validity[0], validity[1], validity[2], 0]);
            assert_eq!(bits, 0xf_ffff & !(1 << nulls_from), "null at {nulls_from}");
        }
    }

    #[test]
    fn a_column_without_nulls_has_no_bitmap() {
        let mut builder = ColumnBuilder::new(Field::text("t"));
        builder.push(&Value::Text("a"));
        let column = builder.take(1);
        assert_eq!((column.validity, column.offsets.as_deref()), (None, Some(&[0, 0, 0, 0, 1, 0, 0, 0][..])));
    }
}
