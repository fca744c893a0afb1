//! One reason as one sentence.
//!
//! What a reader may get wrong: sets hold places of releases. Ranges as their authors wrote them are looked up again in the manifest, because that is what
//! a person can change.

use std::collections::BTreeMap;

use pubgrub::VersionSet;

use super::Wanted;
use super::explain::{Fact, why_out};
use super::prune::behind;
use super::set::Set;
use super::space::{Owner, Part, Space};
use super::world::{Edge, Refused, Want};

/// Whether a fact is worth a sentence: some only join parts of the same thing.
pub(super) fn is_told(fact: &Fact) -> bool {
    match fact {
        Fact::Needs { from, to, .. } => match (from, to) {
            (Part::Root | Part::Plugin { .. }, Part::Plugin { .. } | Part::Choice { .. } | Part::Need { .. }) => true,
            (Part::Plugin { name: one, .. }, Part::Present { name: other, .. }) => one != other,
            (Part::Need { .. }, Part::Need { .. } | Part::Share { .. }) => true,
            _ => false,
        },
        Fact::Refused { .. } | Fact::Gone { .. } => true,
        Fact::Apart { part } => matches!(part, Part::Plugin { .. } | Part::Share { .. } | Part::Choice { .. }),
    }
}

/// What a fact says; nothing where it is of no use to a person.
pub(super) fn of(space: &mut Space<'_>, fact: &Fact) -> Vec<String> {
    if !is_told(fact) {
        return Vec::new();
    }
    match fact {
        Fact::Needs { from, set, to, wanted } => {
            by_range(space, *from, set, *to, wanted).iter().filter_map(|set| needs(space, *from, set, *to, wanted)).collect()
        }
        Fact::Refused { part, set, why } => vec![refused(space, *part, set, why)],
        Fact::Gone { part, set } => gone(space, *part, set),
        Fact::Apart { part } => apart(space, *part).into_iter().collect(),
    }
}

/// Where no version is in the ranges of several releases, these may be several: each is told with those who have it.
fn by_range(space: &mut Space<'_>, from: Part, set: &Set, to: Part, wanted: &Set) -> Vec<Set> {
    let (Part::Plugin { name, .. }, Part::Plugin { name: other, .. } | Part::Choice { name: other, .. }, true) =
        (from, to, wanted.is_empty())
    else {
        return vec![set.clone()];
    };
    let mut found: Vec<(String, Vec<u32>)> = Vec::new();
    for place in set.within(space.plugins[name as usize].versions.len()) {
        let world = space.world(Some((name, place)));
        let range =
            world.edges.iter().find(|edge| edge.name == other).map_or_else(String::new, |edge| edge.dependency.versions.to_string());
        match found.iter_mut().find(|(known, _)| *known == range) {
            Some((_, places)) => places.push(place),
            None => found.push((range, vec![place])),
        }
    }
    found.into_iter().map(|(_, places)| Set::of(places)).collect()
}

fn needs(space: &mut Space<'_>, from: Part, set: &Set, to: Part, wanted: &Set) -> Option<String> {
    let subject = match from {
        Part::Root => None,
        Part::Plugin { name, .. } => Some((name, releases(space, name, set))),
        Part::Need { of, at } => return between_needs(space, of, at, to),
        Part::Choice { .. } | Part::Present { .. } | Part::Share { .. } => return None,
    };
    let owner: Owner = match &subject {
        None => None,
        Some((name, _)) => Some((*name, set.within(space.plugins[*name as usize].versions.len()).next()?)),
    };
    let world = space.world(owner);
    let asks = |dependency: Wanted<'_>| match &subject {
        None => format!("you ask for `{dependency}`"),
        Some((_, subject)) if dependency.peer => format!("{subject} needs the application's own `{dependency}`"),
        Some((_, subject)) => format!("{subject} needs `{dependency}`"),
    };
    match to {
        Part::Plugin { name, .. } | Part::Choice { name, .. } => {
            let edge: &Edge<'_> = world.edges.iter().find(|edge| edge.name == name && (edge.part == to || owner.is_none()))?;
            Some(format!("{}{}", asks(edge.dependency), which(space, name, wanted)))
        }
        Part::Need { at, .. } => {
            let want = world.wants.get(at as usize)?;
            let asked = match (want.dependency, want.import, &subject) {
                (Some(dependency), _, _) => asks(dependency),
                (None, Some(import), Some((_, subject))) => format!("{subject} imports `{}`", import.name),
                _ => return None,
            };
            Some(format!("{asked}{}", who(space, want, wanted)))
        }
        Part::Present { name, .. } => {
            let peer = world.peers.iter().find(|edge| edge.name == name)?;
            Some(format!("{} allows beside it no `{}` but `{}`", subject?.1, space.plugins[name as usize].name, peer.dependency))
        }
        Part::Root | Part::Share { .. } => None,
    }
}

/// Needs that bind each other by resources.
fn between_needs(space: &mut Space<'_>, of: Owner, at: u32, to: Part) -> Option<String> {
    let world = space.world(of);
    let (name, place) = of?;
    let subject = releases(space, name, &Set::singleton(place));
    let path = |want: &Want<'_>| space.paths[want.path as usize].0;
    match to {
        Part::Need { at: other, .. } => Some(format!(
            "{subject} imports `{}`, which speaks of resources of `{}`: both have to come from one place",
            path(&world.wants[at as usize]),
            path(&world.wants[other as usize])
        )),
        Part::Share { .. } => Some(format!("{subject} shares resources of `{}` with others", path(&world.wants[at as usize]))),
        _ => None,
    }
}

/// Behind a dependency on a plugin: the versions in its range.
fn which(space: &Space<'_>, name: u32, wanted: &Set) -> String {
    let plugin = &space.plugins[name as usize];
    let all = plugin.versions.len();
    if all == 0 {
        return format!(": there is no plugin `{}`", plugin.name);
    }
    match wanted.count_within(all) {
        0 => format!(": there is no such version, only {}", some(plugin.versions.iter().rev().map(|listed| listed.version.to_string()))),
        _ => format!(" ({})", versions(space, name, wanted)),
    }
}

/// Behind a need: who has the interface.
fn who(space: &Space<'_>, want: &Want<'_>, wanted: &Set) -> String {
    let exporters = &space.paths[want.path as usize].1;
    let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for candidate in wanted.within(exporters.len() * 2) {
        if let Some((name, place)) = exporters[candidate as usize / 2].provider {
            found.entry(name).or_default().push(place);
        }
    }
    if !found.is_empty() {
        return format!(", which {} has", some(found.into_iter().map(|(name, places)| releases(space, name, &placed(places)))));
    }
    if exporters.is_empty() {
        return ", which no plugin has".to_owned();
    }
    let misfits = exporters.iter().filter_map(|exporter| {
        let (name, place) = exporter.provider?;
        let why = match want.import.map(|import| space.options.compatibility.judge(import, exporter.export)) {
            Some(Err(why)) => why,
            Some(Ok(())) | None => format!("it is `{}`", exporter.export.name),
        };
        Some(format!("of {} {why}", releases(space, name, &Set::singleton(place))))
    });
    format!(", which nobody has in a form that fits: {}", some(misfits))
}

fn placed(mut places: Vec<u32>) -> Set {
    places.sort_unstable();
    places.dedup();
    Set::of(places)
}

/// Up to three, and how many more.
fn some(found: impl Iterator<Item = String>) -> String {
    let found: Vec<String> = found.collect();
    let shown = found.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if found.len() > 3 { format!("{shown} and {} more", found.len() - 3) } else { shown }
}

/// A plugin and those of its versions that are in a set.
fn releases(space: &Space<'_>, name: u32, set: &Set) -> String {
    let plugin = &space.plugins[name as usize];
    let all = plugin.versions.len();
    match set.count_within(all) {
        count if count == all && all > 1 => format!("every `{}`", plugin.name),
        _ => format!("`{}` {}", plugin.name, versions(space, name, set)),
    }
}

/// Versions as runs of neighbours.
fn versions(space: &Space<'_>, name: u32, set: &Set) -> String {
    let length = space.plugins[name as usize].versions.len();
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for place in set.within(length) {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == place => *to = place,
            _ => runs.push((place, place)),
        }
    }
    let version = |place: u32| space.version((name, place));
    some(runs.into_iter().map(|(from, to)| match to - from {
        0 => version(from).to_string(),
        1 => format!("{}, {}", version(from), version(to)),
        _ => format!("{} to {}", version(from), version(to)),
    }))
}

fn refused(space: &Space<'_>, part: Part, set: &Set, why: &Refused) -> String {
    let subject = match part {
        Part::Plugin { name, .. } => releases(space, name, set),
        _ => "what you ask for".to_owned(),
    };
    match why {
        Refused::Unlinkable(import, None) => format!("{subject} imports `{import}`, which neither the host nor a plugin it depends on has"),
        Refused::Unlinkable(import, Some(misfit)) => {
            format!("{subject} imports `{import}`, which neither the host nor a plugin it depends on has in a form that fits: {misfit}")
        }
        Refused::PeerMissing(peer) => format!("{subject} needs an application that asks for `{peer}` itself"),
        Refused::Itself => format!("{subject} depends on another version of itself"),
    }
}

/// Candidates that were left out, each with why.
pub(super) fn gone(space: &mut Space<'_>, part: Part, set: &Set) -> Vec<String> {
    let places = behind(space, part, set);
    let mut found: Vec<String> = Vec::new();
    for (name, place) in places {
        if let Some(out) = space.plugins[name as usize].out(place) {
            found.push(format!("{} is left out: {}", releases(space, name, &Set::singleton(place)), why_out(out)));
        }
    }
    if found.len() > 3 {
        let more = found.len() - 2;
        found.truncate(2);
        found.push(format!("{more} more versions are left out for such reasons"));
    }
    found
}

fn apart(space: &Space<'_>, part: Part) -> Option<String> {
    match part {
        Part::Plugin { name, .. } | Part::Choice { name, .. } => {
            Some(format!("no version of `{}` is in all of these ranges", space.plugins[name as usize].name))
        }
        Part::Share { path, .. } => Some(format!("nobody provides `{}` to all of them", space.paths[path as usize].0)),
        Part::Root | Part::Need { .. } | Part::Present { .. } => None,
    }
}
