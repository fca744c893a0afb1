//! The question as the solver sees it: parts, each of which has a list of candidates and gets one of them or none.
//!
//! Everything is looked up when it is first asked for, so a resolution costs what it touches and not what the index holds. What a reader may get wrong:
//! a candidate is a place in a list (of releases, of exporters), never a version.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use semver::Version;

use super::set::Set;
use super::shelf::Shelf;
use super::world::{self, World};
use super::{Advisory, Duplicates, Index, Interface, Listed, Options, PluginId, Release, Security, Strategy, track};
use crate::{Dependency, PackageName, Target};

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
    pub(super) versions: Vec<Listed>,
    /// The releases that were looked at.
    releases: Vec<OnceCell<&'a Release>>,
    /// The track of each release.
    pub(super) tracks: Vec<u32>,
    /// Why a release is left out.
    pub(super) out: Vec<Option<Out<'a>>>,
    /// Whether a release is one that is kept.
    pub(super) kept: Vec<bool>,
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

/// What was looked up so far.
pub(super) struct Space<'a> {
    pub(super) index: &'a dyn Index,
    /// What the index put together for this resolution.
    shelf: &'a Shelf<Release>,
    pub(super) roots: &'a [Dependency],
    pub(super) options: &'a Options<'a>,
    pub(super) plugins: Vec<Plugin<'a>>,
    pub(super) paths: Vec<(&'a str, Rc<[Exporter<'a>]>)>,
    /// Releases that can be in no answer, each with the need that cannot be met.
    pub(super) hopeless: FxHashMap<Owner, (Part, Set)>,
    named: BTreeSet<&'a Target>,
    names: HashMap<&'a PackageName, u32>,
    path_ids: HashMap<&'a str, u32>,
    track_ids: HashMap<Version, u32>,
    worlds: FxHashMap<Owner, Rc<World<'a>>>,
}

impl<'a> Space<'a> {
    pub(super) fn new(index: &'a dyn Index, shelf: &'a Shelf<Release>, roots: &'a [Dependency], options: &'a Options<'a>) -> Self {
        Self {
            index,
            shelf,
            roots,
            options,
            plugins: Vec::new(),
            paths: Vec::new(),
            hopeless: FxHashMap::default(),
            named: roots.iter().map(|root| &root.target).collect(),
            names: HashMap::new(),
            path_ids: HashMap::new(),
            track_ids: HashMap::new(),
            worlds: FxHashMap::default(),
        }
    }

    /// Whether a root names it.
    pub(super) fn is_root(&self, target: &Target) -> bool {
        self.named.contains(target)
    }

    pub(super) fn plugin(&mut self, name: &'a PackageName) -> u32 {
        if let Some(&id) = self.names.get(name) {
            return id;
        }
        let id = self.plugins.len() as u32;
        let versions = self.index.versions(name);
        let kept_versions = self.options.kept.get(name);
        let kept: Vec<bool> = versions.iter().map(|listed| kept_versions.is_some_and(|kept| kept.contains(&listed.version))).collect();
        let releases: Vec<OnceCell<&'a Release>> = versions.iter().map(|_| OnceCell::new()).collect();
        let out = versions.iter().zip(&kept).enumerate().map(|(place, (listed, &kept))| {
            let look = || self.look(name, place, &releases[place]);
            left_out(listed.is_clean, kept, self.options, look)
        });
        let out = out.collect();
        let tracks = match self.options.duplicates {
            Duplicates::Dedupe => vec![0; versions.len()],
            Duplicates::Isolate => versions.iter().map(|listed| self.track(&listed.version)).collect(),
        };
        self.plugins.push(Plugin { name, versions, releases, tracks, out, kept });
        self.names.insert(name, id);
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
        for export in self.index.exports(path) {
            let provider = Some((self.plugin(export.name), export.place as u32));
            exporters.push(Exporter { provider, export: export.interface });
        }
        self.paths.push((path, exporters.into()));
        self.path_ids.insert(path, id);
        id
    }

    /// What a release, or what was asked for, needs.
    pub(super) fn world(&mut self, owner: Owner) -> Rc<World<'a>> {
        if let Some(world) = self.worlds.get(&owner) {
            return Rc::clone(world);
        }
        let world = Rc::new(world::of(self, owner));
        self.worlds.insert(owner, Rc::clone(&world));
        world
    }

    pub(super) fn release(&self, (name, place): (u32, u32)) -> &'a Release {
        let plugin = &self.plugins[name as usize];
        self.look(plugin.name, place as usize, &plugin.releases[place as usize])
    }

    fn look(&self, name: &'a PackageName, place: usize, looked: &OnceCell<&'a Release>) -> &'a Release {
        looked.get_or_init(|| match self.index.release(name, place) {
            Cow::Borrowed(release) => release,
            Cow::Owned(release) => self.shelf.put(release),
        })
    }

    pub(super) fn version(&self, (name, place): (u32, u32)) -> &Version {
        &self.plugins[name as usize].versions[place as usize].version
    }

    pub(super) fn id(&self, at: (u32, u32)) -> PluginId {
        PluginId { name: self.plugins[at.0 as usize].name.clone(), version: self.version(at).clone() }
    }

    /// Whether a release may be taken.
    pub(super) fn is_usable(&self, at: (u32, u32)) -> bool {
        self.plugins[at.0 as usize].out[at.1 as usize].is_none() && (self.hopeless.is_empty() || !self.hopeless.contains_key(&Some(at)))
    }

    /// The part that stands for a plugin at one of its releases.
    pub(super) fn part(&self, (name, place): (u32, u32)) -> Part {
        Part::Plugin { name, track: self.plugins[name as usize].tracks[place as usize] }
    }

    /// The tracks on which a plugin has releases.
    pub(super) fn tracks(&self, name: u32) -> BTreeSet<u32> {
        self.plugins[name as usize].tracks.iter().copied().collect()
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
fn left_out<'a>(is_clean: bool, kept: bool, options: &Options<'_>, look: impl FnOnce() -> &'a Release) -> Option<Out<'a>> {
    if options.strategy == Strategy::Locked && !kept {
        return Some(Out::NotKept);
    }
    if is_clean {
        return None;
    }
    match options.security {
        Security::Strict => against(look()).find(|out| !(kept && matches!(out, Out::Yanked(_)))),
        Security::Audit => against(look()).find(|out| !kept && matches!(out, Out::Yanked(_))),
        Security::Permissive => None,
    }
}

/// Everything that speaks against a version.
pub(super) fn against(release: &Release) -> impl Iterator<Item = Out<'_>> {
    let yanked = release.yanked.iter().map(|why| Out::Yanked(why));
    let unapproved = (!release.approved).then_some(Out::Unapproved);
    yanked.chain(release.advisories.iter().map(Out::Advised)).chain(unapproved)
}
