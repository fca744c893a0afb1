//! Versions that can be in no answer: something they need has no version left that can be. Found once for everything in reach, in one sweep.
//!
//! The solver finds this out as well, one version at a time, and starts over after each: ten thousand plugins in a row would cost it the square of that.
//! What a reader may get wrong: what is left here may still not go together. Only the solver knows.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use pubgrub::{External, VersionSet};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::set::Set;
use super::solver::Leaf;
use super::space::{Owner, Part, Space};

/// Releases that would do for one need or another, counted for each; with more of them in reach, nothing is left out here.
const ALTERNATIVES_MAX: usize = 10_000_000;

/// What a sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swept {
    /// More is in reach than it may look at: nothing is known, and nothing was marked.
    TooMuch,
    /// Everything in reach was looked at, and what can be in no answer is marked.
    Through {
        /// Whether anything was marked that had not been known.
        found: bool,
    },
}

/// One thing that somebody needs.
struct Need {
    of: Owner,
    part: Part,
    wanted: Set,
    /// The releases that would do, by name.
    releases: SmallVec<[(u32, Set); 1]>,
    /// How many of them are left, and the host where it would do.
    left: usize,
}

/// Marks every release that can be in no answer, and what was asked for if that cannot be. Looks at this many releases at most.
pub(super) fn sweep(space: &mut Space<'_>, releases_max: usize) -> Swept {
    let mut needs: Vec<Need> = Vec::new();
    // The needs of which a plugin has releases.
    let mut by_name: Vec<SmallVec<[u32; 4]>> = Vec::new();
    let mut seen: FxHashSet<Owner> = FxHashSet::from_iter([None]);
    let mut open: Vec<Owner> = vec![None];
    // Releases that are no candidates from the start, and then those of which a need has nothing left.
    let mut gone: Vec<(u32, u32)> = Vec::new();
    let mut alternatives = 0;
    while let Some(of) = open.pop() {
        if let Some((name, place)) = of
            && (space.plugins[name as usize].out(place).is_some() || space.world(of).refused.is_some())
        {
            gone.push((name, place));
            continue;
        }
        for need in needed(space, of) {
            for (name, set) in &need.releases {
                if by_name.len() <= *name as usize {
                    by_name.resize_with(*name as usize + 1, SmallVec::new);
                }
                by_name[*name as usize].push(needs.len() as u32);
                let length = space.plugins[*name as usize].versions.len();
                open.extend(set.within(length).map(|place| Some((*name, place))).filter(|owner| seen.insert(*owner)));
            }
            alternatives += need.left + 1;
            needs.push(need);
        }
        if alternatives > ALTERNATIVES_MAX || seen.len() > releases_max {
            return Swept::TooMuch;
        }
    }
    let mut empty: Vec<usize> = (0..needs.len()).filter(|&at| needs[at].left == 0).collect();
    loop {
        while let Some((name, place)) = gone.pop() {
            for &at in by_name.get(name as usize).into_iter().flatten() {
                let at = at as usize;
                let need = &mut needs[at];
                if need.releases.iter().any(|(other, set)| *other == name && set.contains(&place)) {
                    need.left -= 1;
                    if need.left == 0 {
                        empty.push(at);
                    }
                }
            }
        }
        let Some(at) = empty.pop() else { return Swept::Through { found: !space.hopeless.is_empty() } };
        let need = &needs[at];
        let reason = (need.part, need.wanted.clone());
        match need.of {
            None => {
                space.hopeless.insert(None, reason);
                return Swept::Through { found: true };
            }
            Some(release) => {
                if let Entry::Vacant(entry) = space.hopeless.entry(Some(release)) {
                    entry.insert(reason);
                    gone.push(release);
                }
            }
        }
    }
}

fn needed(space: &mut Space<'_>, of: Owner) -> Vec<Need> {
    let world = space.world(of);
    let mut needs = Vec::new();
    for edge in &world.edges {
        let left = edge.set.count_within(space.plugins[edge.name as usize].versions.len());
        needs.push(Need { of, part: edge.part, wanted: edge.set.clone(), releases: smallvec![(edge.name, edge.set.clone())], left });
    }
    for (at, want) in world.wants.iter().enumerate() {
        let exporters = space.paths[want.path as usize].1.clone();
        let mut by_name: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        let mut host = 0;
        for candidate in want.set.within(exporters.len() * 2) {
            match exporters[candidate as usize / 2].provider {
                Some((name, place)) => by_name.entry(name).or_default().push(place),
                None => host = 1,
            }
        }
        let mut releases: SmallVec<[(u32, Set); 1]> = by_name
            .into_iter()
            .map(|(name, mut places)| {
                places.sort_unstable();
                places.dedup();
                (name, Set::of(places))
            })
            .collect();
        releases.sort_unstable_by_key(|(name, _)| *name);
        let left = releases.iter().map(|(name, set)| set.count_within(space.plugins[*name as usize].versions.len())).sum::<usize>();
        let part = Part::Need { of, at: at as u32 };
        needs.push(Need { of, part, wanted: want.set.clone(), releases, left: left + host });
    }
    needs
}

/// Why an owner can be in no answer, down to what no sweep explains. Releases of a plugin for which the same speaks are told together.
pub(super) fn reasons(space: &mut Space<'_>, owners: impl IntoIterator<Item = Owner>) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut open: VecDeque<Owner> = owners.into_iter().collect();
    let mut seen: FxHashSet<Owner> = open.iter().copied().collect();
    while let Some(of) = open.pop_front() {
        let (own, place) = match of {
            None => (Part::Root, 0),
            Some((name, place)) => (space.part((name, place)), place),
        };
        if let Some((name, place)) = of
            && space.plugins[name as usize].out(place).is_some()
        {
            leaves.push(External::NoVersions(own, Set::singleton(place)));
            continue;
        }
        let Some((part, wanted)) = space.hopeless.get(&of) else {
            if let Some(refused) = &space.world(of).refused {
                leaves.push(External::Custom(own, Set::singleton(place), refused.clone()));
            }
            continue;
        };
        if let Some(External::FromDependencyOf(last, places, need, set)) = leaves.last_mut()
            && (*last, *need, &*set) == (own, *part, wanted)
        {
            *places = places.union(&Set::singleton(place));
            continue;
        }
        let (part, wanted) = (*part, wanted.clone());
        let next = behind(space, part, &wanted);
        open.extend(next.into_iter().map(Some).filter(|owner| seen.insert(*owner)));
        leaves.push(External::FromDependencyOf(own, Set::singleton(place), part, wanted));
    }
    leaves
}

/// The releases behind candidates of a part.
pub(super) fn behind(space: &mut Space<'_>, part: Part, wanted: &Set) -> Vec<(u32, u32)> {
    let length = space.length(part);
    let mut places: Vec<(u32, u32)> = match part {
        Part::Plugin { name, .. } | Part::Choice { name, .. } => wanted.within(length).map(|place| (name, place)).collect(),
        Part::Need { of, at } => {
            let path = space.world(of).wants[at as usize].path;
            let exporters = &space.paths[path as usize].1;
            wanted.within(length).filter_map(|candidate| exporters[candidate as usize / 2].provider).collect()
        }
        Part::Root | Part::Present { .. } | Part::Share { .. } => Vec::new(),
    };
    places.sort_unstable();
    places.dedup();
    places
}
