//! A checked batch as JSON rows, for people: `inspect`, error reports, `call`.
//!
//! Not an exporter: what JSON cannot hold is written as text (NaN and infinities, decimals, bytes as hexadecimal
//! digits). Integers are exact here, but a JSON reader may round those beyond 2^53. Dates and timestamps are ISO
//! 8601 in UTC without a letter for the zone; the column's format names the zone.

use serde_json::{Map, Value};

use super::calendar::{date, instant};
use super::format::{Format, TimeUnit};
use super::read::Cell;
use super::validate::{Checked, CheckedColumn};

impl Checked<'_> {
    /// The first `rows_max` rows, each an object in column order.
    pub fn preview(&self, rows_max: usize) -> Vec<Value> {
        let row = |row| {
            let entry = |column: &CheckedColumn<'_>| (column.name().to_owned(), column.preview(row));
            Value::Object(self.columns().iter().map(entry).collect::<Map<_, _>>())
        };
        (0..rows_max.min(self.rows() as usize)).map(row).collect()
    }
}

impl CheckedColumn<'_> {
    /// One value as JSON; `null` for null and beyond the last row.
    pub fn preview(&self, row: usize) -> Value {
        match self.cell(row).unwrap_or(Cell::Null) {
            Cell::Null => Value::Null,
            Cell::Bool(value) => value.into(),
            Cell::Int(value) => self.preview_integer(value),
            Cell::UInt(value) => value.into(),
            Cell::Float(value) if value.is_finite() => value.into(),
            Cell::Float(value) => value.to_string().into(),
            Cell::Text(value) => value.into(),
            Cell::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
            Cell::Decimal { digits, scale } => decimal(digits, scale).into(),
        }
    }

    fn preview_integer(&self, value: i64) -> Value {
        match self.format() {
            Format::DateDays => date(value).into(),
            Format::DateMilliseconds => instant(value, TimeUnit::Milliseconds).into(),
            Format::Timestamp { unit, .. } => instant(value, unit).into(),
            _ => value.into(),
        }
    }
}

fn decimal(digits: i128, scale: u8) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let all = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, part) = all.split_at(all.len() - scale);
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345, 2), "123.45");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(decimal(10_i128.pow(38) - 1, 38), format!("0.{}", "9".repeat(38)));
    }
}
