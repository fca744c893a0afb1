//! What one release needs, or what was asked for: the plugins it depends on, and for each import who could stand behind it.
//!
//! What a reader may get wrong: an import that no dependency covers and no host has cannot be linked, so its release is no candidate at all. That is how
//! what resolves also links.

use std::collections::BTreeSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::set::Set;
use super::space::{Exporter, Owner, Part, Space};
use super::{Aim, Duplicates, Interface, Wanted};
use crate::reach::is_of_hosts;
use crate::{Digest, InterfaceName, PackageName};

/// What one release needs.
pub(super) struct World<'a> {
    /// The component; what was asked for has none.
    pub(super) digest: Option<Digest>,
    /// Plugins by name.
    pub(super) edges: Vec<Edge<'a>>,
    /// Interfaces.
    pub(super) wants: Vec<Want<'a>>,
    /// Plugins that may be absent, and fit where they are there.
    pub(super) peers: Vec<Edge<'a>>,
    /// Imports that the host has.
    pub(super) hosted: Vec<&'a InterfaceName>,
    /// Imports that only a plugin would have of which the dependency is optional and not taken.
    pub(super) left: Vec<&'a Interface>,
    /// Why the release is no candidate.
    pub(super) refused: Option<Refused>,
}

/// A dependency on a plugin.
pub(super) struct Edge<'a> {
    pub(super) dependency: Wanted<'a>,
    pub(super) name: u32,
    /// The releases in its range.
    pub(super) set: Set,
    /// The part that is decided.
    pub(super) part: Part,
}

/// An interface that somebody has to provide.
pub(super) struct Want<'a> {
    pub(super) path: u32,
    /// The import; a root has none, nor has a dependency on an interface that the component does not import.
    pub(super) import: Option<&'a Interface>,
    /// The dependency that names the interface. Without one, the provider is among the plugins depended on.
    pub(super) dependency: Option<Wanted<'a>>,
    /// Who could provide it, as candidates of the need.
    pub(super) set: Set,
    /// Other wants of this release whose resources occur in this interface.
    pub(super) beside: Vec<u32>,
}

/// Why a release is no candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// It imports what nobody it depends on has, or has as it is needed: then why the newest of them does not fit.
    Unlinkable(InterfaceName, Option<String>),
    /// It wants a plugin of the application's that the application does not name.
    PeerMissing(PackageName),
    /// It depends on another version of itself.
    Itself,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

pub(super) fn of<'a>(space: &mut Space<'a>, owner: Owner) -> World<'a> {
    let release = owner.map(|at| space.release(at));
    let mut world = World {
        digest: release.as_ref().map(|release| release.digest),
        edges: Vec::with_capacity(release.as_ref().map_or(space.wanted.len(), |release| release.dependencies.len())),
        wants: Vec::new(),
        peers: Vec::new(),
        hosted: Vec::with_capacity(release.as_ref().map_or(0, |release| release.imports.len())),
        left: Vec::new(),
        refused: None,
    };
    let roots = Rc::clone(&space.wanted);
    let dependencies: &[Wanted<'a>] = release.as_ref().map_or(&roots, |release| &release.dependencies);
    // Plugins that are not taken but would have had an import, so that it may be left without.
    let mut spared = Vec::new();
    for &dependency in dependencies {
        let Aim::Plugin(target) = dependency.aim else { continue };
        if let Some(own) = owner
            && space.plugins[own.0 as usize].name == target
        {
            if !dependency.versions.matches(space.version(own)) {
                world.refused = Some(Refused::Itself);
            }
            continue;
        }
        let edge = edge(space, owner, dependency, target);
        match (dependency.peer, dependency.optional) {
            (true, true) => world.peers.push(edge),
            (true, false) if !space.is_root(dependency.aim) => world.refused = Some(Refused::PeerMissing(target.clone())),
            (false, true) if !is_taken(space, dependency) => spared.push(edge),
            _ => world.edges.push(edge),
        }
    }
    for &import in release.iter().flat_map(|release| &release.imports) {
        interface(space, owner, import, dependencies, &mut world, &spared);
    }
    for &dependency in dependencies {
        let Aim::Interface(target) = dependency.aim else { continue };
        if is_taken(space, dependency) && !world.wants.iter().any(|want| want.dependency.is_some_and(|named| named.aim == dependency.aim)) {
            let path = space.path(target.path());
            let set = candidates(space, owner, path, None, Some(dependency), &[]);
            world.wants.push(Want { path, import: None, dependency: Some(dependency), set, beside: Vec::new() });
        }
    }
    if let Some(release) = release {
        resources(space, &release.exports, &mut world);
    }
    world
}

fn is_taken(space: &Space<'_>, dependency: Wanted<'_>) -> bool {
    let is_with = || space.options.with.iter().any(|target| Aim::of(target) == dependency.aim);
    !dependency.optional || space.is_root(dependency.aim) || is_with()
}

fn edge<'a>(space: &mut Space<'a>, owner: Owner, dependency: Wanted<'a>, target: &'a PackageName) -> Edge<'a> {
    let name = space.plugin(target);
    let set = space.places(name, |version| dependency.versions.matches(version));
    let part = match space.options.duplicates {
        Duplicates::Dedupe => Part::Plugin { name, track: 0 },
        // A peer is the very one that the application brings, on whichever track that is.
        Duplicates::Isolate if dependency.peer => Part::Choice { of: None, name },
        Duplicates::Isolate => {
            let plugin = &space.plugins[name as usize];
            let mut touched: BTreeSet<u32> = set.within(plugin.versions.len()).map(|place| plugin.track(place)).collect();
            let first = touched.pop_first().unwrap_or_else(|| plugin.track(0));
            match owner.is_none() || !touched.is_empty() {
                true => Part::Choice { of: owner, name },
                false => Part::Plugin { name, track: first },
            }
        }
    };
    Edge { dependency, name, set, part }
}

/// Who stands behind one import: a dependency that names it, the host, a plugin depended on, nobody because that was left out, or nobody at all.
fn interface<'a>(
    space: &mut Space<'a>,
    owner: Owner,
    import: &'a Interface,
    dependencies: &[Wanted<'a>],
    world: &mut World<'a>,
    spared: &[Edge<'a>],
) {
    let names_it = |dependency: &&Wanted<'_>| matches!(dependency.aim, Aim::Interface(name) if name.path() == import.name.path());
    if let Some(&dependency) = dependencies.iter().find(names_it) {
        // Where that is optional and not taken the import stays without, whoever else is there: the dependency says where it comes from.
        if is_taken(space, dependency) {
            let path = space.path(import.name.path());
            let set = candidates(space, owner, path, Some(import), Some(dependency), &[]);
            world.wants.push(Want { path, import: Some(import), dependency: Some(dependency), set, beside: Vec::new() });
        }
        return;
    }
    let options = space.options;
    let has = |export: &Interface| options.compatibility.judge(import, export).is_ok() && export.name.path() == import.name.path();
    if is_of_hosts(&import.name) || options.host.iter().any(has) {
        world.hosted.push(&import.name);
        return;
    }
    let path = space.path(import.name.path());
    let set = candidates(space, owner, path, Some(import), None, &world.edges);
    let would = |edges: &[Edge<'a>]| !candidates(space, owner, path, Some(import), None, edges).is_empty();
    if !set.is_empty() {
        world.wants.push(Want { path, import: Some(import), dependency: None, set, beside: Vec::new() });
    } else if would(spared) || would(&world.peers) {
        world.left.push(import);
    } else if world.refused.is_none() {
        world.refused = Some(Refused::Unlinkable(import.name.clone(), misfit(space, path, import, &world.edges)));
    }
}

/// Whether one of these dependencies may come to this release.
fn is_depended_on(edges: &[Edge<'_>], name: u32, place: u32) -> bool {
    edges.iter().any(|edge| edge.name == name && pubgrub::VersionSet::contains(&edge.set, &place))
}

/// Why what is exported by a plugin depended on is not what is imported.
fn misfit(space: &Space<'_>, path: u32, import: &Interface, edges: &[Edge<'_>]) -> Option<String> {
    let depended_on = space.paths[path as usize].1.iter().filter_map(|exporter| {
        let (name, place) = exporter.provider?;
        is_depended_on(edges, name, place).then_some((name, place, exporter.export))
    });
    let (name, place, export) = depended_on.max_by_key(|(_, place, _)| *place)?;
    let why = space.options.compatibility.judge(import, export).err()?;
    let plugin = &space.plugins[name as usize];
    Some(format!("of `{}` {} {why}", plugin.name, space.version((name, place))))
}

/// The exporters that fit, each in both its forms where there are resources to share.
fn candidates<'a>(
    space: &Space<'a>,
    owner: Owner,
    path: u32,
    import: Option<&Interface>,
    dependency: Option<Wanted<'_>>,
    edges: &[Edge<'_>],
) -> Set {
    let own = owner.map(|(name, _)| name);
    // Versions of a plugin, and plugins, mostly export the very same.
    let mut judged: FxHashMap<*const Interface, bool> = FxHashMap::default();
    let mut is_fit = |export: &'a Interface| {
        *judged.entry(std::ptr::from_ref(export)).or_insert_with(|| {
            let version = export.name.version();
            let in_range = dependency.is_none_or(|dependency| version.is_none_or(|version| dependency.versions.matches(version)));
            in_range && import.is_none_or(|import| space.options.compatibility.judge(import, export).is_ok())
        })
    };
    let mut fits = |exporter: &Exporter<'a>| {
        let is_asked = match exporter.provider {
            Some((name, place)) => Some(name) != own && (dependency.is_some() || is_depended_on(edges, name, place)),
            None => dependency.is_some(),
        };
        is_asked && is_fit(exporter.export)
    };
    let exporters = &space.paths[path as usize].1;
    let has_resources = |exporter: &Exporter<'_>| exporter.export.resources || import.is_some_and(|import| import.resources);
    Set::of(exporters.iter().enumerate().filter(|(_, exporter)| fits(exporter)).flat_map(|(place, exporter)| {
        let place = place as u32 * 2;
        place..place + 1 + u32::from(has_resources(exporter))
    }))
}

/// Which wants occur in others, and which of them have to be shared because this release passes their resources on.
fn resources(space: &Space<'_>, exports: &[&Interface], world: &mut World<'_>) {
    let paths: Vec<&str> = world.wants.iter().map(|want| space.paths[want.path as usize].0).collect();
    for at in 0..world.wants.len() {
        let Some(import) = world.wants[at].import else { continue };
        let beside = (0..paths.len()).filter(|&other| other != at && import.uses.iter().any(|path| path == paths[other]));
        let beside: Vec<u32> =
            beside.filter(|&other| world.wants[other].import.is_some_and(|import| import.resources)).map(|at| at as u32).collect();
        world.wants[at].beside = beside;
        let passes_on = exports.iter().any(|export| export.uses.iter().any(|path| path == paths[at]));
        let is_own = exports.iter().any(|export| export.name.path() == paths[at]);
        if import.resources && passes_on && !is_own {
            world.wants[at].set = shared(&world.wants[at].set, space.paths[world.wants[at].path as usize].1.len());
        }
    }
}

/// Of candidates those that share.
pub(super) fn shared(set: &Set, exporters: usize) -> Set {
    Set::of(set.within(exporters * 2).filter(|place| place % 2 == 1))
}
