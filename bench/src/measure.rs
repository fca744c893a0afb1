//! How things are timed: in short batches, the two sides by turns, so that whatever disturbs the machine disturbs both.
//!
//! Lives here: [`Summary`], [`Side`] and [`contest`]. Not here: what is timed, and what a good number is. May be misread: the medians
//! of the two sides are compared, not the batches pair by pair; the order within a pair changes every time.

use std::future::Future;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Many measurements of one thing, in the unit of its row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The middle one: the value that is judged.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
    /// How many there were.
    pub(crate) batches: usize,
}

impl Summary {
    /// Of at least one value.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "a summary of nothing");
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Self { median, min: values[0], max: values[values.len() - 1], batches: values.len() }
    }

    /// In another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor, batches: self.batches }
    }
}

/// Something that can be timed a batch at a time.
pub(crate) trait Side: Send {
    /// Does it `times` times; nanoseconds for one.
    fn batch(&mut self, times: u32) -> impl Future<Output = Result<f64>> + Send;
}

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Batches of each side that count.
    pub(crate) batches: usize,
    /// Repetitions in a batch.
    pub(crate) times: u32,
}

/// Times two sides by turns: one batch each that does not count, then the batches that do. Nanoseconds.
pub(crate) async fn contest(effort: Effort, ours: &mut impl Side, rival: &mut impl Side) -> Result<(Summary, Summary)> {
    let (mut our_times, mut rival_times) = (Vec::new(), Vec::new());
    ours.batch(effort.times).await?;
    rival.batch(effort.times).await?;
    for round in 0..effort.batches {
        if round % 2 == 0 {
            our_times.push(ours.batch(effort.times).await?);
            rival_times.push(rival.batch(effort.times).await?);
        } else {
            rival_times.push(rival.batch(effort.times).await?);
            our_times.push(ours.batch(effort.times).await?);
        }
    }
    Ok((Summary::of(our_times), Summary::of(rival_times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let summary = Summary::of(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!((summary.median, summary.min, summary.max, summary.batches), (2.5, 1.0, 4.0, 4));
        assert_eq!(Summary::of(vec![5.0, 9.0, 1.0]).median, 5.0);
    }
}
