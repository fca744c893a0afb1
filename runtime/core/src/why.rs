//! Questions about a resolution: why a plugin is in it, and what hangs below what. Answers as data, for a command to write down.
//!
//! What a reader may get wrong: there may be very many ways from a root to a plugin. The shortest one of each root is told.

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

/// Everything below the roots, to a depth: each plugin is told in full once, in the order of depth first.
pub fn tree(resolution: &Resolution, depth_max: usize) -> Vec<Branch> {
    let mut told: BTreeSet<&PluginId> = BTreeSet::new();
    let mut lines = Vec::new();
    let below =
        |links: &'_ [Link]| links.iter().rev().map(|link| (Some(link.dependency.clone()), link.provider.clone())).collect::<Vec<_>>();
    let mut open: Vec<(usize, Option<Dependency>, Provider)> =
        below(&resolution.roots).into_iter().map(|(dependency, provider)| (0, dependency, provider)).collect();
    while let Some((depth, dependency, provider)) = open.pop() {
        let member = provider.plugin().and_then(|id| resolution.member(id));
        let is_repeated = member.is_some_and(|member| !member.needs().is_empty() && !told.insert(&member.id));
        if let Some(member) = member.filter(|_| !is_repeated && depth < depth_max) {
            // Those that only an import needs: peers that may be absent and are there.
            let linked: BTreeSet<&Provider> = member.links.iter().map(|link| &link.provider).collect();
            let others: BTreeSet<&Provider> =
                member.imports.values().filter(|provider| provider.plugin().is_some() && !linked.contains(provider)).collect();
            open.extend(others.into_iter().rev().map(|provider| (depth + 1, None, provider.clone())));
            open.extend(below(&member.links).into_iter().map(|(dependency, provider)| (depth + 1, dependency, provider)));
        }
        lines.push(Branch { depth, dependency, provider, is_repeated });
    }
    lines
}
