//! What a number was measured on: processor, memory, kernel, load, versions, date.
//!
//! Not here: anything that is measured. May be misread: the load is that of the last minute before the run, from other programs; a
//! number measured on a busy machine says so by it.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// A machine and the versions on it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    /// Average number of running programs in the minute before.
    pub(crate) load: String,
    pub(crate) plugwork: String,
    pub(crate) wasmtime: String,
    pub(crate) rust: String,
}

impl Machine {
    /// Of this process, now. What cannot be read is `unknown`.
    pub(crate) fn here() -> Self {
        let unknown = || "unknown".to_owned();
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let kibibytes = after(&memory, "MemTotal:").and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Self {
            date: date(seconds),
            processor: after(&processors, "model name").map_or_else(unknown, |text| text.trim_start_matches([':', '\t', ' ']).to_owned()),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kibibytes.unwrap_or(0) << 10,
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            load: read("/proc/loadavg").split_whitespace().next().map_or_else(unknown, str::to_owned),
            plugwork: env!("CARGO_PKG_VERSION").to_owned(),
            wasmtime: locked("wasmtime").unwrap_or_else(unknown),
            rust: quoted(include_str!("../../rust-toolchain.toml"), "channel").unwrap_or_else(unknown),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        writeln!(f, "{}, {} processors, {gibibytes:.0} GiB, {}, load {}", self.processor, self.processors, self.kernel, self.load)?;
        write!(f, "plugwork {}, wasmtime {}, Rust {}, {}", self.plugwork, self.wasmtime, self.rust, self.date)
    }
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::trim)
}

/// The version of a package in this workspace's lock file.
fn locked(package: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let at = lock.find(&format!("name = \"{package}\"\n"))?;
    quoted(&lock[at..], "version")
}

/// The text after the first `key = "` of a TOML file.
fn quoted(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
    Some(line.trim().trim_matches('"').to_owned())
}

/// The day in UTC. Years are counted from March, so that a leap day is a year's last.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year_of_era + u64::from(month <= 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_a_day() {
        assert_eq!([0, 951_782_400, 951_868_800, 1_795_219_199].map(date), ["1970-01-01", "2000-02-29", "2000-03-01", "2026-11-20"]);
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let machine = Machine::here();
        assert!(machine.wasmtime.starts_with("48."), "{}", machine.wasmtime);
        assert!(machine.rust.starts_with("1."), "{}", machine.rust);
    }
}
