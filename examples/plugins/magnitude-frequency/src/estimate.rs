//! The Gutenberg–Richter relation of one group by maximum likelihood.
//!
//! Lives here: [`estimate`], [`maximum_curvature`], and what they answer. Not here: groups and options. May be misread: `a` belongs
//! to the catalogue's own period (it is not per year), and to magnitudes as they are given, rounded to the step.
//!
//! log10 N(≥M) = a − b M, for M at or above the completeness magnitude Mc. With n events there, mean magnitude m, and
//! magnitudes rounded to a step s:
//! - b = log10(e) / (m − (Mc − s/2)): Aki (1965), with the correction for rounding by Utsu (1966);
//! - its standard error 2.30 b² √(Σ(Mi − m)² / (n (n − 1))): Shi and Bolt (1982);
//! - a = log10 n + b Mc, so that the line gives n events at Mc.

use crate::histogram::{Bin, Histogram};

/// Narrowest bin in which the maximum of the distribution is looked for, in hundredths: in bins of 0.01 a maximum is chance.
const CURVATURE_BIN_MIN: i32 = 10;

/// What was found for one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Hundredths of a magnitude to which the magnitudes were rounded.
    pub step: i32,
    /// Smallest magnitude used, in hundredths, a multiple of `step`.
    pub completeness: i32,
    /// Events at or above it.
    pub used: u64,
    /// Mean magnitude of those; `None` without any.
    pub mean: Option<f64>,
    /// The relation, or why there is none.
    pub relation: Result<Relation, Missing>,
}

/// The two numbers of the relation, and how well the second is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relation {
    /// log10 of the number of events at or above magnitude 0 that the line gives, for the catalogue's period.
    pub a: f64,
    /// Slope, per unit of magnitude.
    pub b: f64,
    /// One standard error of `b`.
    pub b_uncertainty: f64,
}

impl Relation {
    /// How many events at or above a magnitude (in hundredths) the line gives.
    pub fn events_from(&self, magnitude: i32) -> f64 {
        10f64.powf(self.a - self.b * f64::from(magnitude) / 100.0)
    }
}

/// Why there is no relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Fewer events at or above completeness than asked for.
    TooFew,
    /// All of them have the same magnitude: the uncertainty would be 0, which is not true.
    OneMagnitude,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Missing::TooFew => "too few events",
            Missing::OneMagnitude => "all events have one magnitude",
        })
    }
}

/// How many steps make one bin in which curvature is judged and frequencies are shown: as few as are at least 0.1 wide.
pub fn steps_per_bin(step: i32) -> i32 {
    (CURVATURE_BIN_MIN + step - 1).div_euclid(step)
}

/// The completeness magnitude by maximum curvature: the centre of the fullest bin, in hundredths.
///
/// Wyss, Hasegawa, Wiemer and Umino (1999), Wiemer and Wyss (2000). Of equally full bins the highest is
/// taken: too high costs events, too low makes b wrong. `None` without events.
pub fn maximum_curvature(histogram: &Histogram, step: i32) -> Option<i32> {
    // `max_by_key` answers the last of equal ones, and bins rise.
    histogram.bins(step, steps_per_bin(step)).into_iter().max_by_key(|bin| bin.count).map(|bin| bin.centre)
}

/// Estimates the relation from the events at or above `completeness`; all magnitudes in hundredths.
///
/// `completeness` is raised to the next multiple of `step`. Fewer than `minimum_count` events (and never fewer than 2)
/// give [`Missing::TooFew`].
pub fn estimate(histogram: &Histogram, step: i32, completeness: i32, minimum_count: u64) -> Estimate {
    let completeness = (completeness + step - 1).div_euclid(step) * step;
    let bins: Vec<Bin> = histogram.bins(step, 1).into_iter().filter(|bin| bin.centre >= completeness).collect();
    let used: u64 = bins.iter().map(|bin| bin.count).sum();
    // Sums of hundredths are whole numbers, so that neither order nor number of events costs digits.
    let sum: i128 = bins.iter().map(|bin| i128::from(bin.centre) * i128::from(bin.count)).sum();
    let squares: i128 = bins.iter().map(|bin| i128::from(bin.centre).pow(2) * i128::from(bin.count)).sum();
    let n = used as f64;
    let mean = (used > 0).then(|| sum as f64 / n / 100.0);
    // n Σ(Mi − m)² = n ΣMi² − (ΣMi)², exact in whole numbers where floats would cancel.
    let n_deviations = i128::from(used) * squares - sum.pow(2);
    let relation = match mean {
        Some(mean) if used >= minimum_count.max(2) => {
            if n_deviations == 0 {
                Err(Missing::OneMagnitude)
            } else {
                let lowest = f64::from(2 * completeness - step) / 200.0;
                let b = std::f64::consts::LOG10_E / (mean - lowest);
                let deviations = n_deviations as f64 / n / 1e4;
                let b_uncertainty = 2.30 * b * b * (deviations / (n * (n - 1.0))).sqrt();
                Ok(Relation { a: n.log10() + b * f64::from(completeness) / 100.0, b, b_uncertainty })
            }
        }
        _ => Err(Missing::TooFew),
    };
    Estimate { step, completeness, used, mean, relation }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(magnitudes: impl IntoIterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram::default();
        assert!(magnitudes.into_iter().all(|magnitude| histogram.add(magnitude)));
        histogram
    }

    /// A catalogue without chance: magnitudes at the quantiles of the exponential law, rounded to the step.
    fn ideal(b: f64, events: u32, lowest: f64, step: f64) -> Histogram {
        let beta = b * std::f64::consts::LN_10;
        let exact = (0..events).map(|n| lowest - (1.0 - (f64::from(n) + 0.5) / f64::from(events)).ln() / beta);
        histogram(exact.map(|magnitude| (magnitude / step).round() * step))
    }

    #[test]
    fn finds_the_slope_that_made_the_catalogue() {
        for b in [0.7, 1.0, 1.3] {
            let found = estimate(&ideal(b, 20_000, 1.95, 0.1), 10, 200, 50).relation.unwrap();
            assert!((found.b - b).abs() < 0.01 * b, "{b}: {}", found.b);
            assert!((found.b_uncertainty - b / 20_000f64.sqrt()).abs() < 0.1 * found.b_uncertainty);
            assert!((found.events_from(200) - 20_000.0).abs() < 1e-6);
        }
    }

    #[test]
    fn agrees_with_a_calculation_by_hand() {
        // m = 2.15, Mc - s/2 = 1.95; deviations 0.0225 + 0.0025 + 0.0025 + 0.0225 = 0.05.
        let found = estimate(&histogram([2.0, 2.1, 2.2, 2.3]), 10, 200, 2);
        let relation = found.relation.unwrap();
        assert_eq!((found.used, found.mean), (4, Some(2.15)));
        assert!((relation.b - std::f64::consts::LOG10_E / 0.2).abs() < 1e-12);
        assert!((relation.b_uncertainty - 2.30 * relation.b.powi(2) * (0.05f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!((relation.a - (4f64.log10() + 2.0 * relation.b)).abs() < 1e-12);
    }

    #[test]
    fn events_below_completeness_change_nothing() {
        let with = estimate(&histogram([0.1, 1.9, 2.0, 2.1, 2.2]), 10, 200, 2);
        assert_eq!(with, estimate(&histogram([2.0, 2.1, 2.2]), 10, 200, 2));
    }

    #[test]
    fn completeness_is_raised_to_the_step() {
        assert_eq!(estimate(&histogram([2.0, 2.1, 2.2]), 10, 195, 2).completeness, 200);
        assert_eq!(estimate(&histogram([2.0, 2.1, 2.2]), 10, -195, 2).completeness, -190);
    }

    #[test]
    fn says_why_there_is_no_relation() {
        let few = estimate(&histogram([2.0, 2.1]), 10, 200, 3);
        assert_eq!((few.used, few.relation), (2, Err(Missing::TooFew)));
        assert_eq!(estimate(&histogram([2.0, 2.1, 2.2]), 10, 200, 3).relation.map(drop), Ok(()));
        assert_eq!(estimate(&histogram([2.0; 5]), 10, 200, 3).relation, Err(Missing::OneMagnitude));
        let none = estimate(&histogram([2.0]), 10, 300, 0);
        assert_eq!((none.used, none.mean, none.relation), (0, None, Err(Missing::TooFew)));
    }

    #[test]
    fn the_fullest_bin_is_complete_and_of_two_the_higher() {
        assert_eq!(maximum_curvature(&histogram([1.0, 1.1, 1.1, 1.2, 1.2, 1.3]), 10), Some(120));
        assert_eq!(maximum_curvature(&histogram([1.0, 1.1, 1.1, 1.2]), 10), Some(110));
        assert_eq!(maximum_curvature(&histogram([]), 10), None);
    }

    #[test]
    fn curvature_is_judged_in_tenths_at_least() {
        assert_eq!([1, 3, 5, 10, 20, 50].map(|step| step * steps_per_bin(step)), [10, 12, 10, 10, 20, 50]);
        // By hundredths the fullest would be 2.00; by tenths it is 1.0.
        let magnitudes = [0.96, 0.98, 1.01, 1.03, 2.0, 2.0];
        assert_eq!(maximum_curvature(&histogram(magnitudes), 1), Some(100));
    }
}
