//! Sets of places in a list of candidates, as the solver calculates with them.
//!
//! Not ranges of versions: a range is turned into the places of the versions that are in it, so that neighbours join and two equal sets are written
//! alike. What a reader may get wrong: a set may go on beyond the end of the list, as the complement of another does.

use std::fmt;

use pubgrub::VersionSet;
use smallvec::{SmallVec, smallvec};

/// One past the greatest place.
const END: u32 = u32::MAX;

/// Runs `from..to`, ascending, none empty and no two touching. Nearly all sets are one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Set(Runs);

type Runs = SmallVec<[(u32, u32); 1]>;

impl Set {
    /// Of places in ascending order.
    pub(super) fn of(places: impl IntoIterator<Item = u32>) -> Self {
        let mut runs = Runs::new();
        for place in places {
            match runs.last_mut() {
                Some((_, to)) if *to == place => *to += 1,
                _ => runs.push((place, place + 1)),
            }
        }
        Self(runs)
    }

    /// The places that a list of this length has.
    pub(super) fn within(&self, length: usize) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let length = u32::try_from(length).unwrap_or(END);
        self.0.iter().flat_map(move |&(from, to)| from.min(length)..to.min(length))
    }

    /// How many places of such a list are in it.
    pub(super) fn count_within(&self, length: usize) -> usize {
        let length = u32::try_from(length).unwrap_or(END);
        self.0.iter().map(|&(from, to)| (to.min(length) - from.min(length)) as usize).sum()
    }

    /// The others than this one.
    pub(super) fn without(&self, place: u32) -> Self {
        let parts = |&(from, to): &(u32, u32)| match (from..to).contains(&place) {
            true => [(from, place), (place + 1, to)],
            false => [(from, to), (to, to)],
        };
        Self(self.0.iter().flat_map(parts).filter(|(from, to)| from < to).collect())
    }

    /// How many runs it is written with: what it costs to calculate with it.
    pub(super) fn runs(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl VersionSet for Set {
    type V = u32;

    fn empty() -> Self {
        Self(Runs::new())
    }

    fn full() -> Self {
        Self(smallvec![(0, END)])
    }

    fn singleton(place: u32) -> Self {
        Self(smallvec![(place, place + 1)])
    }

    fn complement(&self) -> Self {
        let mut runs = Runs::with_capacity(self.0.len() + 1);
        let mut from = 0;
        for &(start, end) in &self.0 {
            if from < start {
                runs.push((from, start));
            }
            from = end;
        }
        if from < END {
            runs.push((from, END));
        }
        Self(runs)
    }

    fn intersection(&self, other: &Self) -> Self {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut runs = Runs::new();
        while let (Some(&&(from, to)), Some(&&(other_from, other_to))) = (one.peek(), two.peek()) {
            let (start, end) = (from.max(other_from), to.min(other_to));
            if start < end {
                runs.push((start, end));
            }
            if to <= other_to {
                one.next()
            } else {
                two.next()
            };
        }
        Self(runs)
    }

    fn union(&self, other: &Self) -> Self {
        let mut all: Runs = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut runs = Runs::new();
        for (from, to) in all {
            match runs.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => runs.push((from, to)),
            }
        }
        Self(runs)
    }

    fn contains(&self, place: &u32) -> bool {
        let after = self.0.partition_point(|&(from, _)| from <= *place);
        after > 0 && *place < self.0[after - 1].1
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(from, to)| write!(f, "{from}..{to} "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculates_as_sets_of_numbers_do() {
        let sets: Vec<Set> = (0..64_u32).map(|bits| Set::of((0..6).filter(|at| bits >> at & 1 == 1))).collect();
        let has = |set: &Set, at: u32| set.contains(&at);
        for one in &sets {
            assert_eq!(one.complement().complement(), *one);
            assert!((0..9).all(|at| has(one, at) != has(&one.complement(), at)));
            assert!((0..9).all(|at| one.without(at) == one.intersection(&Set::singleton(at).complement())));
            for other in &sets {
                let (both, either) = (one.intersection(other), one.union(other));
                assert!((0..9).all(|at| has(&both, at) == (has(one, at) && has(other, at))));
                assert!((0..9).all(|at| has(&either, at) == (has(one, at) || has(other, at))));
                assert_eq!(one.is_disjoint(other), both.is_empty());
                assert_eq!(one == other, (0..6).all(|at| has(one, at) == has(other, at)));
            }
            assert_eq!(Set::of(one.within(9)), *one);
        }
        assert_eq!(Set::full().within(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Set::empty().complement(), Set::full());
    }
}
