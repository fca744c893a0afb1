//! How the values of one column are written, from the column's Arrow format.
//!
//! No markup here. Easy to get wrong: the decimals and the fraction of a second are chosen once for a column, from the cells that
//! are shown, so that a column of numbers lines up on the decimal point; a cell alone cannot be written.

use plugwork_core::table::calendar::date;

use super::data::Cell;
use super::quantity::group_digits;

/// Decimals of a float column at most.
const DECIMALS_MAX: usize = 4;

/// How one column is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Style {
    /// As it comes, from the left.
    Plain,
    /// Integers, and decimals that are already text, from the right.
    Whole,
    /// Floats with this many decimals.
    Decimal(usize),
    /// Days since 1970-01-01, in units of this many to a day.
    Date(i64),
    /// A time since 1970-01-01.
    Time {
        /// Units in a second: 1, 1,000, 1,000,000 or 1,000,000,000.
        per_second: i64,
        /// Whether any shown cell has a fraction of a second.
        fraction: bool,
        /// Whether the column has a time zone, which makes its values instants (written with `Z`).
        instant: bool,
    },
}

impl Style {
    /// Chooses from the format and from the cells that will be shown.
    pub(super) fn of<'a>(format: &str, cells: impl Iterator<Item = &'a Cell>) -> Self {
        let per_second = match format.get(..4) {
            Some("tss:") => Some(1),
            Some("tsm:") => Some(1_000),
            Some("tsu:") => Some(1_000_000),
            Some("tsn:") => Some(1_000_000_000),
            _ => None,
        };
        let mut cells = cells;
        if let Some(per_second) = per_second {
            return Style::Time {
                per_second,
                fraction: cells.any(|cell| matches!(cell, Cell::Integer(value) if value.rem_euclid(per_second) != 0)),
                instant: format.len() > "tsm:".len(),
            };
        }
        match format {
            "f" | "g" => Style::Decimal(cells.filter_map(number).map(decimals).max().unwrap_or(0)),
            "c" | "C" | "s" | "S" | "i" | "I" | "l" | "L" => Style::Whole,
            "tdD" => Style::Date(1),
            "tdm" => Style::Date(86_400_000),
            _ if format.starts_with("d:") => Style::Whole,
            _ => Style::Plain,
        }
    }

    /// Whether the column reads from the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Style::Whole | Style::Decimal(_))
    }

    /// One cell of the column; none where there is no value.
    pub(super) fn write(&self, cell: &Cell) -> Option<String> {
        let text = match (self, cell) {
            (_, Cell::Missing) => return None,
            (_, Cell::Text(text)) => text.clone(),
            (_, Cell::Flag(flag)) => flag.to_string(),
            (Style::Date(per_day), Cell::Integer(value)) => date(value.div_euclid(*per_day)),
            (Style::Time { per_second, fraction, instant }, Cell::Integer(value)) => moment(*value, *per_second, *fraction, *instant),
            (Style::Decimal(decimals), _) => float(number(cell)?, *decimals),
            (_, Cell::Integer(value)) => signed(*value < 0, &value.unsigned_abs().to_string()),
            (_, Cell::Unsigned(value)) => signed(false, &value.to_string()),
            (_, Cell::Number(value)) => float(*value, decimals(*value)),
        };
        Some(text)
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(value) => Some(*value),
        // A float that happens to be whole comes back from JSON as an integer.
        Cell::Integer(value) => Some(*value as f64),
        Cell::Unsigned(value) => Some(*value as f64),
        _ => None,
    }
}

/// The fewest decimals that show six significant digits, as far as the maximum allows: more is noise in a report, and the
/// exported file has it.
fn decimals(value: f64) -> usize {
    if !value.is_finite() || is_extreme(value) {
        return 0;
    }
    (0..DECIMALS_MAX)
        .find(|digits| {
            let scaled = value * 10_f64.powi(*digits as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1.0)
        })
        .unwrap_or(DECIMALS_MAX)
}

/// Too small or too large to be read without an exponent.
fn is_extreme(value: f64) -> bool {
    value != 0.0 && !(1e-3..1e12).contains(&value.abs())
}

fn float(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if is_extreme(value) {
        return format!("{value:.3e}").replace('-', "−");
    }
    let digits = format!("{:.decimals$}", value.abs());
    let negative = value < 0.0 && digits.contains(|digit: char| ('1'..='9').contains(&digit));
    signed(negative, &digits)
}

/// Groups the whole part from five digits on (years and codes of four digits stay as they are) and puts a real minus before it.
fn signed(negative: bool, digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let whole = if whole.len() > 4 { group_digits(whole) } else { whole.to_owned() };
    format!("{}{whole}{rest}", if negative { "−" } else { "" })
}

fn moment(value: i64, per_second: i64, fraction: bool, instant: bool) -> String {
    let (seconds, part) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let clock = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    // Three digits of a fraction are enough to read; the file that was exported has them all.
    let part = if fraction { format!(".{:03}", part * 1_000 / per_second) } else { String::new() };
    format!("{} {clock}{part}{}", date(days), if instant { "Z" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(format: &str, cells: &[Cell]) -> Vec<String> {
        let style = Style::of(format, cells.iter());
        cells.iter().map(|cell| style.write(cell).unwrap_or_else(|| "none".to_owned())).collect()
    }

    #[test]
    fn floats_of_one_column_share_their_decimals() {
        let cells = [0.82, 0.0, 1.0, -2.5, 12_345.678_9].map(Cell::Number);
        assert_eq!(column("g", &cells), ["0.82", "0.00", "1.00", "−2.50", "12,345.68"]);
        assert_eq!(column("g", &[Cell::Number(4.5), Cell::Integer(3), Cell::Missing]), ["4.5", "3.0", "none"]);
    }

    #[test]
    fn very_small_and_very_large_floats_have_an_exponent() {
        assert_eq!(column("g", &[Cell::Number(1.5e-7), Cell::Number(6e23), Cell::Number(f64::NAN)]), ["1.500e−7", "6.000e23", "NaN"]);
    }

    #[test]
    fn integers_are_grouped_from_five_digits_on() {
        let cells = [Cell::Integer(2018), Cell::Integer(-200_000), Cell::Unsigned(u64::MAX), Cell::Integer(i64::MIN)];
        assert_eq!(column("l", &cells), ["2018", "−200,000", "18,446,744,073,709,551,615", "−9,223,372,036,854,775,808"]);
    }

    #[test]
    fn times_are_written_in_their_unit() {
        assert_eq!(column("tsm:UTC", &[Cell::Integer(1_517_966_773_840)]), ["2018-02-07 01:26:13.840Z"]);
        assert_eq!(column("tss:", &[Cell::Integer(-1)]), ["1969-12-31 23:59:59"]);
        assert_eq!(column("tsn:UTC", &[Cell::Integer(i64::MAX)]), ["2262-04-11 23:47:16.854Z"]);
    }

    #[test]
    fn dates_know_the_leap_years() {
        let days = [0, -1, 59, 11_016, 19_782].map(Cell::Integer);
        assert_eq!(column("tdD", &days), ["1970-01-01", "1969-12-31", "1970-03-01", "2000-02-29", "2024-02-29"]);
        assert_eq!(column("tdm", &[Cell::Integer(86_400_000)]), ["1970-01-02"]);
    }

    #[test]
    fn no_value_overflows() {
        for format in ["tdD", "tdm", "tss:UTC", "tsn:", "l", "g", "u", "é:", "ts", ""] {
            column(format, &[Cell::Integer(i64::MIN), Cell::Integer(i64::MAX), Cell::Number(f64::MIN_POSITIVE), Cell::Number(f64::MAX)]);
        }
    }
}
