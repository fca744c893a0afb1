//! Magnitudes of one group, counted in hundredths.
//!
//! Lives here: [`Histogram`] and the arithmetic of bins. Not here: what is estimated from it. May be misread: a bin is named by
//! its centre, and everything is whole hundredths of a magnitude, because 0.1 has no exact float: binned as floats,
//! 0.3 / 0.1 falls into bin 2.

/// Smallest magnitude that is taken, in hundredths. Microearthquakes in mines reach about -4.
pub const LOWEST: i32 = -500;
/// Largest magnitude that is taken, in hundredths. The largest ever measured was 9.5.
pub const HIGHEST: i32 = 1_200;

/// How many events have which magnitude. Always 13.6 KB, however many events.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Index 0 is [`LOWEST`].
    counts: Vec<u64>,
    events: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; (HIGHEST - LOWEST + 1) as usize], events: 0 }
    }
}

impl Histogram {
    /// Counts one event, its magnitude rounded to a hundredth. `false`, and not counted, if it is no magnitude between
    /// -5 and 12.
    #[must_use]
    pub fn add(&mut self, magnitude: f64) -> bool {
        let hundredths = (magnitude * 100.0).round();
        // Written so that NaN is refused too.
        let is_magnitude = hundredths >= f64::from(LOWEST) && hundredths <= f64::from(HIGHEST);
        if is_magnitude {
            self.counts[(hundredths as i32 - LOWEST) as usize] += 1;
            self.events += 1;
        }
        is_magnitude
    }

    /// Events counted.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Largest magnitude counted, in hundredths.
    pub fn largest(&self) -> Option<i32> {
        self.counts.iter().rposition(|count| *count > 0).map(|index| index as i32 + LOWEST)
    }

    /// The step of the data themselves: 10 hundredths if every magnitude is a whole number of tenths, otherwise 1.
    pub fn resolution(&self) -> i32 {
        if self.filled().all(|(magnitude, _)| magnitude % 10 == 0) { 10 } else { 1 }
    }

    /// From the lowest to the highest bin with an event in it, without gaps. Magnitudes are rounded to `step` hundredths first
    /// (halves go up), then `steps` steps make one bin (an even number of them has its centre at the upper middle).
    pub fn bins(&self, step: i32, steps: i32) -> Vec<Bin> {
        let mut bins: Vec<Bin> = Vec::new();
        for (magnitude, count) in self.filled() {
            let number = nearest(nearest(magnitude, step), steps);
            let bin = |number: i32| Bin { centre: number * steps * step, lowest: (number * steps - steps / 2) * step, count: 0 };
            let first = bins.last().map_or(number, |last| last.centre / (steps * step) + 1);
            bins.extend((first..=number).map(bin));
            if let Some(last) = bins.last_mut() {
                last.count += count;
            }
        }
        bins
    }

    fn filled(&self) -> impl Iterator<Item = (i32, u64)> {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(index, count)| (index as i32 + LOWEST, *count))
    }
}

/// Some neighbouring magnitudes, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    /// The magnitude that names the bin.
    pub centre: i32,
    /// The lowest magnitude, rounded to the step, that falls in.
    pub lowest: i32,
    /// Events.
    pub count: u64,
}

/// `value / unit`, rounded to a whole number; halves go up.
fn nearest(value: i32, unit: i32) -> i32 {
    (value + unit / 2).div_euclid(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(magnitudes: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        assert!(magnitudes.iter().all(|magnitude| histogram.add(*magnitude)));
        histogram
    }

    fn centres(magnitudes: &[f64], step: i32, steps: i32) -> Vec<(i32, u64)> {
        histogram(magnitudes).bins(step, steps).iter().map(|bin| (bin.centre, bin.count)).collect()
    }

    #[test]
    fn no_magnitude_falls_into_the_wrong_bin_for_lack_of_digits() {
        for tenth in -50..=120 {
            let magnitude = f64::from(tenth) / 10.0;
            assert_eq!(centres(&[magnitude], 10, 1), [(tenth * 10, 1)], "{magnitude}");
            assert_eq!(centres(&[magnitude], 1, 10), [(tenth * 10, 1)], "{magnitude}");
        }
    }

    #[test]
    fn halves_go_up_on_both_sides_of_zero() {
        assert_eq!(centres(&[-0.05, 0.04, 0.05], 10, 1), [(0, 2), (10, 1)]);
        assert_eq!(centres(&[-0.06, -0.15], 10, 1), [(-10, 2)]);
    }

    #[test]
    fn lowest_is_the_lowest_that_falls_in() {
        for (step, steps) in [(1, 1), (1, 10), (5, 2), (10, 1), (3, 4), (25, 1)] {
            for number in -15..15 {
                let magnitude = number * step;
                let bin = histogram(&[f64::from(magnitude) / 100.0]).bins(step, steps)[0];
                assert!(bin.lowest <= magnitude && magnitude < bin.lowest + step * steps, "{magnitude}: {bin:?}");
                let lowest = histogram(&[f64::from(bin.lowest) / 100.0]).bins(step, steps)[0];
                assert_eq!(lowest, bin);
            }
        }
    }

    #[test]
    fn bins_have_no_gaps() {
        assert_eq!(centres(&[1.0, 1.3, 1.3], 10, 1), [(100, 1), (110, 0), (120, 0), (130, 2)]);
        assert_eq!(centres(&[-0.2, 0.1], 10, 1), [(-20, 1), (-10, 0), (0, 0), (10, 1)]);
        assert_eq!(centres(&[], 10, 1), []);
    }

    #[test]
    fn resolution_is_read_off_the_data() {
        assert_eq!(histogram(&[4.5, 6.4, -0.3]).resolution(), 10);
        assert_eq!(histogram(&[4.5, 6.41]).resolution(), 1);
    }

    #[test]
    fn what_is_no_magnitude_is_not_counted() {
        let mut histogram = Histogram::default();
        assert!(histogram.add(-5.0) && histogram.add(12.0));
        assert!(!histogram.add(-5.01) && !histogram.add(12.01) && !histogram.add(f64::NAN) && !histogram.add(f64::INFINITY));
        assert_eq!((histogram.events(), histogram.largest()), (2, Some(1_200)));
    }
}
