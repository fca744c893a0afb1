//! Durations, sizes and counts, in words that fit a narrow column.
//!
//! Numbers in result tables are not here but in `cell`. Easy to get wrong: these round, so never compute with them.

/// `0.42 ms`, `38 ms`, `4.2 s`, `3 min 07 s`.
pub(super) fn duration(ms: f64) -> String {
    if !ms.is_finite() || ms < 0.0 {
        return "unknown".to_owned();
    }
    if ms < 9.995 {
        format!("{ms:.2} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 59_950.0 {
        format!("{:.1} s", ms / 1_000.0)
    } else {
        // Saturates, which is fine for a length of time nobody will wait for.
        let seconds = (ms / 1_000.0).round() as u64;
        format!("{} min {:02} s", grouped(seconds / 60), seconds % 60)
    }
}

/// `512 B`, `1.4 KiB`, `38.2 MiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1_024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        // Where rounding would print 1024.0, the next unit is the right one.
        if size < 1_023.95 {
            break;
        }
        size /= 1_024.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// `1,234,567`.
pub(super) fn grouped(count: u64) -> String {
    group_digits(&count.to_string())
}

/// Puts a comma before every third digit from the right of a run of digits.
pub(super) fn group_digits(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 row`, `2 rows`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_changes_its_unit_where_rounding_would_overflow_it() {
        let said: Vec<_> = [0.0, 0.416, 9.99, 38.4, 999.6, 4_230.0, 59_960.0, 187_000.0].map(duration).into();
        assert_eq!(said, ["0.00 ms", "0.42 ms", "9.99 ms", "38 ms", "1.0 s", "4.2 s", "1 min 00 s", "3 min 07 s"]);
    }

    #[test]
    fn duration_that_is_not_a_number_is_unknown() {
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(duration), ["unknown"; 3].map(str::to_owned));
    }

    #[test]
    fn bytes_are_binary_units() {
        assert_eq!(
            [0, 1_023, 1_024, 1_048_575, 40 << 20].map(bytes),
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "40.0 MiB"].map(str::to_owned)
        );
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"].map(str::to_owned));
    }
}
