//! One part as the search sees it: which of its candidates are left, what limits them, and what that makes of its place in the order.
//!
//! What a reader may get wrong: what is ruled out for good is not among the limits. Those are let go of when the decisions behind them are taken back.

use std::cmp::Reverse;

use pubgrub::VersionSet;
use smallvec::SmallVec;

use super::set::Set;
use super::solver::rank;
use super::space::Part;

/// Contested parts first among those of a rank, then those of which the fewest candidates are left.
pub(super) type Priority = (u8, u32, Reverse<usize>);
/// Numbers of decided parts.
pub(super) type Culprits = SmallVec<[u32; 4]>;

/// A part that is or was needed.
pub(super) struct Domain {
    pub(super) part: Part,
    /// How many candidates there are at all.
    pub(super) length: usize,
    /// Those that are not ruled out for good.
    pub(super) possible: Set,
    /// Of these, those that suit everybody.
    pub(super) left: Set,
    /// How many these are.
    pub(super) count: usize,
    pub(super) limits: SmallVec<[Limit; 2]>,
    /// Of the limits, those of whoever needs it.
    pub(super) needed_by: u32,
    /// How often it had a hand in a failure.
    pub(super) contested: u32,
    pub(super) decided: Option<Decided>,
    /// The priority with which it stands among those that are open.
    pub(super) queued: Option<Priority>,
}

#[derive(Clone, Copy)]
pub(super) struct Decided {
    pub(super) place: u32,
    /// Among decisions.
    pub(super) at: u32,
}

/// Why not every candidate would do.
pub(super) struct Limit {
    /// Those that it leaves.
    pub(super) set: Set,
    pub(super) why: Why,
}

pub(super) enum Why {
    /// What this decided part needs.
    Need(u32),
    /// A candidate was tried, and does not go together with these.
    Tried(Culprits),
}

impl Domain {
    pub(super) fn new(part: Part, length: usize) -> Self {
        Self {
            part,
            length,
            possible: Set::full(),
            left: Set::full(),
            count: length,
            limits: SmallVec::new(),
            needed_by: 0,
            contested: 0,
            decided: None,
            queued: None,
        }
    }

    pub(super) fn priority(&self) -> Priority {
        (rank(self.part), self.contested, Reverse(self.count))
    }

    /// Whether somebody needs it and nothing was taken.
    pub(super) fn is_open(&self) -> bool {
        self.needed_by > 0 && self.decided.is_none()
    }

    pub(super) fn limit(&mut self, limit: Limit) {
        self.needed_by += u32::from(matches!(limit.why, Why::Need(_)));
        self.leave(self.left.intersection(&limit.set));
        self.limits.push(limit);
    }

    /// Has these limits and no others.
    pub(super) fn keep(&mut self, limits: SmallVec<[Limit; 2]>) {
        self.needed_by = limits.iter().filter(|limit| matches!(limit.why, Why::Need(_))).count() as u32;
        self.leave(limits.iter().fold(self.possible.clone(), |left, limit| left.intersection(&limit.set)));
        self.limits = limits;
    }

    /// Decided parts that together leave no candidate, or none of these; and how much was looked at for that.
    pub(super) fn culprits(&self, of: Option<&Set>, decided_at: impl Fn(u32) -> u32) -> (Culprits, usize) {
        let mut looks = self.possible.runs();
        let mut culprits = Culprits::new();
        let mut left = of.map_or_else(|| self.possible.clone(), |of| of.intersection(&self.possible));
        // Whoever needs it first: without that one it would not matter what is left.
        let needed = self.limits.iter().filter_map(|limit| match limit.why {
            Why::Need(of) => Some((decided_at(of), of, &limit.set)),
            Why::Tried(_) => None,
        });
        if of.is_none()
            && let Some((_, of, set)) = needed.min_by_key(|(at, ..)| *at)
        {
            culprits.push(of);
            left = left.intersection(set);
        }
        for limit in &self.limits {
            if left.is_empty() {
                break;
            }
            looks += left.runs() + limit.set.runs();
            let both = left.intersection(&limit.set);
            if both == left {
                continue;
            }
            left = both;
            let why = match &limit.why {
                Why::Need(of) => std::slice::from_ref(of),
                Why::Tried(culprits) => culprits.as_slice(),
            };
            culprits.extend(why.iter().copied());
        }
        culprits.sort_unstable();
        culprits.dedup();
        (culprits, looks)
    }

    /// Takes a candidate away for good.
    pub(super) fn never(&mut self, place: u32) {
        self.possible = self.possible.without(place);
        self.leave(self.left.without(place));
    }

    fn leave(&mut self, left: Set) {
        self.count = left.count_within(self.length);
        self.left = left;
    }
}
