//! What is seen of one version: calls, faults, and how long answers took, in buckets that double.
//!
//! What a reader may get wrong: a latency is known to its bucket, so to a factor of two; within a bucket it is interpolated. Faults have
//! no latency here: a trap is quick and a deadline long, and neither says how long an answer takes.

use serde::{Deserialize, Serialize};

/// How many buckets: the first for less than a microsecond, then one for each power of two, the last for everything from 2^30 µs (18 minutes).
pub const BUCKETS: usize = 32;

/// The bucket of a latency in microseconds: 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, and so on.
pub fn bucket(us: u64) -> usize {
    ((u64::BITS - us.leading_zeros()) as usize).min(BUCKETS - 1)
}

/// What was seen of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Observed {
    /// Calls that ended, faults among them. Not those that were cancelled or never let in.
    pub calls: u64,
    /// Calls that ended with a fault.
    pub faults: u64,
    /// Of the others, how many took how long: see [`bucket`].
    pub latency_buckets: [u64; BUCKETS],
}

impl Observed {
    /// A call was answered, a refusal included, after that many microseconds.
    pub fn add(&mut self, us: u64) {
        self.calls = self.calls.saturating_add(1);
        let count = &mut self.latency_buckets[bucket(us)];
        *count = count.saturating_add(1);
    }

    /// A call ended with a fault.
    pub fn add_fault(&mut self) {
        self.calls = self.calls.saturating_add(1);
        self.faults = self.faults.saturating_add(1);
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.calls = sum.calls.saturating_add(other.calls);
        sum.faults = sum.faults.saturating_add(other.faults);
        for (count, more) in sum.latency_buckets.iter_mut().zip(other.latency_buckets) {
            *count = count.saturating_add(more);
        }
        sum
    }

    /// Calls whose latency is known.
    pub fn answered(&self) -> u64 {
        self.latency_buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The latency that this part of all answers (0 to 1) stays within. Microseconds; 0 where there are none.
    pub fn quantile(&self, part: f64) -> u64 {
        let answered = self.answered();
        // At least one and at most all of them, whatever the part is; what is not a number becomes one.
        let wanted = ((answered as f64 * part).ceil() as u64).clamp(1, answered.max(1));
        let mut below: u64 = 0;
        for (index, &count) in self.latency_buckets.iter().enumerate() {
            if count > 0 && below.saturating_add(count) >= wanted {
                // Bucket 0 holds 0, bucket k from 2^(k-1) up to 2^k. The last has no end, so its begin is all that is known.
                let begin = if index == 0 { 0 } else { 1 << (index - 1) };
                let width = if index + 1 == BUCKETS || index == 0 { 0 } else { begin };
                let within = (wanted - below) as f64 / count as f64;
                return begin + (width as f64 * within) as u64;
            }
            below = below.saturating_add(count);
        }
        0
    }
}
