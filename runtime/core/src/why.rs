//! Questions about a resolution: why a plugin is in it, and what hangs below what. Answers as data, for a command to write down.
//!
//! What a reader may get wrong: there may be very many ways from a root to a plugin. [`why`] tells the shortest one of each root; [`ways`] tells all of
//! them, shortest first, and stops after as many as it is asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::resolve::{Link, PluginId, Provider, Resolution};
use crate::{Dependency, PackageName};

/// One way from what was asked for to a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What was asked for.
    pub root: Dependency,
    /// Plugins, each with why it is there: the first because of the root, each other because the one before it depends on it.
    pub steps: Vec<PluginId>,
}

/// Ways from roots to a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// Shortest first, of one length in the order of roots. None goes through a plugin twice.
    pub ways: Vec<Way>,
    /// Whether there is no other.
    pub is_all: bool,
}

/// Steps that looking for ways may take. Of ways that are shorter than the ones found none is missing, however early it ends.
const STEPS_MAX: usize = 200_000;

/// A line of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// How far below the roots: 0 for what they came to.
    pub depth: usize,
    /// The dependency that it satisfies; none where only an import does.
    pub dependency: Option<Dependency>,
    /// Who it is.
    pub provider: Provider,
    /// Whether what is below it was told before, and is not told again.
    pub is_repeated: bool,
}

/// Why there is a plugin of this name: for each of its versions the shortest way from each root, shortest first. Empty where there is none.
pub fn why(resolution: &Resolution, name: &PackageName) -> Vec<Way> {
    let mut ways = Vec::new();
    for root in &resolution.roots {
        let Some(start) = root.provider.plugin() else { continue };
        let mut before: BTreeMap<&PluginId, Option<&PluginId>> = BTreeMap::from([(start, None)]);
        let mut open = VecDeque::from([start]);
        while let Some(id) = open.pop_front() {
            if id.name == *name {
                let mut steps = vec![id.clone()];
                let mut at = id;
                while let Some(Some(earlier)) = before.get(at) {
                    steps.push((*earlier).clone());
                    at = earlier;
                }
                steps.reverse();
                ways.push(Way { root: root.dependency.clone(), steps });
            }
            for next in resolution.member(id).into_iter().flat_map(|member| member.needs()) {
                before.entry(next).or_insert_with(|| {
                    open.push_back(next);
                    Some(id)
                });
            }
        }
    }
    ways.sort_by_key(|way| way.steps.len());
    ways
}

/// Why there is a plugin of this name: every way from each root to each of its versions, at most `ways_max` of them.
pub fn ways(resolution: &Resolution, name: &PackageName, ways_max: usize) -> Ways {
    let ids: Vec<&PluginId> = resolution.members.iter().map(|member| &member.id).collect();
    let place = |id: &PluginId| ids.binary_search(&id).ok();
    let needs: Vec<Vec<usize>> = resolution.members.iter().map(|member| member.needs().into_iter().filter_map(place).collect()).collect();
    let away = distances(&needs, |at| ids[at].name == *name);
    let starts: Vec<(&Link, usize)> = resolution
        .roots
        .iter()
        .filter_map(|root| Some((root, place(root.provider.plugin()?)?)))
        .filter(|(_, at)| away[*at].is_some())
        .collect();
    let Some(mut plugins) = starts.iter().filter_map(|(_, at)| away[*at]).min().map(|away| away + 1) else {
        return Ways { ways: Vec::new(), is_all: true };
    };
    let (mut found, mut steps) = (Vec::new(), 0);
    loop {
        let mut is_longer = false;
        for (root, start) in &starts {
            is_longer |= away[*start].is_some_and(|away| away + 1 > plugins);
            if away[*start].is_none_or(|away| away + 1 > plugins) {
                continue;
            }
            // The way so far, each with the one of its needs that is next; a stack of its own, because chains are long.
            let mut way = vec![(*start, 0)];
            let mut is_on_it = vec![false; ids.len()];
            is_on_it[*start] = true;
            while let Some(&(at, next)) = way.last() {
                steps += 1;
                if steps > STEPS_MAX {
                    return Ways { ways: found, is_all: false };
                }
                let is_there = ids[at].name == *name;
                if is_there && next == 0 && way.len() == plugins {
                    if found.len() == ways_max {
                        return Ways { ways: found, is_all: false };
                    }
                    let steps = way.iter().map(|(at, _)| ids[*at].clone()).collect();
                    found.push(Way { root: root.dependency.clone(), steps });
                }
                let further = needs[at].get(next).filter(|_| !is_there).copied();
                let Some(other) = further else {
                    is_on_it[at] = false;
                    way.pop();
                    continue;
                };
                let length = way.len();
                way[length - 1].1 += 1;
                let Some(away) = away[other].filter(|_| !is_on_it[other]) else { continue };
                if length + 1 + away > plugins {
                    is_longer = true;
                } else {
                    is_on_it[other] = true;
                    way.push((other, 0));
                }
            }
        }
        if !is_longer {
            return Ways { ways: found, is_all: true };
        }
        plugins += 1;
    }
}

/// How many steps each plugin is away from the nearest goal.
fn distances(needs: &[Vec<usize>], is_goal: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    needs.iter().enumerate().for_each(|(at, needs)| needs.iter().for_each(|&other| needed_by[other].push(at)));
    let mut away: Vec<Option<usize>> = (0..needs.len()).map(|at| is_goal(at).then_some(0)).collect();
    let mut open: VecDeque<usize> = (0..needs.len()).filter(|at| away[*at].is_some()).collect();
    while let Some(at) = open.pop_front() {
        for &other in &needed_by[at] {
            if away[other].is_none() {
                away[other] = away[at].map(|away| away + 1);
                open.push_back(other);
            }
        }
    }
    away
}

/// Everything below the roots, to a depth: each plugin is told in full once, in the order of depth first. What stands at that depth is not told in
/// full, so that it is where it stands nearer to the roots.
pub fn tree(resolution: &Resolution, depth_max: usize) -> Vec<Branch> {
    let mut told: BTreeSet<&PluginId> = BTreeSet::new();
    let mut lines = Vec::new();
    let below =
        |links: &'_ [Link]| links.iter().rev().map(|link| (Some(link.dependency.clone()), link.provider.clone())).collect::<Vec<_>>();
    let mut open: Vec<(usize, Option<Dependency>, Provider)> =
        below(&resolution.roots).into_iter().map(|(dependency, provider)| (0, dependency, provider)).collect();
    while let Some((depth, dependency, provider)) = open.pop() {
        let member = provider.plugin().and_then(|id| resolution.member(id));
        let is_full = depth < depth_max;
        let was_told = |id| if is_full { !told.insert(id) } else { told.contains(id) };
        let is_repeated = member.filter(|member| !member.needs().is_empty()).map(|member| &member.id).is_some_and(was_told);
        if let Some(member) = member.filter(|_| !is_repeated && is_full) {
            // Those that only an import needs: peers that may be absent and are there.
            let linked: BTreeSet<&Provider> = member.links.iter().map(|link| &link.provider).collect();
            let others: BTreeSet<&Provider> = member
                .imports
                .iter()
                .map(|(_, provider)| provider)
                .filter(|provider| provider.plugin().is_some() && !linked.contains(provider))
                .collect();
            open.extend(others.into_iter().rev().map(|provider| (depth + 1, None, provider.clone())));
            open.extend(below(&member.links).into_iter().map(|(dependency, provider)| (depth + 1, dependency, provider)));
        }
        lines.push(Branch { depth, dependency, provider, is_repeated });
    }
    lines
}
