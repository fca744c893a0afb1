//! The question as the solver sees it: parts, each of which has a list of candidates and gets one of them or none.
//!
//! Everything is looked up when it is first asked for, so a resolution costs what it touches and not what the index holds. What a reader may get wrong:
//! a candidate is a place in a list (of releases, of exporters), never a version.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;

use semver::Version;

use super::set::Set;
use super::world::{self, World};
use super::{Advisory, Duplicates, Index, Interface, Options, PluginId, Release, Security, Strategy, track};
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
    pub(super) releases: &'a [Release],
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
    pub(super) roots: &'a [Dependency],
    pub(super) options: &'a Options<'a>,
    pub(super) plugins: Vec<Plugin<'a>>,
    pub(super) paths: Vec<(&'a str, Rc<[Exporter<'a>]>)>,
    /// Releases that can be in no answer, each with the need that cannot be met.
    pub(super) hopeless: HashMap<Owner, (Part, Set)>,
    named: BTreeSet<&'a Target>,
    names: HashMap<&'a PackageName, u32>,
    path_ids: HashMap<&'a str, u32>,
    track_ids: HashMap<Version, u32>,
    worlds: HashMap<Owner, Rc<World<'a>>>,
}

impl<'a> Space<'a> {
    pub(super) fn new(index: &'a dyn Index, roots: &'a [Dependency], options: &'a Options<'a>) -> Self {
        Self {
            index,
            roots,
            options,
            plugins: Vec::new(),
            paths: Vec::new(),
            hopeless: HashMap::new(),
            named: roots.iter().map(|root| &root.target).collect(),
            names: HashMap::new(),
            path_ids: HashMap::new(),
            track_ids: HashMap::new(),
            worlds: HashMap::new(),
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
        let releases = self.index.releases(name);
        let kept_versions = self.options.kept.get(name);
        let kept: Vec<bool> = releases.iter().map(|release| kept_versions.is_some_and(|kept| kept.contains(&release.version))).collect();
        let out = releases.iter().zip(&kept).map(|(release, kept)| left_out(release, *kept, self.options)).collect();
        let tracks = match self.options.duplicates {
            Duplicates::Dedupe => vec![0; releases.len()],
            Duplicates::Isolate => releases.iter().map(|release| self.track(&release.version)).collect(),
        };
        self.plugins.push(Plugin { name, releases, tracks, out, kept });
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
        for name in self.index.exporters(path) {
            let name = self.plugin(name);
            for (place, release) in self.plugins[name as usize].releases.iter().enumerate() {
                let provider = Some((name, place as u32));
                exporters.extend(release.exports.iter().filter(of_path).map(|export| Exporter { provider, export }));
            }
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
        &self.plugins[name as usize].releases[place as usize]
    }

    pub(super) fn id(&self, at: (u32, u32)) -> PluginId {
        PluginId { name: self.plugins[at.0 as usize].name.clone(), version: self.release(at).version.clone() }
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
            Part::Plugin { name, .. } | Part::Choice { name, .. } => self.plugins[name as usize].releases.len(),
            Part::Present { name, .. } => self.plugins[name as usize].releases.len() + 1,
            Part::Share { path, .. } => self.paths[path as usize].1.len(),
            Part::Need { of, at } => {
                let path = self.world(of).wants[at as usize].path;
                self.paths[path as usize].1.len() * 2
            }
        }
    }

    /// The releases of a name that satisfy a test.
    pub(super) fn places(&self, name: u32, fits: impl Fn(&Release) -> bool) -> Set {
        let releases = self.plugins[name as usize].releases.iter().enumerate();
        Set::of(releases.filter(|(_, release)| fits(release)).map(|(place, _)| place as u32))
    }
}

/// Why this version is left out, if it is.
fn left_out<'a>(release: &'a Release, kept: bool, options: &Options<'_>) -> Option<Out<'a>> {
    if options.strategy == Strategy::Locked && !kept {
        return Some(Out::NotKept);
    }
    match options.security {
        Security::Strict => against(release).find(|out| !(kept && matches!(out, Out::Yanked(_)))),
        Security::Audit => against(release).find(|out| !kept && matches!(out, Out::Yanked(_))),
        Security::Permissive => None,
    }
}

/// Everything that speaks against a version.
pub(super) fn against(release: &Release) -> impl Iterator<Item = Out<'_>> {
    let yanked = release.yanked.iter().map(|why| Out::Yanked(why));
    let unapproved = (!release.approved).then_some(Out::Unapproved);
    yanked.chain(release.advisories.iter().map(Out::Advised)).chain(unapproved)
}
