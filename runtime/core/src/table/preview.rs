//! A checked batch as JSON rows, for people: `inspect`, error reports, `call`.
//!
//! Not an exporter: what JSON cannot hold is written as text (NaN and infinities, decimals, bytes as hexadecimal
//! digits). Integers are exact here, but a JSON reader may round those beyond 2^53. Dates and timestamps are ISO
//! 8601 in UTC without a letter for the zone; the column's format names the zone.

use serde_json::{Map, Value};

use super::format::{Format, TimeUnit};
use super::read::Cell;
use super::validate::{Checked, CheckedColumn};

const DAY_SECONDS: i64 = 86_400;

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

fn instant(value: i64, unit: TimeUnit) -> String {
    let steps = unit.per_second();
    let (seconds, part) = (value.div_euclid(steps), value.rem_euclid(steps));
    let (day, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let whole = format!("{}T{hour:02}:{minute:02}:{:02}", date(day), second % 60);
    match unit {
        TimeUnit::Seconds => whole,
        TimeUnit::Milliseconds => format!("{whole}.{part:03}"),
        TimeUnit::Microseconds => format!("{whole}.{part:06}"),
        TimeUnit::Nanoseconds => format!("{whole}.{part:09}"),
    }
}

/// Day number to calendar date in the proleptic Gregorian calendar. Counts years from 1 March, so that the leap day
/// is the last of its year and month lengths follow the pattern 153 days for every five months.
fn date(days: i64) -> String {
    const ERA_DAYS: i64 = 146_097;
    // 0000-03-01 is 719,468 days before 1970-01-01. In i128: seconds near `i64::MIN` must not overflow here.
    let days = i128::from(days) + 719_468;
    let era = days.div_euclid(ERA_DAYS.into());
    let day = days.rem_euclid(ERA_DAYS.into());
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_calendar_dates_also_around_leap_days_and_before_1970() {
        let known = [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (11_017, "2000-03-01")];
        for (days, text) in known.into_iter().chain([(47_540, "2100-02-28"), (47_541, "2100-03-01")]) {
            assert_eq!(date(days), text);
        }
    }

    #[test]
    fn timestamps_before_1970_keep_a_positive_fraction() {
        assert_eq!(instant(-1, TimeUnit::Milliseconds), "1969-12-31T23:59:59.999");
        assert_eq!(instant(1_518_307_200_123_456, TimeUnit::Microseconds), "2018-02-11T00:00:00.123456");
    }

    #[test]
    fn the_extremes_of_time_have_a_text() {
        for unit in [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds] {
            assert!(!instant(i64::MIN, unit).is_empty() && !instant(i64::MAX, unit).is_empty());
        }
    }

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(12_345, 2), "123.45");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(decimal(10_i128.pow(38) - 1, 38), format!("0.{}", "9".repeat(38)));
    }
}
