//! What the resolver knows: which plugins there are, in which versions, and what each imports, exports and depends on.
//!
//! A view in memory; who fills it (a folder, a registry's index) is elsewhere. Easily got wrong: `imports` has what needs somebody behind it. Whoever
//! fills the index leaves out interfaces of types alone, which link with nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::Considered;
use crate::{Dependency, Digest, InterfaceName, Issue, PackageName, Target};

/// Versions of all plugins, as a view that does not change while a resolution looks at it.
///
/// A resolution asks for the versions of every plugin that it comes by, and in full only for those that it considers. So an index may hold what it knows
/// in any form, and put a [`Release`] together when it is asked for. A plugin is looked for once by its name, and then asked about by its number.
pub trait Index {
    /// The number of a plugin: one of those of this index, and the same as long as it is there. `None` where nobody knows the name.
    fn number(&self, name: &PackageName) -> Option<u32>;

    /// Every version of a plugin in ascending order, each once.
    fn versions(&self, plugin: u32) -> Vec<Listed>;

    /// The version at this place among those of [`Index::versions`], in full. No other place is asked for, and an index may panic where one is.
    fn release(&self, plugin: u32, place: usize) -> Cow<'_, Release>;

    /// The same version, pointed at. `None` where the index cannot point at all of it, and then the release is asked for.
    fn considered(&self, plugin: u32, place: usize) -> Option<Considered<'_>> {
        match self.release(plugin, place) {
            Cow::Borrowed(release) => Some(Considered::of(release)),
            Cow::Owned(_) => None,
        }
    }

    /// [`Release::interfaces`] of that version. An index may know it by heart.
    fn interfaces(&self, plugin: u32, place: usize) -> Digest {
        self.release(plugin, place).interfaces()
    }

    /// Whether two versions of a plugin are known to have the same dependencies, imports and exports, without looking at them. `false` is always right.
    fn are_alike(&self, _plugin: u32, _place: usize, _other: usize) -> bool {
        false
    }

    /// Whoever exports an interface with this path, by name and place.
    fn exports(&self, path: &str) -> Vec<Export<'_>>;

    /// Whether some version of any plugin has this one as a peer that may be absent. `true` for every plugin is right as well, and slower.
    fn is_optional_peer(&self, plugin: u32) -> bool;
}

/// One version among those of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub version: Version,
    /// Whether nothing speaks against it: it was not taken back, has no advisory, and is approved. Otherwise the release is asked what does.
    pub is_clean: bool,
}

/// An interface that some version of a plugin exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export<'a> {
    /// The plugin.
    pub name: &'a PackageName,
    /// The place of the version among those of the plugin.
    pub place: usize,
    /// As the component exports it.
    pub interface: &'a Interface,
}

/// One version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: Version,
    /// The component.
    pub digest: Digest,
    /// What its manifest says that it builds on.
    pub dependencies: Vec<Dependency>,
    /// What the component imports, each once.
    pub imports: Vec<Interface>,
    /// What it exports, each once.
    pub exports: Vec<Interface>,
    /// Why it was taken back, if it was.
    pub yanked: Option<String>,
    /// What is known against it.
    pub advisories: Vec<Advisory>,
    /// Whether somebody with the right to do so has approved it.
    pub approved: bool,
}

/// An interface as a component imports or exports it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// Its name, as a rule with a version.
    pub name: InterfaceName,
    /// Its functions, each with a digest of its types where those are known, and its resources as `resource NAME`, with a digest of whose they are. Of an import what
    /// the component uses of it. Where nothing is known the version alone decides.
    pub functions: Option<BTreeMap<String, Option<Digest>>>,
    /// Whether it has resources: things that belong to the one who made them.
    pub resources: bool,
    /// The paths of other interfaces whose resources its functions take or give.
    pub uses: Vec<String>,
}

/// Something known against a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// What it is called where it was published.
    pub id: String,
    /// One line, for people.
    pub title: String,
}

impl Release {
    /// An approved version that depends on nothing, imports and exports nothing.
    pub fn new(version: Version, digest: Digest) -> Self {
        Self {
            version,
            digest,
            dependencies: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            yanked: None,
            advisories: Vec::new(),
            approved: true,
        }
    }

    /// Whether nothing speaks against it.
    pub fn is_clean(&self) -> bool {
        self.yanked.is_none() && self.advisories.is_empty() && self.approved
    }

    /// As [`Index::versions`] has it.
    pub fn listed(&self) -> Listed {
        Listed { version: self.version.clone(), is_clean: self.is_clean() }
    }

    /// A digest of the names and functions of what it imports and exports: another one means that what fitted has to be looked at again.
    pub fn interfaces(&self) -> Digest {
        digest(self.imports.iter(), self.exports.iter())
    }
}

/// See [`Release::interfaces`].
pub(super) fn digest<'a>(imports: impl Iterator<Item = &'a Interface>, exports: impl Iterator<Item = &'a Interface>) -> Digest {
    let told = exports.map(|export| ("export", export)).chain(imports.map(|import| ("import", import)));
    let types = |types: &Option<Digest>| types.map_or_else(|| "-".to_owned(), |types| types.to_string());
    let functions = |functions: &BTreeMap<String, Option<Digest>>| {
        functions.iter().map(|(name, of)| format!("{name}={}", types(of))).collect::<Vec<_>>().join(",")
    };
    let line = |(side, interface): (&str, &Interface)| {
        let functions = interface.functions.as_ref().map_or_else(|| "-".to_owned(), functions);
        let mut uses = interface.uses.clone();
        uses.sort_unstable();
        format!("{side} {} {functions} {} {}\n", interface.name, interface.resources, uses.join(","))
    };
    let mut lines: Vec<String> = told.map(line).collect();
    lines.sort_unstable();
    Digest::of(lines.concat().as_bytes())
}

impl Interface {
    /// One of plain values.
    pub fn new(name: InterfaceName) -> Self {
        Self { name, functions: None, resources: false, uses: Vec::new() }
    }
}

/// An index that is held in memory.
#[derive(Debug, Default, Clone)]
pub struct MemoryIndex {
    plugins: Vec<(PackageName, Vec<Release>)>,
    numbers: BTreeMap<PackageName, u32>,
    exporters: BTreeMap<String, Vec<PackageName>>,
    optional_peers: BTreeSet<PackageName>,
}

impl MemoryIndex {
    /// Adds one version.
    ///
    /// # Errors
    /// When that version is there already: a version never changes.
    pub fn insert(&mut self, name: &PackageName, release: Release) -> Result<(), Issue> {
        let number = *self.numbers.entry(name.clone()).or_insert_with(|| {
            self.plugins.push((name.clone(), Vec::new()));
            self.plugins.len() as u32 - 1
        });
        let releases = &mut self.plugins[number as usize].1;
        let at = match releases.binary_search_by(|other| other.version.cmp(&release.version)) {
            Ok(_) => {
                return Err(Issue {
                    what: format!("there is a `{name}` {} already", release.version),
                    at: String::new(),
                    expected: "each version once".to_owned(),
                });
            }
            Err(at) => at,
        };
        for export in &release.exports {
            let names = self.exporters.entry(export.name.path().to_owned()).or_default();
            if let Err(at) = names.binary_search(name) {
                names.insert(at, name.clone());
            }
        }
        for dependency in release.dependencies.iter().filter(|dependency| dependency.peer && dependency.optional) {
            if let Target::Plugin(peer) = &dependency.target {
                self.optional_peers.insert(peer.clone());
            }
        }
        releases.insert(at, release);
        Ok(())
    }

    /// Every version of a plugin in ascending order. Empty where nobody knows the name.
    pub fn releases(&self, name: &PackageName) -> &[Release] {
        self.number(name).map_or(&[], |number| self.of(number))
    }

    /// Every plugin, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&PackageName, &[Release])> {
        self.numbers.iter().map(|(name, number)| (name, self.of(*number)))
    }

    fn of(&self, plugin: u32) -> &[Release] {
        &self.plugins[plugin as usize].1
    }
}

impl Index for MemoryIndex {
    fn number(&self, name: &PackageName) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn versions(&self, plugin: u32) -> Vec<Listed> {
        self.of(plugin).iter().map(Release::listed).collect()
    }

    fn release(&self, plugin: u32, place: usize) -> Cow<'_, Release> {
        Cow::Borrowed(&self.of(plugin)[place])
    }

    fn exports(&self, path: &str) -> Vec<Export<'_>> {
        let mut found = Vec::new();
        for name in self.exporters.get(path).into_iter().flatten() {
            for (place, release) in self.releases(name).iter().enumerate() {
                let of_path = release.exports.iter().filter(|export| export.name.path() == path);
                found.extend(of_path.map(|interface| Export { name, place, interface }));
            }
        }
        found
    }

    fn is_optional_peer(&self, plugin: u32) -> bool {
        self.optional_peers.contains(&self.plugins[plugin as usize].0)
    }
}
