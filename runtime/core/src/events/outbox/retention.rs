//! How much an outbox keeps, and how often a delivery is tried.
//!
//! Easily got wrong: the bounds are each tenant's own. Were they shared, one that publishes much would take from the others what they have not yet read.

use crate::Issue;
use crate::limits::{EVENT_ATTEMPTS, EVENT_ATTEMPTS_MAX, EVENT_RETRY_MS, EVENT_RETRY_MS_MAX, OUTBOX_AGE_MS, OUTBOX_BYTES, OUTBOX_EVENTS};

/// How much is kept of each tenant. Past any of these the oldest goes, whether or not everybody was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events, at least one. 100,000.
    pub events_max: u64,
    /// Bytes: payloads, topics, and 128 for each event; at least one. 64 MiB. The newest event stays whatever it has.
    pub bytes_max: u64,
    /// Milliseconds since an event was kept, at least one. Seven days. Looked at when an event of the same tenant is kept, and at [`super::Outbox::prune`].
    pub age_ms_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_max: OUTBOX_EVENTS, bytes_max: OUTBOX_BYTES, age_ms_max: OUTBOX_AGE_MS }
    }
}

impl Retention {
    /// Whether anything is kept at all: none of the three may be 0.
    ///
    /// # Errors
    /// Names the one that is.
    pub fn check(&self) -> Result<(), Issue> {
        let bounds = [("events-max", self.events_max), ("bytes-max", self.bytes_max), ("age-ms-max", self.age_ms_max)];
        match bounds.into_iter().find(|(_, bound)| *bound == 0) {
            None => Ok(()),
            Some((at, _)) => Err(Issue { what: "0".to_owned(), at: format!("retention.{at}"), expected: "at least 1".to_owned() }),
        }
    }

    /// Whether the oldest of those that are there has to go. `age_ms` is its own.
    pub fn is_past(&self, events: u64, bytes: u64, age_ms: u64) -> bool {
        events > self.events_max || (events > 1 && bytes > self.bytes_max) || age_ms > self.age_ms_max
    }
}

/// What is there of one tenant: everything from `first` to `last`, and nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// The oldest; one more than `last` where nothing is there.
    pub first: u64,
    /// The newest that ever was.
    pub last: u64,
    /// Bytes of those that are there.
    pub bytes: u64,
}

impl Span {
    /// Nothing ever was.
    pub const EMPTY: Self = Self { first: 1, last: 0, bytes: 0 };

    /// How many are there.
    pub fn events(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

/// How often an event is handed over that its subscriber does not handle, and how long it waits between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Calls that may fail until the event is parked, 1 to 64; 8.
    pub max: u32,
    /// Until the second call. Twice as long before each later one. Milliseconds, 1 to 30,000; 100.
    pub retry_ms: u64,
    /// The longest wait. Milliseconds, 1 to 30,000; 30,000.
    pub retry_ms_max: u64,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { max: EVENT_ATTEMPTS, retry_ms: EVENT_RETRY_MS, retry_ms_max: EVENT_RETRY_MS_MAX }
    }
}

impl Attempts {
    /// Whether each lies in its range.
    pub fn check(&self) -> Result<(), Issue> {
        let in_range = |at: &str, value: u64, most: u64| match (1..=most).contains(&value) {
            true => Ok(()),
            false => Err(Issue { what: value.to_string(), at: at.to_owned(), expected: format!("1 to {most}") }),
        };
        in_range("attempts.max", self.max.into(), EVENT_ATTEMPTS_MAX.into())?;
        in_range("attempts.retry-ms", self.retry_ms, EVENT_RETRY_MS_MAX)?;
        in_range("attempts.retry-ms-max", self.retry_ms_max, EVENT_RETRY_MS_MAX)
    }

    /// How long to wait after so many failures. Milliseconds.
    pub fn wait_ms(&self, failures: u32) -> u64 {
        let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        self.retry_ms.saturating_mul(doubled).min(self.retry_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_each_bound_nothing_goes_and_past_it_the_oldest_does() {
        let keep = Retention { events_max: 2, bytes_max: 100, age_ms_max: 10 };
        assert!(!keep.is_past(2, 100, 10));
        assert!(keep.is_past(3, 100, 10) && keep.is_past(2, 101, 10) && keep.is_past(2, 100, 11));
        assert!(!keep.is_past(1, 101, 0), "the newest stays");
    }

    #[test]
    fn an_outbox_that_would_keep_nothing_is_refused() {
        let least = Retention { events_max: 1, bytes_max: 1, age_ms_max: 1 };
        assert!(least.check().is_ok() && Retention::default().check().is_ok());
        for (retention, at) in [
            (Retention { events_max: 0, ..least }, "retention.events-max"),
            (Retention { bytes_max: 0, ..least }, "retention.bytes-max"),
            (Retention { age_ms_max: 0, ..least }, "retention.age-ms-max"),
        ] {
            assert_eq!(retention.check().unwrap_err().at, at);
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before_and_none_is_longer_than_the_longest() {
        let attempts = Attempts::default();
        assert_eq!([1, 2, 3, 8].map(|failures| attempts.wait_ms(failures)), [100, 200, 400, 12_800]);
        assert_eq!([0, 10, 64, u32::MAX].map(|failures| attempts.wait_ms(failures)), [100, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn attempts_out_of_their_range_are_named() {
        assert!(Attempts::default().check().is_ok());
        for (attempts, at) in [
            (Attempts { max: 0, ..Attempts::default() }, "attempts.max"),
            (Attempts { max: 65, ..Attempts::default() }, "attempts.max"),
            (Attempts { retry_ms: 0, ..Attempts::default() }, "attempts.retry-ms"),
            (Attempts { retry_ms_max: 30_001, ..Attempts::default() }, "attempts.retry-ms-max"),
        ] {
            assert_eq!(attempts.check().unwrap_err().at, at);
        }
    }
}
