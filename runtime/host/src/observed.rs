//! What calls of one generation came to: how many, how many failed, how long they took. Written by every call, read by the watch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use plugwork_core::rollback::{self, BUCKETS};

/// Counters that calls add to.
pub(crate) struct Observed {
    faults: AtomicU64,
    /// Calls by the time they took: see [`rollback::Observed`]. Their sum is how many there were.
    latency: [AtomicU64; BUCKETS],
}

impl Default for Observed {
    fn default() -> Self {
        Self { faults: AtomicU64::new(0), latency: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Observed {
    #[inline]
    pub(crate) fn add(&self, time: Duration, faulted: bool) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.latency[rollback::bucket(microseconds)].fetch_add(1, Ordering::Relaxed);
        if faulted {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> rollback::Observed {
        let latency_buckets = std::array::from_fn(|bucket| self.latency[bucket].load(Ordering::Relaxed));
        rollback::Observed { calls: latency_buckets.iter().sum(), faults: self.faults.load(Ordering::Relaxed), latency_buckets }
    }
}
