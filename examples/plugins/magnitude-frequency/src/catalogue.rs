//! A catalogue by group: events in, one estimate a group out.
//!
//! Lives here: [`Catalogue`], [`Plan`], and which step and completeness apply to which group. Not here: the formulas
//! (`estimate.rs`), the component's boundary (`plugin.rs`). May be misread: groups are kept apart because networks differ in what
//! they can detect; a mixed world catalogue has no single completeness magnitude.

use std::collections::HashMap;

use crate::estimate::{Estimate, estimate, maximum_curvature, steps_per_bin};
use crate::histogram::Histogram;

/// Groups that one analysis keeps: 14 MB of histograms.
pub const GROUPS_MAX: usize = 1_024;
/// Bytes of one group's name.
pub const GROUP_NAME_BYTES_MAX: usize = 1_024;

/// A value for every group, or one for each with a value for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerGroup<T> {
    /// By name of the group.
    pub named: HashMap<String, T>,
    /// For all other groups.
    pub others: T,
}

impl<T> PerGroup<T> {
    /// The same for every group.
    pub fn all(value: T) -> PerGroup<T> {
        PerGroup { named: HashMap::new(), others: value }
    }

    fn of(&self, group: Option<&str>) -> &T {
        group.and_then(|name| self.named.get(name)).unwrap_or(&self.others)
    }
}

/// To what magnitudes are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read off the data: 0.1 if all magnitudes of the group are whole tenths, otherwise 0.01.
    Resolution,
    /// Hundredths, 1 to 100.
    Hundredths(i32),
}

/// From which magnitude on nothing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Where the distribution of the group has its maximum.
    MaximumCurvature,
    /// Hundredths.
    Hundredths(i32),
}

/// What to compute: the options of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// To what magnitudes are rounded.
    pub step: PerGroup<Step>,
    /// From where on the catalogue is complete.
    pub completeness: PerGroup<Completeness>,
    /// Events at or above completeness that an estimate needs.
    pub minimum_count: u64,
}

impl Default for Plan {
    fn default() -> Plan {
        let completeness = PerGroup::all(Completeness::MaximumCurvature);
        Plan { step: PerGroup::all(Step::Resolution), completeness, minimum_count: 50 }
    }
}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// Its magnitude is no number from -5 to 12.
    NoMagnitude,
    /// It is of group [`GROUPS_MAX`] + 1, or the name of its group is too long.
    TooManyGroups,
}

/// Events counted by group.
#[derive(Debug, Default)]
pub struct Catalogue {
    numbers: HashMap<Option<String>, usize>,
    groups: Vec<(Option<String>, Histogram)>,
}

/// One line of table `estimates`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupEstimate {
    /// `None` for events whose group is null.
    pub group: Option<String>,
    /// All events of the group that have a magnitude.
    pub events: u64,
    /// Largest magnitude in hundredths.
    pub largest: i32,
    /// What was found.
    pub estimate: Estimate,
    /// Lines of table `frequencies`.
    pub frequencies: Vec<Frequency>,
}

/// One line of table `frequencies`: a bin at least 0.1 wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frequency {
    /// Centre in hundredths.
    pub magnitude: i32,
    /// Lowest magnitude in the bin, rounded to the step, in hundredths.
    pub lowest: i32,
    /// Events in it.
    pub count: u64,
    /// Events in it and above.
    pub cumulative: u64,
    /// What the relation gives for `cumulative`; none below completeness and without a relation.
    pub fitted: Option<f64>,
}

impl Catalogue {
    /// Counts one event. On an error nothing has changed.
    pub fn add(&mut self, group: Option<&str>, magnitude: f64) -> Result<(), Untaken> {
        let number = self.number(group)?;
        self.add_to(number, magnitude)
    }

    /// The number of a group, under which [`Catalogue::add_to`] takes events without looking the name up again.
    pub fn number(&mut self, group: Option<&str>) -> Result<usize, Untaken> {
        // A catalogue changes its network from row to row, but between few: looking through them is quicker than hashing,
        // and it allocates nothing.
        if let Some(number) = self.groups.iter().take(16).position(|(name, _)| name.as_deref() == group) {
            return Ok(number);
        }
        if self.groups.len() > 16
            && let Some(number) = self.numbers.get(&group.map(str::to_owned))
        {
            return Ok(*number);
        }
        if self.groups.len() == GROUPS_MAX || group.is_some_and(|name| name.len() > GROUP_NAME_BYTES_MAX) {
            return Err(Untaken::TooManyGroups);
        }
        let name = group.map(str::to_owned);
        self.numbers.insert(name.clone(), self.groups.len());
        self.groups.push((name, Histogram::default()));
        Ok(self.groups.len() - 1)
    }

    /// Counts one event of a group by its number, which came from [`Catalogue::number`].
    pub fn add_to(&mut self, number: usize, magnitude: f64) -> Result<(), Untaken> {
        if self.groups[number].1.add(magnitude) { Ok(()) } else { Err(Untaken::NoMagnitude) }
    }

    /// One estimate for every group that has an event, those with most events first, then by name.
    pub fn estimates(&self, plan: &Plan) -> Vec<GroupEstimate> {
        let mut found: Vec<GroupEstimate> = self.groups.iter().filter_map(|(group, histogram)| one(plan, group, histogram)).collect();
        found.sort_by(|one, other| other.events.cmp(&one.events).then_with(|| one.group.cmp(&other.group)));
        found
    }
}

/// `None` for a group without events.
fn one(plan: &Plan, group: &Option<String>, histogram: &Histogram) -> Option<GroupEstimate> {
    let name = group.as_deref();
    let largest = histogram.largest()?;
    let step = match plan.step.of(name) {
        Step::Resolution => histogram.resolution(),
        Step::Hundredths(step) => *step,
    };
    let completeness = match plan.completeness.of(name) {
        Completeness::MaximumCurvature => maximum_curvature(histogram, step)?,
        Completeness::Hundredths(completeness) => *completeness,
    };
    let estimate = estimate(histogram, step, completeness, plan.minimum_count);
    let mut cumulative = 0;
    let mut frequencies = histogram
        .bins(step, steps_per_bin(step))
        .into_iter()
        .rev()
        .map(|bin| {
            cumulative += bin.count;
            let fitted = match estimate.relation {
                // The line is taken where the bin begins, because that is from where its events are counted.
                Ok(relation) if bin.centre >= estimate.completeness => Some(relation.events_from(bin.lowest)),
                _ => None,
            };
            Frequency { magnitude: bin.centre, lowest: bin.lowest, count: bin.count, cumulative, fitted }
        })
        .collect::<Vec<_>>();
    frequencies.reverse();
    Some(GroupEstimate { group: group.clone(), events: histogram.events(), largest, estimate, frequencies })
}

#[cfg(test)]
mod tests;
