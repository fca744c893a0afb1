//! The answer: the plugins that go together, and who stands behind what each of them needs.
//!
//! What a reader may get wrong: nothing here is linked or started. A link says who may be asked, a grant whether it may be.

use std::collections::BTreeSet;
use std::fmt;

use pubgrub::{SelectedDependencies, VersionSet};
use rustc_hash::{FxHashMap, FxHashSet};
use semver::{Version, VersionReq};
use smallvec::SmallVec;

use super::explain::why_out;
use super::space::{Out, Owner, Part, Space, against};
use super::world::{Edge, World};
use super::{Considered, Interface, Security, Strategy};
use crate::{Dependency, Digest, InterfaceName, PackageName};

/// One version of one plugin. Written `acme:geo@1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PluginId {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
}

/// Who stands behind a need.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// The host itself.
    Host,
    /// Another plugin of the resolution.
    Plugin(PluginId),
}

/// A dependency, and who it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As the manifest has it.
    pub dependency: Dependency,
    /// Who it is.
    pub provider: Provider,
}

/// A plugin of the resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub id: PluginId,
    /// The component.
    pub digest: Digest,
    /// A digest of what it imports and exports: [`crate::resolve::Release::interfaces`].
    pub interfaces: Digest,
    /// Its dependencies that were taken, in their order.
    pub links: Vec<Link>,
    /// Who provides each import, by the import's name. One that is missing here stays without: its dependency is optional and was not taken.
    pub imports: Vec<(InterfaceName, Provider)>,
}

/// Something that speaks against a plugin which is in the resolution all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// Which plugin.
    pub plugin: PluginId,
    /// What, in a few words.
    pub what: String,
}

/// A version that would have been taken, had it not been left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// What was taken.
    pub plugin: PluginId,
    /// What would have been.
    pub version: Version,
    /// Why it was left out, in a few words.
    pub why: String,
}

/// Plugins that go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What was asked for, and who it came to, in the order of targets.
    pub roots: Vec<Link>,
    /// Every plugin that is needed, by name and version, and no other.
    pub members: Vec<Member>,
    /// What speaks against some of them.
    pub concerns: Vec<Concern>,
    /// Versions on the same track that are preferred by the strategy and in the ranges of all that depend on it, and were left out.
    pub held_back: Vec<HeldBack>,
}

impl fmt::Display for PluginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host"),
            Self::Plugin(plugin) => plugin.fmt(f),
        }
    }
}

impl Provider {
    /// The plugin, where it is one.
    pub fn plugin(&self) -> Option<&PluginId> {
        match self {
            Self::Host => None,
            Self::Plugin(plugin) => Some(plugin),
        }
    }
}

impl Member {
    /// The plugins that it cannot start without, each once.
    pub fn needs(&self) -> BTreeSet<&PluginId> {
        let links = self.links.iter().map(|link| &link.provider);
        links.chain(self.imports.iter().map(|(_, provider)| provider)).filter_map(Provider::plugin).collect()
    }
}

impl Member {
    /// Who provides an import.
    pub fn provider(&self, import: &InterfaceName) -> Option<&Provider> {
        let at = self.imports.binary_search_by(|(name, _)| name.cmp(import)).ok()?;
        Some(&self.imports[at].1)
    }
}

impl Resolution {
    /// One of the members.
    pub fn member(&self, id: &PluginId) -> Option<&Member> {
        let at = self.members.binary_search_by(|member| member.id.cmp(id)).ok()?;
        Some(&self.members[at])
    }
}

/// What the answer is read from, and what was read.
struct Reading<'r, 'a> {
    space: &'r mut Space<'a>,
    selected: &'r SelectedDependencies<Part, u32>,
    /// Releases that somebody needs.
    open: Vec<(u32, u32)>,
    /// The ranges of all who depend on a release.
    asked: Vec<((u32, u32), &'a VersionReq)>,
    /// The releases of each plugin.
    there: FxHashMap<u32, SmallVec<[u32; 1]>>,
}

/// Reads the answer of the solver.
pub(super) fn of<'a>(space: &mut Space<'a>, selected: &SelectedDependencies<Part, u32>) -> Resolution {
    let mut there: FxHashMap<u32, SmallVec<[u32; 1]>> = FxHashMap::default();
    for (part, &place) in selected.iter() {
        if let Part::Plugin { name, .. } = *part {
            there.entry(name).or_default().push(place);
        }
    }
    let mut reading = Reading { space, selected, open: Vec::new(), asked: Vec::new(), there };
    let world = reading.space.world(None);
    let mut roots = reading.links(None, &world);
    roots.sort_by(|one, other| one.dependency.target.cmp(&other.dependency.target));
    let mut seen: FxHashSet<(u32, u32)> = FxHashSet::default();
    let mut members: Vec<(Member, (u32, u32))> = Vec::with_capacity(reading.there.len());
    while let Some(at) = reading.open.pop() {
        if !seen.insert(at) {
            continue;
        }
        let world = reading.space.world(Some(at));
        let links = reading.links(Some(at), &world);
        let imports = reading.imports(at, &world);
        let (id, interfaces) = (reading.space.id(at), reading.space.interfaces(at));
        let digest = world.digest.expect("a release has a component");
        members.push((Member { id, digest, interfaces, links, imports }, at));
    }
    members.sort_unstable_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let Reading { space, mut asked, .. } = reading;
    let concerns = members.iter().filter(|(_, at)| !space.is_clean(*at)).flat_map(|(member, at)| {
        let found = against(&space.release(*at)).map(|out| Concern { plugin: member.id.clone(), what: why_out(out) });
        found.collect::<Vec<_>>()
    });
    let concerns = concerns.collect();
    asked.sort_unstable_by_key(|(at, _)| *at);
    let held_back = held_back(space, &members, &asked);
    Resolution { roots, members: members.into_iter().map(|(member, _)| member).collect(), concerns, held_back }
}

impl<'a> Reading<'_, 'a> {
    fn links(&mut self, owner: Owner, world: &World<'a>) -> Vec<Link> {
        let mut links = Vec::with_capacity(world.edges.len() + world.wants.len());
        for edge in &world.edges {
            let Some(&place) = self.selected.get(&edge.part) else { continue };
            let at = (edge.name, place);
            self.open.push(at);
            self.asked.push((at, edge.dependency.versions));
            links.push(Link { dependency: edge.dependency.dependency(), provider: Provider::Plugin(self.space.id(at)) });
        }
        for (at, want) in world.wants.iter().enumerate() {
            let (Some(dependency), Some(provider)) = (want.dependency, self.chosen(owner, world, at)) else { continue };
            if !links.iter().any(|link: &Link| dependency.is(&link.dependency) && link.provider == provider) {
                links.push(Link { dependency: dependency.dependency(), provider });
            }
        }
        links
    }

    /// Who was chosen to stand behind a want.
    fn chosen(&mut self, of: Owner, world: &World<'_>, at: usize) -> Option<Provider> {
        let candidate = *self.selected.get(&Part::Need { of, at: at as u32 })?;
        let exporter = self.space.paths[world.wants[at].path as usize].1[candidate as usize / 2];
        Some(exporter.provider.map_or(Provider::Host, |provider| {
            self.open.push(provider);
            Provider::Plugin(self.space.id(provider))
        }))
    }

    fn imports(&mut self, at: (u32, u32), world: &World<'a>) -> Vec<(InterfaceName, Provider)> {
        let mut imports = Vec::with_capacity(world.hosted.len() + world.wants.len());
        imports.extend(world.hosted.iter().map(|name| ((*name).clone(), Provider::Host)));
        for (index, want) in world.wants.iter().enumerate() {
            let Some(import) = want.import else { continue };
            if let Some(provider) = self.chosen(Some(at), world, index) {
                imports.push((import.name.clone(), provider));
            }
        }
        // A peer that may be absent, and is there.
        for import in &world.left {
            let there: SmallVec<[(u32, u32); 1]> = world.peers.iter().filter_map(|peer| self.peer(peer, import)).collect();
            if let Some(first) = there.first() {
                imports.push((import.name.clone(), Provider::Plugin(self.space.id(*first))));
            }
            self.open.extend(there);
        }
        imports.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        imports
    }

    /// The release of a peer that is there and has this import.
    fn peer(&self, peer: &Edge<'a>, import: &Interface) -> Option<(u32, u32)> {
        let has_it = |release: Considered<'_>| {
            let of_path = |export: &&&Interface| export.name.path() == import.name.path();
            release.exports.iter().filter(of_path).any(|export| self.space.options.compatibility.judge(import, export).is_ok())
        };
        let fits = |place: &&u32| VersionSet::contains(&peer.set, *place) && has_it(self.space.release((peer.name, **place)));
        let place = self.there.get(&peer.name)?.iter().filter(fits).max()?;
        Some((peer.name, *place))
    }
}

/// Versions that were left out and fit all who depend on the plugin.
fn held_back(space: &Space<'_>, members: &[(Member, (u32, u32))], asked: &[((u32, u32), &VersionReq)]) -> Vec<HeldBack> {
    if space.options.security == Security::Permissive || space.options.strategy == Strategy::Locked {
        return Vec::new();
    }
    let mut held = Vec::new();
    for (Member { id, .. }, at) in members {
        let plugin = &space.plugins[at.0 as usize];
        for (other, out) in plugin.all_out() {
            let is_preferred = match space.options.strategy {
                Strategy::Lowest => other < at.1,
                Strategy::Highest | Strategy::Locked => other > at.1,
            };
            let version = &plugin.versions[other as usize].version;
            let first = asked.partition_point(|(of, _)| of < at);
            let fits = || asked[first..].iter().take_while(|(of, _)| of == at).all(|(_, range)| range.matches(version));
            if is_preferred && out != Out::NotKept && super::track(version) == super::track(&id.version) && fits() {
                held.push(HeldBack { plugin: id.clone(), version: version.clone(), why: why_out(out) });
            }
        }
    }
    held
}
