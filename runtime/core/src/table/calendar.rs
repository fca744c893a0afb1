//! Days and moments as text: the one calendar of the workspace.

use super::format::TimeUnit;

const DAY_SECONDS: i64 = 86_400;

/// A moment as ISO 8601 in UTC, without a letter for the zone, with as many digits of a second as the unit has.
pub fn instant(value: i64, unit: TimeUnit) -> String {
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

/// A day counted from 1970-01-01 as a calendar date in the proleptic Gregorian calendar. Counts years from 1 March, so that the leap day
/// is the last of its year and month lengths follow the pattern 153 days for every five months.
pub fn date(days: i64) -> String {
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
}
