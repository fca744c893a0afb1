//! Quantiles of any number of values in bounded memory, with an error that does not depend on their order.
//!
//! Lives here: [`Sketch`], a histogram with logarithmic buckets. Not here: means, groups, nulls. May be misread: the
//! bound is on the *value* (within 0.4 % of the true quantile), not on the rank.
//!
//! The idea is that of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", PVLDB 12, 2019) with the bucket taken from the leading bits of the float instead of a
//! logarithm, as in HdrHistogram: each power of two is cut into 128 equal buckets, so finding one costs a shift. Unlike a
//! t-digest or KLL there is no random choice and no dependence on order: any split, merged in any way, gives the same sketch.

/// Up to this many values are kept as they are, and their quantiles are exact.
pub const EXACT_VALUES: usize = 256;
/// Largest distance between a quantile that is given and the true one, as a share of the true one.
pub const RELATIVE_ERROR: f64 = 1.0 / 256.0;

/// Bits of the mantissa that number a bucket within its power of two.
const MANTISSA_BITS: u32 = 7;
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - MANTISSA_BITS;
/// Buckets on each side of zero: 32 powers of two below the largest value. What is closer to zero is counted as zero.
const BUCKETS_MAX: usize = 32 << MANTISSA_BITS;

/// A sketch of finite values. At most about 66 KiB, however many values it has seen.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    exact: Vec<f64>,
    /// Used once there are more than [`EXACT_VALUES`] values; then `exact` is empty for ever.
    histogram: Option<Box<Histogram>>,
}

impl Sketch {
    /// Takes in one value, which must be finite.
    #[inline]
    pub fn add(&mut self, value: f64) {
        debug_assert!(value.is_finite());
        match &mut self.histogram {
            Some(histogram) => histogram.add(value),
            None => self.add_exact(value),
        }
    }

    #[cold]
    fn overflow(&mut self) {
        let mut histogram = Box::<Histogram>::default();
        for value in std::mem::take(&mut self.exact) {
            histogram.add(value);
        }
        self.histogram = Some(histogram);
    }

    fn add_exact(&mut self, value: f64) {
        self.exact.push(value);
        if self.exact.len() > EXACT_VALUES {
            self.overflow();
        }
    }

    /// Takes in everything another sketch has seen; the same as having seen it all here.
    pub fn merge(&mut self, other: &Sketch) {
        for value in &other.exact {
            self.add(*value);
        }
        if let Some(theirs) = &other.histogram {
            if self.histogram.is_none() {
                self.overflow();
            }
            if let Some(ours) = &mut self.histogram {
                ours.merge(theirs);
            }
        }
    }

    /// For each fraction between 0 and 1, the smallest value that at least this share of the values does not exceed;
    /// `None` where nothing was seen.
    ///
    /// Exact for up to [`EXACT_VALUES`] values. Beyond that within [`RELATIVE_ERROR`] of the true one, except that what
    /// is nearer to zero than the largest value of its sign divided by 2^32 may come back as 0. A bucket that can
    /// hold only one whole number comes back as that number when `whole` is set, so that -255 to 255 stay exact.
    pub fn quantiles(&self, fractions: &[f64], whole: bool) -> Vec<Option<f64>> {
        match &self.histogram {
            Some(histogram) => fractions.iter().map(|fraction| histogram.quantile(*fraction, whole)).collect(),
            None => {
                let mut sorted = self.exact.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                fractions.iter().map(|fraction| sorted.get(rank(*fraction, sorted.len() as u64) as usize).copied()).collect()
            }
        }
    }
}

/// Which of the sorted values answers for `fraction`, counted from 0.
fn rank(fraction: f64, count: u64) -> u64 {
    // The tolerance keeps 0.07 of 100 values at the 7th: as floats the product is 7.000000000000001.
    ((fraction * count as f64 - 1e-9).ceil().max(1.0) as u64).min(count.max(1)) - 1
}

#[derive(Clone, Debug, Default)]
struct Histogram {
    zero: u64,
    positive: Side,
    negative: Side,
}

impl Histogram {
    #[inline]
    fn add(&mut self, value: f64) {
        let key = ((value.to_bits() & !(1 << 63)) >> SHIFT) as usize;
        let side = if value > 0.0 { &mut self.positive } else { &mut self.negative };
        // Zero has key 0, and so have the smallest subnormals, which are as good as zero.
        if key == 0 {
            self.zero += 1;
        } else if let Some(count) = side.counts.get_mut(key.wrapping_sub(side.first)) {
            *count += 1;
        } else {
            self.zero += side.add_outside(key, 1);
        }
    }

    fn merge(&mut self, other: &Histogram) {
        self.zero += other.zero;
        for (ours, theirs) in [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)] {
            for (index, count) in theirs.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                self.zero += ours.add_outside(theirs.first + index, *count);
            }
        }
    }

    fn quantile(&self, fraction: f64, whole: bool) -> Option<f64> {
        let count = self.zero + self.positive.counts.iter().sum::<u64>() + self.negative.counts.iter().sum::<u64>();
        if count == 0 {
            return None;
        }
        let mut left = rank(fraction, count);
        for (key, count) in self.negative.filled().rev() {
            if left < count {
                return Some(-middle(key, whole));
            }
            left -= count;
        }
        if left < self.zero {
            return Some(0.0);
        }
        left -= self.zero;
        for (key, count) in self.positive.filled() {
            if left < count {
                return Some(middle(key, whole));
            }
            left -= count;
        }
        None
    }
}

/// The value that stands for a bucket: as far from its lower end as from its upper one.
fn middle(key: usize, whole: bool) -> f64 {
    let edge = |key: usize| f64::from_bits((key as u64) << SHIFT);
    // The bucket above the last finite one begins at infinity.
    let (low, high) = (edge(key), edge(key + 1).min(f64::MAX));
    let middle = low + (high - low) / 2.0;
    if !whole {
        return middle;
    }
    // A bucket that is at most 1 wide and has a whole number in it begins with it or holds no other.
    if high - low <= 1.0 { low.ceil() } else { middle.round() }
}

/// The buckets of one sign: a window of at most [`BUCKETS_MAX`] that moves up with the largest value.
#[derive(Clone, Debug, Default)]
struct Side {
    /// Key of `counts[0]`.
    first: usize,
    counts: Vec<u64>,
}

impl Side {
    /// Counts `count` values of a bucket, making room for it first. Returns how many values fell out of the window,
    /// because they are now too near to zero.
    #[cold]
    fn add_outside(&mut self, key: usize, count: u64) -> u64 {
        if self.counts.is_empty() {
            self.first = key;
            self.counts.push(count);
            return 0;
        }
        let mut fallen = 0;
        let last = self.first + self.counts.len() - 1;
        if key > last {
            let lowest = (key + 1).saturating_sub(BUCKETS_MAX);
            if lowest > self.first {
                let gone = (lowest - self.first).min(self.counts.len());
                fallen = self.counts.drain(..gone).sum();
                self.first = lowest;
            }
            self.counts.resize(key - self.first + 1, 0);
        } else if key < self.first {
            let lowest = (last + 1).saturating_sub(BUCKETS_MAX);
            if key < lowest {
                return count;
            }
            // Room below for a whole power of two where it fits, so that falling values do not move the buckets one by one.
            let first = key.saturating_sub(1 << MANTISSA_BITS).max(lowest);
            self.counts.splice(..0, std::iter::repeat_n(0, self.first - first));
            self.first = first;
        }
        self.counts[key - self.first] += count;
        fallen
    }

    fn filled(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(index, count)| (self.first + index, *count))
    }
}

#[cfg(test)]
mod tests;
