//! Words for people that several verbs use: sizes, counts, lists, and the name that was probably meant.
//!
//! Sizes are rounded: never compute with them, and never put them into JSON.

use plugwork_core::guard::{GuardName, GuardNames};
use plugwork_core::table::{TimeUnit, calendar};

/// `512 B`, `1.4 KiB`, `38.2 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / (1 << 10);
    let mut unit = 0;
    while tenths >= 10 << 10 && unit + 1 < UNITS.len() {
        tenths >>= 10;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `1 import`, `1,234 imports`: English plural by `s`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number as u64), if number == 1 { "" } else { "s" })
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `0.3 s ago`, `12 s ago`, `5 min ago`, `3 h ago`, `9 d ago`.
pub(crate) fn ago(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s ago", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => format!("{} s ago", ms / 1_000),
        120_000..7_200_000 => format!("{} min ago", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h ago", ms / 3_600_000),
        _ => format!("{} d ago", ms / 86_400_000),
    }
}

/// Milliseconds since 1970 as `2026-11-21T05:40:00Z`.
pub(crate) fn instant(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1_000).unwrap_or(i64::MAX);
    format!("{}Z", calendar::instant(seconds, TimeUnit::Seconds))
}

/// The candidate that differs from `given` by the fewest single letters, if they are few enough to be a slip.
pub(crate) fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &&str| distance(given, candidate) <= 1 + given.chars().count() / 4;
    candidates.into_iter().filter(near).min_by_key(|candidate| distance(given, candidate))
}

/// Levenshtein: letters to insert, remove or replace. Names are short, so the plain quadratic method does.
fn distance(a: &str, b: &str) -> usize {
    const CHARACTERS_MAX: usize = 128;
    let b: Vec<char> = b.chars().take(CHARACTERS_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, a) in a.chars().take(CHARACTERS_MAX).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Who has a say before calls of which export, one line each.
pub(super) fn guarded(guards: &GuardNames) -> Vec<String> {
    let by = |names: &[GuardName]| {
        names.iter().map(|name| if *name == GuardName::Itself { "itself".to_owned() } else { name.to_string() }).collect::<Vec<_>>()
    };
    guards.iter().map(|(interface, names)| format!("calls of {interface} are asked of {}", by(names).join(", then of "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_a_binary_unit() {
        assert_eq!([0, 1_023, 1_024, 1_536, 40 << 20, 3 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "40.0 MiB", "3.0 GiB"]);
    }

    #[test]
    fn counts_are_grouped_and_plural() {
        assert_eq!((count(0, "note"), count(1, "note"), count(1_234, "note")), ("0 notes".into(), "1 note".into(), "1,234 notes".into()));
    }

    #[test]
    fn a_slip_finds_its_name_and_anything_else_finds_none() {
        let names = ["http", "filesystem", "config"];
        assert_eq!(closest("htp", names), Some("http"));
        assert_eq!(closest("file-system", names), Some("filesystem"));
        assert_eq!(closest("telepathy", names), None);
    }
}
