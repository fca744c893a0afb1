//! An index of very many plugins in little memory: what versions have in common is held once, and a [`Release`] is put together when it is asked for.
//!
//! - `interned`: what is held once; `packed`: one version, one dependency
//!
//! What a reader may get wrong: it is made at once and does not change. A new version of the registry's index is a new one of these.

mod interned;
mod packed;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use semver::{Version, VersionReq};

use self::interned::Interned;
use self::packed::{Needed, Packed};
use super::index::digest;
use super::{Advisory, Aim, Considered, Export, Index, Interface, Listed, Release, Wanted};
use crate::{Dependency, Digest, InterfaceName, Issue, PackageName, Target};

/// An index that is made once, of all versions of all plugins.
///
/// A version takes 48 bytes, of which 32 are its digest, beside the lists of its dependencies and interfaces where no other version has the same. `docs/benchmarks.md`, `bench
/// resolve`, has a measurement.
#[derive(Debug, Default)]
pub struct CompactIndex {
    /// Of plugins, and of those that are depended on.
    names: Interned<PackageName>,
    /// For each name where its versions begin among all of them, and where they end.
    places: Vec<(u32, u32)>,
    versions: Vec<Packed>,
    /// Versions that do not fit into a few bits.
    written: Interned<Version>,
    needs: Interned<Box<[Needed]>>,
    targets: Interned<InterfaceName>,
    ranges: Interned<VersionReq>,
    /// Numbers of interfaces: those that are imported, then those that are exported; and first how many are imported.
    sides: Interned<Box<[u32]>>,
    interfaces: Interned<Interface>,
    /// A digest of each of these, made when it is first asked for.
    digests: Box<[OnceLock<Digest>]>,
    /// What speaks against a version, by its place among all of them.
    concerns: HashMap<u32, Box<Concerns>>,
    /// Who exports an interface with this path, by name and place.
    exporters: HashMap<Box<str>, Vec<Exporting>>,
    /// Whether a name is a peer that may be absent.
    optional_peers: Vec<bool>,
}

/// Versions of a plugin that export the very same interface.
#[derive(Debug)]
struct Exporting {
    plugin: u32,
    /// Their places.
    from: u32,
    to: u32,
    interface: u32,
}

#[derive(Debug)]
struct Concerns {
    yanked: Option<String>,
    advisories: Vec<Advisory>,
    approved: bool,
}

impl CompactIndex {
    /// Of plugins in any order, each once with all of its versions in any order.
    ///
    /// # Errors
    /// When a plugin or one of its versions is there twice: a version never changes.
    pub fn of(plugins: impl IntoIterator<Item = (PackageName, Vec<Release>)>) -> Result<Self, Issue> {
        let mut index = Self::default();
        for (name, releases) in plugins {
            index.add(&name, releases)?;
        }
        index.places.resize(index.names.len(), (0, 0));
        index.optional_peers.resize(index.names.len(), false);
        index.places.shrink_to_fit();
        index.versions.shrink_to_fit();
        for exporters in index.exporters.values_mut() {
            exporters.sort_by(|one, other| {
                let name = |exporting: &Exporting| index.names.value(exporting.plugin);
                name(one).cmp(name(other)).then(one.from.cmp(&other.from))
            });
            exporters.shrink_to_fit();
        }
        index.written.freeze();
        index.needs.freeze();
        index.targets.freeze();
        index.ranges.freeze();
        index.sides.freeze();
        index.digests = (0..index.sides.len()).map(|_| OnceLock::new()).collect();
        index.interfaces.freeze();
        Ok(index)
    }

    /// How many plugins have a version.
    pub fn plugins(&self) -> usize {
        self.places.iter().filter(|(from, to)| from < to).count()
    }

    /// How many versions all plugins have.
    pub fn versions(&self) -> usize {
        self.versions.len()
    }

    fn add(&mut self, name: &PackageName, mut releases: Vec<Release>) -> Result<(), Issue> {
        let twice = |what: String| Issue { what, at: String::new(), expected: "each version once".to_owned() };
        releases.sort_by(|one, other| one.version.cmp(&other.version));
        if let Some(pair) = releases.windows(2).find(|pair| pair[0].version == pair[1].version) {
            return Err(twice(format!("there is a `{name}` {} already", pair[0].version)));
        }
        let own = self.names.intern(name, || name.clone()) as usize;
        if self.places.len() <= own {
            self.places.resize(own + 1, (0, 0));
        }
        if self.places[own].0 < self.places[own].1 {
            return Err(twice(format!("there is a `{name}` already")));
        }
        // Memory ends long before four thousand million versions do.
        let from = self.versions.len() as u32;
        for (place, release) in releases.iter().enumerate() {
            self.push(own as u32, place as u32, release);
        }
        self.places[own] = (from, self.versions.len() as u32);
        Ok(())
    }

    fn push(&mut self, own: u32, place: u32, release: &Release) {
        let needs: Vec<Needed> = release.dependencies.iter().map(|dependency| self.need(dependency)).collect();
        let needs = self.needs.intern(needs.as_slice(), || needs.clone().into());
        let interfaces = release.imports.iter().chain(&release.exports);
        let mut sides = vec![release.imports.len() as u32];
        sides.extend(interfaces.map(|interface| self.interfaces.intern(interface, || interface.clone())));
        for (export, &interface) in release.exports.iter().zip(&sides[1 + release.imports.len()..]) {
            let path = export.name.path();
            let is_only = || release.exports.iter().filter(|other| other.name.path() == path).count() == 1;
            let run = Exporting { plugin: own, from: place, to: place + 1, interface };
            let Some(exporters) = self.exporters.get_mut(path) else {
                self.exporters.insert(path.into(), vec![run]);
                continue;
            };
            // The versions of a plugin come one after the other, and mostly export the very same: once, or else the order would be another.
            let was_only = !exporters.iter().rev().skip(1).take(1).any(|other| (other.plugin, other.to) == (own, place));
            match exporters.last_mut().filter(|last| (last.plugin, last.to, last.interface) == (own, place, interface)) {
                Some(last) if was_only && is_only() => last.to += 1,
                _ => exporters.push(run),
            }
        }
        let sides = self.sides.intern(sides.as_slice(), || sides.clone().into());
        if !release.is_clean() {
            let Release { yanked, advisories, approved, .. } = release.clone();
            self.concerns.insert(self.versions.len() as u32, Box::new(Concerns { yanked, advisories, approved }));
        }
        self.versions.push(Packed::new(&release.version, release.is_clean(), &mut self.written, release.digest, needs, sides));
    }

    fn need(&mut self, dependency: &Dependency) -> Needed {
        let target = match &dependency.target {
            Target::Plugin(name) => self.names.intern(name, || name.clone()),
            Target::Interface(name) => self.targets.intern(name, || name.clone()),
        };
        if dependency.peer && dependency.optional && matches!(dependency.target, Target::Plugin(_)) {
            let length = self.optional_peers.len().max(target as usize + 1);
            self.optional_peers.resize(length, false);
            self.optional_peers[target as usize] = true;
        }
        Needed::new(dependency, target, self.ranges.intern(&dependency.versions, || dependency.versions.clone()))
    }

    /// The versions of a plugin among all of them.
    fn places(&self, plugin: u32) -> Range<usize> {
        let (from, to) = self.places[plugin as usize];
        from as usize..to as usize
    }

    fn wanted(&self, needed: Needed) -> Wanted<'_> {
        let aim = match needed.is_interface() {
            true => Aim::Interface(self.targets.value(needed.target())),
            false => Aim::Plugin(self.names.value(needed.target())),
        };
        Wanted { aim, versions: self.ranges.value(needed.range()), optional: needed.is_optional(), peer: needed.is_peer() }
    }

    /// The version at this place among all of them.
    fn at(&self, place: usize) -> Considered<'_> {
        let packed = &self.versions[place];
        let (imports, exports) = self.sides(packed);
        // Most have none, and nothing is looked for.
        let concerns = if packed.is_clean() { None } else { self.concerns.get(&(place as u32)) };
        Considered {
            digest: packed.digest,
            dependencies: self.needs.value(packed.needs).iter().map(|needed| self.wanted(*needed)).collect(),
            imports: self.interfaces(imports).collect(),
            exports: self.interfaces(exports).collect(),
            yanked: concerns.and_then(|concerns| concerns.yanked.as_deref()),
            advisories: concerns.map_or(&[], |concerns| &concerns.advisories),
            approved: concerns.is_none_or(|concerns| concerns.approved),
        }
    }

    /// What a version imports, and what it exports.
    fn sides(&self, packed: &Packed) -> (&[u32], &[u32]) {
        let sides = self.sides.value(packed.sides);
        sides[1..].split_at(sides[0] as usize)
    }

    fn interfaces<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = &'a Interface> {
        numbers.iter().map(|number| self.interfaces.value(*number))
    }
}

impl Index for CompactIndex {
    fn number(&self, name: &PackageName) -> Option<u32> {
        self.names.number(name)
    }

    fn versions(&self, plugin: u32) -> Vec<Listed> {
        let listed = |packed: &Packed| Listed { version: packed.version(&self.written), is_clean: packed.is_clean() };
        self.versions[self.places(plugin)].iter().map(listed).collect()
    }

    fn release(&self, plugin: u32, place: usize) -> Cow<'_, Release> {
        let place = self.places(plugin).start + place;
        let considered = self.at(place);
        Cow::Owned(Release {
            version: self.versions[place].version(&self.written),
            digest: considered.digest,
            dependencies: considered.dependencies.iter().map(Wanted::dependency).collect(),
            imports: considered.imports.into_iter().cloned().collect(),
            exports: considered.exports.into_iter().cloned().collect(),
            yanked: considered.yanked.map(str::to_owned),
            advisories: considered.advisories.to_owned(),
            approved: considered.approved,
        })
    }

    fn considered(&self, plugin: u32, place: usize) -> Option<Considered<'_>> {
        Some(self.at(self.places(plugin).start + place))
    }

    fn interfaces(&self, plugin: u32, place: usize) -> Digest {
        let packed = &self.versions[self.places(plugin).start + place];
        let (imports, exports) = self.sides(packed);
        *self.digests[packed.sides as usize].get_or_init(|| digest(self.interfaces(imports), self.interfaces(exports)))
    }

    fn are_alike(&self, plugin: u32, place: usize, other: usize) -> bool {
        let versions = &self.versions[self.places(plugin)];
        (versions[place].needs, versions[place].sides) == (versions[other].needs, versions[other].sides)
    }

    fn exports(&self, path: &str) -> Vec<Export<'_>> {
        let exporters = self.exporters.get(path).map_or(&[][..], Vec::as_slice);
        let mut found = Vec::with_capacity(exporters.iter().map(|exporting| (exporting.to - exporting.from) as usize).sum());
        for exporting in exporters {
            let (name, interface) = (self.names.value(exporting.plugin), self.interfaces.value(exporting.interface));
            found.extend((exporting.from..exporting.to).map(|place| Export { name, place: place as usize, interface }));
        }
        found
    }

    fn is_optional_peer(&self, plugin: u32) -> bool {
        self.optional_peers[plugin as usize]
    }
}
