//! Dates and times as text, in both directions: the part of RFC 3339 and ISO 8601 that data files use.
//!
//! Proleptic Gregorian calendar, no leap seconds, no time zone database: an offset is applied, a zone name is not
//! known. Text without an offset is a clock on the wall, and the caller decides what that means.

use std::fmt::{self, Write};

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 of a date, or none where there is no such day.
pub fn days_from_date(year: i32, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    // Years that begin in March have the leap day at their end, so that month lengths follow one rule.
    let (year, month) = if month > 2 { (i64::from(year), month - 3) } else { (i64::from(year) - 1, month + 9) };
    let before_month = i64::from((153 * month + 2) / 5);
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days from 0000-03-01 to 1970-01-01.
    i32::try_from(days + before_month + i64::from(day) - 1 - 719_468).ok()
}

/// Year, month and day of a number of days since 1970-01-01.
pub fn date_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    // Four centuries, 25 olympiads and four years have one odd day each at the end; take them off before dividing.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year_of_era, month + 3) } else { (year_of_era + 1, month - 9) };
    (era * 400 + year, month as u32, day as u32)
}

/// Reads `2018-02-07` as days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    days_from_date(digits(&bytes[..4])? as i32, digits(&bytes[5..7])?, digits(&bytes[8..])?)
}

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since 1970-01-01, UTC where `zoned`; finer digits are cut off.
    pub milliseconds: i64,
    /// Whether the text said its offset.
    pub zoned: bool,
}

/// Reads `2018-02-07T01:26:13.84Z`: a date, `T` or a space, hours and minutes, and if they are there seconds, a fraction
/// of up to 9 digits, and `Z` or an offset such as `+01:00`.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let days = parse_date(text.get(..10)?)?;
    let rest = text[10..].strip_prefix(['T', 't', ' '])?.as_bytes();
    let (hour, rest) = (digits(rest.get(..2)?)?, rest[2..].strip_prefix(b":")?);
    let (minute, mut rest) = (digits(rest.get(..2)?)?, &rest[2..]);
    let (mut second, mut fraction_ms) = (0, 0);
    if let Some(after) = rest.strip_prefix(b":") {
        second = digits(after.get(..2)?)?;
        rest = &after[2..];
        if let Some(after) = rest.strip_prefix(b".") {
            let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let padded = [after, b"00"].concat();
            let shown = length.min(3);
            fraction_ms = digits(&padded[..shown])? * 10_u32.pow(3 - shown as u32);
            rest = &after[length..];
        }
    }
    let offset_minutes = match rest {
        b"" => None,
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let offset = (hours < 24 && minutes < 60).then_some(i64::from(hours * 60 + minutes))?;
            Some(if *sign == b'+' { offset } else { -offset })
        }
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second) - offset_minutes.unwrap_or(0) * 60;
    let milliseconds = i64::from(days) * DAY_MS + seconds * 1_000 + i64::from(fraction_ms);
    Some(Timestamp { milliseconds, zoned: offset_minutes.is_some() })
}

/// Writes days since 1970-01-01 as `2018-02-07`.
pub fn write_date(out: &mut impl Write, days: i64) -> fmt::Result {
    let (year, month, day) = date_from_days(days);
    if (0..=9_999).contains(&year) {
        write!(out, "{year:04}-{month:02}-{day:02}")
    } else {
        // ISO 8601's expanded years; no reader will like them, but none will take them for another year.
        write!(out, "{year:+05}-{month:02}-{day:02}")
    }
}

/// Writes a time since 1970-01-01 with as many fractional digits as its unit has, and a `Z` where it is UTC.
///
/// `per_second` is 1, 1,000, 1,000,000 or 1,000,000,000, as [`TimeUnit::per_second`](crate::TimeUnit::per_second)
/// answers.
pub fn write_timestamp(out: &mut impl Write, value: i64, per_second: i64, zoned: bool) -> fmt::Result {
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    write_date(out, days)?;
    write!(out, "T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)?;
    if per_second > 1 {
        let width = per_second.ilog10() as usize;
        write!(out, ".{fraction:0width$}")?;
    }
    if zoned { out.write_char('Z') } else { Ok(()) }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// At most 9 ASCII digits, nothing else.
fn digits(bytes: &[u8]) -> Option<u32> {
    let digit = |number: u32, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'));
    bytes.iter().try_fold(0, digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: i64, per_second: i64) -> String {
        let mut text = String::new();
        write_timestamp(&mut text, value, per_second, true).unwrap();
        text
    }

    #[test]
    fn every_day_of_eight_centuries_is_read_as_it_was_written() {
        let first = days_from_date(1600, 1, 1).unwrap();
        let last = days_from_date(2400, 12, 31).unwrap();
        let mut text = String::new();
        for days in first..=last {
            text.clear();
            write_date(&mut text, days.into()).unwrap();
            assert_eq!(parse_date(&text), Some(days), "{text}");
        }
    }

    #[test]
    fn known_days_are_known() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-03-01"), Some(11_017));
        assert_eq!(parse_date("0000-01-01"), Some(-719_528));
        assert_eq!(date_from_days(-719_529), (-1, 12, 31));
    }

    #[test]
    fn days_that_do_not_exist_are_not_read() {
        for text in ["2018-02-29", "1900-02-29", "2018-00-01", "2018-13-01", "2018-04-31", "2018-1-01", "2018-01-1x"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert!(parse_date("2000-02-29").is_some());
    }

    #[test]
    fn times_are_read_in_all_their_spellings() {
        let read = |text| parse_timestamp(text).map(|time| (time.milliseconds, time.zoned));
        assert_eq!(read("1970-01-01T00:00Z"), Some((0, true)));
        assert_eq!(read("1970-01-01 00:00:01"), Some((1_000, false)));
        assert_eq!(read("1970-01-01T01:00:00.5+01:00"), Some((500, true)));
        assert_eq!(read("1969-12-31T23:59:59.999999-00:30"), Some((1_799_999, true)));
    }

    #[test]
    fn broken_times_are_not_read() {
        let broken = [
            "1970-01-01",
            "1970-01-01T",
            "1970-01-01T24:00",
            "1970-01-01T00:60",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00.",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.1234567890",
            "1970-01-01T00:00+1:00",
            "1970-01-01T00:00+24:00",
            "1970-01-01T00:00 Z",
            "1970-01-01T0:00",
            "1970-01-0éT00:00",
        ];
        for text in broken {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_before_1970_has_a_positive_fraction() {
        assert_eq!(written(-1, 1_000), "1969-12-31T23:59:59.999Z");
        assert_eq!(written(1_517_966_773_840, 1_000), "2018-02-07T01:26:13.840Z");
        assert_eq!(written(0, 1), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn the_ends_of_the_range_can_be_written() {
        for value in [i64::MIN, i64::MAX] {
            for per_second in [1, 1_000, 1_000_000, 1_000_000_000] {
                assert!(!written(value, per_second).is_empty());
            }
        }
    }
}
