//! The question as the solver sees it: parts, each of which has a list of candidates and gets one of them or none.
//!
//! Everything is looked up when it is first asked for, so a resolution costs what it touches and not what the index holds. What a reader may get wrong:
//! a candidate is a place in a list (of releases, of exporters), never a version.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

use rustc_hash::{FxBuildHasher, FxHashMap};
use semver::Version;

use super::set::Set;
use super::shelf::Shelf;
use super::world::{self, World};
use super::{
    Advisory, Aim, Considered, Duplicates, Index, Interface, Listed, Options, PluginId, Release, Security, Strategy, Wanted, track,
};
use crate::{Dependency, Digest, PackageName};

/// Whose dependency: a release, as a place among the releases of a name, or the roots.
pub(super) type Owner = Option<(u32, u32)>;

/// What the solver decides one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    /// What was asked for; one candidate.
    Root,
    /// A plugin, on one track where two may stand side by side; its releases.
    Plugin { name: u32, track: u32 },
    /// Which of several tracks one dependency takes; the releases.
    Choice { of: Owner, name: u32 },
    /// Who provides an interface to whom. Each exporter stands twice: at even places, and after it as one that shares resources.
    Need { of: Owner, at: u32 },
    /// Whether a plugin is there at all; absent, then its releases.
    Present { name: u32, track: u32 },
    /// Who alone provides an interface of which resources are passed on; its exporters.
    Share { path: u32, track: u32 },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// A plugin that occurs.
pub(super) struct Plugin<'a> {
    pub(super) name: &'a PackageName,
    /// In the index.
    number: Option<u32>,
    pub(super) versions: Vec<Listed>,
    /// The track of each release; empty where tracks do not matter.
    tracks: Vec<u32>,
    /// Why a release is left out; empty where none is.
    out: Vec<Option<Out<'a>>>,
    /// Whether a release is one that is kept; empty where none is.
    kept: Vec<bool>,
    /// What each release needs, once somebody asked.
    worlds: Vec<Option<Rc<World<'a>>>>,
}

impl<'a> Plugin<'a> {
    pub(super) fn track(&self, place: u32) -> u32 {
        self.tracks.get(place as usize).copied().unwrap_or(0)
    }

    pub(super) fn out(&self, place: u32) -> Option<Out<'a>> {
        self.out.get(place as usize).copied().flatten()
    }

    /// Every release that is left out, and why.
    pub(super) fn all_out(&self) -> impl Iterator<Item = (u32, Out<'a>)> {
        self.out.iter().enumerate().filter_map(|(place, out)| Some((place as u32, (*out)?)))
    }

    pub(super) fn is_kept(&self, place: u32) -> bool {
        self.kept.get(place as usize).is_some_and(|is_kept| *is_kept)
    }
}

/// Why a version is left out, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Out<'a> {
    Yanked(&'a str),
    Advised(&'a Advisory),
    Unapproved,
    NotKept,
}

/// Somebody who has an interface: a release, or the host.
#[derive(Clone, Copy)]
pub(super) struct Exporter<'a> {
    pub(super) provider: Owner,
    pub(super) export: &'a Interface,
}

/// What most questions come by, so that room for it is made once.
const PLUGINS_LIKELY: usize = 64;

/// Releases that can be in no answer whatever else is, each with the need that cannot be met; and what was asked for, where it is no better.
pub(super) type Hopeless = FxHashMap<Owner, (Part, Set)>;

/// What was looked up so far.
pub(super) struct Space<'a> {
    index: &'a dyn Index,
    /// What the index put together for this resolution.
    shelf: &'a Shelf<Release>,
    /// What was asked for, as the dependencies of a release are held.
    pub(super) wanted: Rc<[Wanted<'a>]>,
    pub(super) options: &'a Options<'a>,
    pub(super) plugins: Vec<Plugin<'a>>,
    pub(super) paths: Vec<(&'a str, Rc<[Exporter<'a>]>)>,
    pub(super) hopeless: Hopeless,
    named: BTreeSet<Aim<'a>>,
    /// By their numbers in the index; and those that it does not know.
    known: FxHashMap<u32, u32>,
    unknown: HashMap<&'a PackageName, u32>,
    path_ids: HashMap<&'a str, u32>,
    track_ids: HashMap<Version, u32>,
    /// What was asked for, once somebody asked what it needs.
    root: Option<Rc<World<'a>>>,
}

impl<'a> Space<'a> {
    pub(super) fn new(index: &'a dyn Index, shelf: &'a Shelf<Release>, roots: &'a [Dependency], options: &'a Options<'a>) -> Self {
        // In whichever order they are asked for, the answer is the same.
        let mut wanted: Vec<Wanted<'a>> = roots.iter().map(Wanted::of).collect();
        wanted.sort_unstable_by_key(|wanted| wanted.aim);
        Self {
            index,
            shelf,
            wanted: wanted.into(),
            options,
            plugins: Vec::with_capacity(PLUGINS_LIKELY),
            paths: Vec::new(),
            hopeless: Hopeless::default(),
            named: roots.iter().map(|root| Aim::of(&root.target)).collect(),
            known: FxHashMap::with_capacity_and_hasher(PLUGINS_LIKELY, FxBuildHasher),
            unknown: HashMap::new(),
            path_ids: HashMap::new(),
            track_ids: HashMap::new(),
            root: None,
        }
    }

    /// Whether a root names it.
    pub(super) fn is_root(&self, aim: Aim<'_>) -> bool {
        self.named.contains(&aim)
    }

    pub(super) fn plugin(&mut self, name: &'a PackageName) -> u32 {
        let number = self.index.number(name);
        let id = self.plugins.len() as u32;
        let before = match number {
            Some(number) => *self.known.entry(number).or_insert(id),
            None => *self.unknown.entry(name).or_insert(id),
        };
        if before != id {
            return before;
        }
        let versions = number.map_or_else(Vec::new, |number| self.index.versions(number));
        let kept = self.options.kept.get(name);
        let kept: Vec<bool> = kept.map_or_else(Vec::new, |kept| versions.iter().map(|listed| kept.contains(&listed.version)).collect());
        let out = versions.iter().enumerate().map(|(place, listed)| {
            let is_kept = kept.get(place).is_some_and(|is_kept| *is_kept);
            left_out(listed.is_clean, is_kept, self.options, || self.look(number.expect("it has versions"), place))
        });
        let is_any_out = self.options.strategy == Strategy::Locked || versions.iter().any(|listed| !listed.is_clean);
        let out = if is_any_out { out.collect() } else { Vec::new() };
        let tracks = match self.options.duplicates {
            Duplicates::Dedupe => Vec::new(),
            Duplicates::Isolate => versions.iter().map(|listed| self.track(&listed.version)).collect(),
        };
        self.plugins.push(Plugin { name, number, versions, tracks, out, kept, worlds: Vec::new() });
        id
    }

    pub(super) fn track(&mut self, version: &Version) -> u32 {
        let next = self.track_ids.len() as u32 + 1;
        *self.track_ids.entry(track(version)).or_insert(next)
    }

    /// Who exports this path: the host first, then plugins by name and version.
    pub(super) fn path(&mut self, path: &'a str) -> u32 {
        if let Some(&id) = self.path_ids.get(path) {
            return id;
        }
        let id = self.paths.len() as u32;
        let of_path = |interface: &&'a Interface| interface.name.path() == path;
        let mut exporters: Vec<Exporter<'a>> =
            self.options.host.iter().filter(of_path).map(|export| Exporter { provider: None, export }).collect();
        let mut last: Option<(&PackageName, u32)> = None;
        for export in self.index.exports(path) {
            let plugin = match last {
                Some((name, plugin)) if std::ptr::eq(name, export.name) => plugin,
                _ => self.plugin(export.name),
            };
            last = Some((export.name, plugin));
            exporters.push(Exporter { provider: Some((plugin, export.place as u32)), export: export.interface });
        }
        self.paths.push((path, exporters.into()));
        self.path_ids.insert(path, id);
        id
    }

    /// What a release, or what was asked for, needs.
    pub(super) fn world(&mut self, owner: Owner) -> Rc<World<'a>> {
        if let Some(world) = self.known_world(owner) {
            return Rc::clone(world);
        }
        let world = Rc::new(world::of(self, owner));
        match owner {
            None => self.root = Some(Rc::clone(&world)),
            Some((name, place)) => {
                let plugin = &mut self.plugins[name as usize];
                plugin.worlds.resize(plugin.versions.len(), None);
                plugin.worlds[place as usize] = Some(Rc::clone(&world));
            }
        }
        world
    }

    fn known_world(&self, owner: Owner) -> Option<&Rc<World<'a>>> {
        match owner {
            None => self.root.as_ref(),
            Some((name, place)) => self.plugins[name as usize].worlds.get(place as usize)?.as_ref(),
        }
    }

    /// A release in full. It is put together each time, so ask once.
    pub(super) fn release(&self, (name, place): (u32, u32)) -> Considered<'a> {
        self.look(self.number(name), place as usize)
    }

    /// The number of a plugin that has releases.
    fn number(&self, name: u32) -> u32 {
        self.plugins[name as usize].number.expect("who has a release is in the index")
    }

    fn look(&self, number: u32, place: usize) -> Considered<'a> {
        self.index.considered(number, place).unwrap_or_else(|| match self.index.release(number, place) {
            Cow::Borrowed(release) => Considered::of(release),
            Cow::Owned(release) => Considered::of(self.shelf.put(release)),
        })
    }

    /// A digest of what a release imports and exports.
    pub(super) fn interfaces(&self, (name, place): (u32, u32)) -> Digest {
        self.index.interfaces(self.number(name), place as usize)
    }

    /// Whether two releases of a plugin are known to need and to have the same.
    pub(super) fn are_alike(&self, name: u32, place: u32, other: u32) -> bool {
        self.index.are_alike(self.number(name), place as usize, other as usize)
    }

    /// Whether some version of any plugin has this one as a peer that may be absent.
    pub(super) fn is_optional_peer(&self, name: u32) -> bool {
        self.index.is_optional_peer(self.number(name))
    }

    pub(super) fn version(&self, (name, place): (u32, u32)) -> &Version {
        &self.plugins[name as usize].versions[place as usize].version
    }

    /// Whether nothing speaks against a release.
    pub(super) fn is_clean(&self, (name, place): (u32, u32)) -> bool {
        self.plugins[name as usize].versions[place as usize].is_clean
    }

    pub(super) fn id(&self, at: (u32, u32)) -> PluginId {
        PluginId { name: self.plugins[at.0 as usize].name.clone(), version: self.version(at).clone() }
    }

    /// Whether a release may be taken.
    pub(super) fn is_usable(&self, at: (u32, u32)) -> bool {
        self.plugins[at.0 as usize].out(at.1).is_none() && (self.hopeless.is_empty() || !self.hopeless.contains_key(&Some(at)))
    }

    /// The part that stands for a plugin at one of its releases.
    pub(super) fn part(&self, (name, place): (u32, u32)) -> Part {
        Part::Plugin { name, track: self.plugins[name as usize].track(place) }
    }

    /// The tracks on which a plugin has releases.
    pub(super) fn tracks(&self, name: u32) -> BTreeSet<u32> {
        let plugin = &self.plugins[name as usize];
        (0..plugin.versions.len() as u32).map(|place| plugin.track(place)).collect()
    }

    /// How many candidates a part has.
    pub(super) fn length(&mut self, part: Part) -> usize {
        match part {
            Part::Root => 1,
            Part::Plugin { name, .. } | Part::Choice { name, .. } => self.plugins[name as usize].versions.len(),
            Part::Present { name, .. } => self.plugins[name as usize].versions.len() + 1,
            Part::Share { path, .. } => self.paths[path as usize].1.len(),
            Part::Need { of, at } => {
                let path = self.world(of).wants[at as usize].path;
                self.paths[path as usize].1.len() * 2
            }
        }
    }

    /// The releases of a name whose versions satisfy a test.
    pub(super) fn places(&self, name: u32, fits: impl Fn(&Version) -> bool) -> Set {
        let versions = self.plugins[name as usize].versions.iter().enumerate();
        Set::of(versions.filter(|(_, listed)| fits(&listed.version)).map(|(place, _)| place as u32))
    }
}

/// Why this version is left out, if it is.
fn left_out<'a>(is_clean: bool, kept: bool, options: &Options<'_>, look: impl FnOnce() -> Considered<'a>) -> Option<Out<'a>> {
    if options.strategy == Strategy::Locked && !kept {
        return Some(Out::NotKept);
    }
    if is_clean {
        return None;
    }
    match options.security {
        Security::Strict => against(&look()).find(|out| !(kept && matches!(out, Out::Yanked(_)))),
        Security::Audit => against(&look()).find(|out| !kept && matches!(out, Out::Yanked(_))),
        Security::Permissive => None,
    }
}

/// Everything that speaks against a version.
pub(super) fn against<'a>(release: &Considered<'a>) -> impl Iterator<Item = Out<'a>> + use<'a> {
    let yanked = release.yanked.into_iter().map(Out::Yanked);
    let unapproved = (!release.approved).then_some(Out::Unapproved);
    yanked.chain(release.advisories.iter().map(Out::Advised)).chain(unapproved)
}
