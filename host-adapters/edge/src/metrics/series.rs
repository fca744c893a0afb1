//! The counts of one route: how many requests of which kind of answer, how long they took, and how long they waited for their plugin.
//!
//! A histogram here holds each request once, in its own bucket; the sums that Prometheus wants are made when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets. Microseconds, each included.
pub(crate) const BUCKETS_US: [u64; 14] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000];

/// The kind of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// None: the client went away before.
    None,
    Success,
    Redirection,
    Client,
    Server,
}

impl Class {
    pub(crate) const ALL: [Self; 5] = [Self::None, Self::Success, Self::Redirection, Self::Client, Self::Server];

    /// Of a status; 0 where there is none. Statuses below 200 end no exchange.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::Client,
            500..=599 => Self::Server,
            _ => Self::None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::Client => "4xx",
            Self::Server => "5xx",
        }
    }
}

/// How long something took, how often.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last one is for what took longer than every end.
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn add(&self, us: u64) {
        let bucket = BUCKETS_US.partition_point(|end| *end < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Its buckets, each with all that are below it, and the sum of all. Microseconds.
    pub(crate) fn read(&self) -> ([u64; BUCKETS_US.len() + 1], u64) {
        let mut sum = 0;
        let cumulative = self.buckets.each_ref().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        });
        (cumulative, self.sum_us.load(Ordering::Relaxed))
    }
}

/// The counts of one route.
#[derive(Debug, Default)]
pub(crate) struct Series {
    answers: [Histogram; Class::ALL.len()],
    waits: Histogram,
    response_bytes: AtomicU64,
}

impl Series {
    /// One request is over.
    pub(crate) fn answered(&self, class: Class, duration_us: u64, response_bytes: u64) {
        self.answers[class as usize].add(duration_us);
        self.response_bytes.fetch_add(response_bytes, Ordering::Relaxed);
    }

    /// One request had to wait for its plugin, with success or without.
    pub(crate) fn waited(&self, time: Duration) {
        self.waits.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn of(&self, class: Class) -> &Histogram {
        &self.answers[class as usize]
    }

    pub(crate) fn waits(&self) -> &Histogram {
        &self.waits
    }

    pub(crate) fn response_bytes(&self) -> u64 {
        self.response_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_belongs_to_its_bucket_and_what_is_longer_than_all_to_the_last() {
        let histogram = Histogram::default();
        for us in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.add(us);
        }
        let (cumulative, sum) = histogram.read();
        assert_eq!((cumulative[0], cumulative[1], cumulative[12], cumulative[13], cumulative[14]), (2, 3, 3, 4, 5));
        assert_eq!(sum, 20_001_002);
    }

    #[test]
    fn every_status_is_of_a_class_and_every_class_at_its_place() {
        for (status, name) in [(0, "none"), (101, "none"), (200, "2xx"), (304, "3xx"), (404, "4xx"), (599, "5xx"), (999, "none")] {
            assert_eq!(Class::of(status).name(), name);
        }
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }
}
