//! Whether a new version goes back by itself: what was observed of it and of the one before, compared. It knows no clock and calls nothing.
//!
//! What a reader may get wrong: going back needs evidence that waiting could not take away. Few calls are judged as if all calls up to
//! `calls-min` that are still missing succeeded, so a breaker that lets no more calls through does not keep a broken version alive.

mod observed;

pub use observed::{BUCKETS, Observed, bucket};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Issue;

/// The part of calls whose latency is compared: the slowest tenth may be cold starts and other people's noise.
pub const QUANTILE: f64 = 0.9;

/// How a new version is watched.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Watch {
    /// How long, from the moment that calls go to it. Milliseconds, 1,000 to 86,400,000; 60,000.
    pub window_ms: u64,
    /// Calls over which faults are judged, 1 to 1,000,000; 20.
    pub calls_min: u64,
    /// Percent of calls that may end with a fault, 0 to 100 (it never goes back for faults); 10.
    pub fault_percent: u32,
    /// How many times as long nine of ten calls may take as they did before, 1.5 to 1,000; 3. Measured in steps of two, and interpolated.
    pub latency_factor: f64,
    /// Calls of either version from which latency is judged, 1 to 1,000,000; 100.
    pub latency_calls_min: u64,
    /// Latency that is never too long, whatever it was before. Microseconds, 1 to 60,000,000; 1,000.
    pub latency_floor_us: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            window_ms: 60_000,
            calls_min: 20,
            fault_percent: 10,
            latency_factor: 3.0,
            latency_calls_min: 100,
            latency_floor_us: 1_000,
        }
    }
}

impl Watch {
    /// Whether each lies in its range.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn check(&self) -> Result<(), Issue> {
        let ranges = [
            ("window-ms", self.window_ms, 1_000, 86_400_000, "milliseconds"),
            ("calls-min", self.calls_min, 1, 1_000_000, "calls"),
            ("fault-percent", u64::from(self.fault_percent), 0, 100, "percent"),
            ("latency-calls-min", self.latency_calls_min, 1, 1_000_000, "calls"),
            ("latency-floor-us", self.latency_floor_us, 1, 60_000_000, "microseconds"),
        ];
        let issue = |what: String, at: &str, expected: String| Err(Issue { what, at: at.to_owned(), expected });
        if let Some((at, value, least, most, unit)) =
            ranges.into_iter().find(|(_, value, least, most, _)| !(least..=most).contains(&value))
        {
            return issue(value.to_string(), at, format!("{least} to {most} {unit}"));
        }
        // Not a number is in no range.
        if !(1.5..=1_000.0).contains(&self.latency_factor) {
            return issue(self.latency_factor.to_string(), "latency-factor", "1.5 to 1000".to_owned());
        }
        Ok(())
    }
}

/// What becomes of the new version.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It stays, and need not be watched any more.
    Keep,
    /// Ask again.
    Wait,
    /// The version before takes its place again.
    Back(Why),
}

/// Why a version went back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// Too many of its calls ended with a fault.
    Faults {
        /// How many did.
        faults: u64,
        /// Of how many.
        calls: u64,
        /// Percent tolerated.
        tolerated_percent: u32,
        /// Faults of the version before.
        before_faults: u64,
        /// Calls of the version before.
        before_calls: u64,
    },
    /// Its calls take too long.
    Latency {
        /// What nine of ten calls stay within, in microseconds.
        after_us: u64,
        /// The same of the version before.
        before_us: u64,
        /// How many times as long was tolerated.
        tolerated_factor: f64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Faults { faults, calls, tolerated_percent, before_faults, before_calls } => {
                let (now, before) = (Percent(*faults, *calls), Percent(*before_faults, *before_calls));
                write!(f, "{faults} of {calls} calls failed ({now}), at most {tolerated_percent} % are tolerated; before: {before}")
            }
            Self::Latency { after_us, before_us, tolerated_factor } => write!(
                f,
                "9 of 10 calls take up to {after_us} µs, at most {tolerated_factor} times as long as before is tolerated; before: {before_us} µs"
            ),
        }
    }
}

/// A part of a whole, to a tenth of a percent.
struct Percent(u64, u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(part, whole) = *self;
        if whole == 0 {
            return f.write_str("no calls");
        }
        let tenths = (u128::from(part) * 2_000 / u128::from(whole)).div_ceil(2);
        match (tenths / 10, tenths % 10) {
            // Something is never shown as nothing.
            (0, 0) if part > 0 => f.write_str("less than 0.1 %"),
            (percent, 0) => write!(f, "{percent} %"),
            (percent, tenth) => write!(f, "{percent}.{tenth} %"),
        }
    }
}

/// Judges what was seen of the new version so far, `elapsed_ms` after calls went to it. Evidence counts however late it is looked at; after
/// [`Verdict::Keep`] or [`Verdict::Back`] nobody asks again.
pub fn verdict(watch: &Watch, before: &Observed, after: &Observed, elapsed_ms: u64) -> Verdict {
    if too_many_faults(watch, before, after) {
        return Verdict::Back(Why::Faults {
            faults: after.faults,
            calls: after.calls,
            tolerated_percent: watch.fault_percent,
            before_faults: before.faults,
            before_calls: before.calls,
        });
    }
    if let Some((before_us, after_us)) = too_slow(watch, before, after) {
        return Verdict::Back(Why::Latency { after_us, before_us, tolerated_factor: watch.latency_factor });
    }
    if elapsed_ms >= watch.window_ms { Verdict::Keep } else { Verdict::Wait }
}

/// More than tolerated, and at least twice the part that failed before: going back to what was as bad would help nobody.
fn too_many_faults(watch: &Watch, before: &Observed, after: &Observed) -> bool {
    let wide = u128::from;
    let calls = after.calls.max(watch.calls_min);
    wide(after.faults) * 100 > wide(calls) * u128::from(watch.fault_percent)
        && wide(after.faults) * wide(before.calls) >= 2 * wide(before.faults) * wide(calls)
}

/// Latency before and after, where the one after is too long.
fn too_slow(watch: &Watch, before: &Observed, after: &Observed) -> Option<(u64, u64)> {
    if before.answered().min(after.answered()) < watch.latency_calls_min {
        return None;
    }
    let (before_us, after_us) = (before.quantile(QUANTILE), after.quantile(QUANTILE));
    (after_us > watch.latency_floor_us && after_us as f64 > before_us as f64 * watch.latency_factor).then_some((before_us, after_us))
}

#[cfg(test)]
mod tests;
