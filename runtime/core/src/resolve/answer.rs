//! The answer: the plugins that go together, and who stands behind what each of them needs.
//!
//! What a reader may get wrong: nothing here is linked or started. A link says who may be asked, a grant whether it may be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use pubgrub::SelectedDependencies;
use semver::Version;

use super::explain::why_out;
use super::space::{Out, Owner, Part, Space, against};
use super::world::World;
use super::{Security, Strategy};
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
    /// Who provides each import. One that is missing here stays without: its dependency is optional and was not taken.
    pub imports: BTreeMap<InterfaceName, Provider>,
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
        links.chain(self.imports.values()).filter_map(Provider::plugin).collect()
    }
}

impl Resolution {
    /// One of the members.
    pub fn member(&self, id: &PluginId) -> Option<&Member> {
        let at = self.members.binary_search_by(|member| member.id.cmp(id)).ok()?;
        Some(&self.members[at])
    }
}

/// Reads the answer of the solver.
pub(super) fn of<'a>(space: &mut Space<'a>, selected: &SelectedDependencies<Part, u32>) -> Resolution {
    let mut members: BTreeMap<PluginId, (Member, (u32, u32))> = BTreeMap::new();
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut there: HashMap<u32, Vec<u32>> = HashMap::new();
    for (part, &place) in selected.iter() {
        if let Part::Plugin { name, .. } = *part {
            there.entry(name).or_default().push(place);
        }
    }
    let world = space.world(None);
    let mut roots = links(space, None, &world, selected, &mut open);
    roots.sort_by(|one, other| one.dependency.target.cmp(&other.dependency.target));
    while let Some(at) = open.pop() {
        let id = space.id(at);
        if members.contains_key(&id) {
            continue;
        }
        let world = space.world(Some(at));
        let links = links(space, Some(at), &world, selected, &mut open);
        let imports = imports(space, at, &world, selected, &there, &mut open);
        let interfaces = space.index.interfaces(&id.name, at.1 as usize);
        let member = Member { id: id.clone(), digest: space.release(at).digest, interfaces, links, imports };
        members.insert(id, (member, at));
    }
    let concerns = members.values().flat_map(|(member, at)| {
        let found = against(&space.release(*at)).map(|out| Concern { plugin: member.id.clone(), what: why_out(out) });
        found.collect::<Vec<_>>()
    });
    let concerns = concerns.collect();
    let held_back = held_back(space, &members);
    Resolution { roots, members: members.into_values().map(|(member, _)| member).collect(), concerns, held_back }
}

fn links<'a>(
    space: &mut Space<'a>,
    owner: Owner,
    world: &World<'a>,
    selected: &SelectedDependencies<Part, u32>,
    open: &mut Vec<(u32, u32)>,
) -> Vec<Link> {
    let mut links = Vec::new();
    for edge in &world.edges {
        let Some(&place) = selected.get(&edge.part) else { continue };
        open.push((edge.name, place));
        links.push(Link { dependency: edge.dependency.dependency(), provider: Provider::Plugin(space.id((edge.name, place))) });
    }
    for (at, want) in world.wants.iter().enumerate() {
        let (Some(dependency), Some(provider)) = (want.dependency, chosen(space, owner, world, at, selected, open)) else { continue };
        if !links.iter().any(|link: &Link| dependency.is(&link.dependency) && link.provider == provider) {
            links.push(Link { dependency: dependency.dependency(), provider });
        }
    }
    links
}

/// Who was chosen to stand behind a want.
fn chosen(
    space: &Space<'_>,
    of: Owner,
    world: &World<'_>,
    at: usize,
    selected: &SelectedDependencies<Part, u32>,
    open: &mut Vec<(u32, u32)>,
) -> Option<Provider> {
    let candidate = *selected.get(&Part::Need { of, at: at as u32 })?;
    let exporter = space.paths[world.wants[at].path as usize].1[candidate as usize / 2];
    Some(exporter.provider.map_or(Provider::Host, |provider| {
        open.push(provider);
        Provider::Plugin(space.id(provider))
    }))
}

fn imports<'a>(
    space: &mut Space<'a>,
    at: (u32, u32),
    world: &World<'a>,
    selected: &SelectedDependencies<Part, u32>,
    there: &HashMap<u32, Vec<u32>>,
    open: &mut Vec<(u32, u32)>,
) -> BTreeMap<InterfaceName, Provider> {
    let mut imports: BTreeMap<InterfaceName, Provider> = world.hosted.iter().map(|name| ((*name).clone(), Provider::Host)).collect();
    for (index, want) in world.wants.iter().enumerate() {
        let Some(import) = want.import else { continue };
        if let Some(provider) = chosen(space, Some(at), world, index, selected, open) {
            imports.insert(import.name.clone(), provider);
        }
    }
    // A peer that may be absent, and is there.
    for import in &world.left {
        for peer in &world.peers {
            let places = there.get(&peer.name).into_iter().flatten();
            let fits =
                |place: &&u32| {
                    pubgrub::VersionSet::contains(&peer.set, *place)
                        && space.release((peer.name, **place)).exports.iter().any(|export| {
                            export.name.path() == import.name.path() && space.options.compatibility.judge(import, export).is_ok()
                        })
                };
            if let Some(&place) = places.filter(fits).max() {
                open.push((peer.name, place));
                imports.entry(import.name.clone()).or_insert_with(|| Provider::Plugin(space.id((peer.name, place))));
            }
        }
    }
    imports
}

/// Versions that were left out and fit all who depend on the plugin.
fn held_back(space: &mut Space<'_>, members: &BTreeMap<PluginId, (Member, (u32, u32))>) -> Vec<HeldBack> {
    if space.options.security == Security::Permissive || space.options.strategy == Strategy::Locked {
        return Vec::new();
    }
    let mut asked: HashMap<&PluginId, Vec<&Dependency>> = HashMap::new();
    for link in members.values().flat_map(|(member, _)| &member.links) {
        if let (Provider::Plugin(id), crate::Target::Plugin(_)) = (&link.provider, &link.dependency.target) {
            asked.entry(id).or_default().push(&link.dependency);
        }
    }
    let roots: Vec<&Dependency> = space.roots.iter().collect();
    let mut held = Vec::new();
    for (id, (_, (name, place))) in members {
        let plugin = &space.plugins[*name as usize];
        let own_roots = roots.iter().filter(|root| matches!(&root.target, crate::Target::Plugin(root) if *root == id.name));
        let ranges: Vec<&Dependency> = asked.get(id).into_iter().flatten().chain(own_roots).copied().collect();
        for (other, listed) in plugin.versions.iter().enumerate() {
            let is_preferred = match space.options.strategy {
                Strategy::Lowest => (other as u32) < *place,
                Strategy::Highest | Strategy::Locked => (other as u32) > *place,
            };
            let Some(out) = plugin.out(other as u32).filter(|out| is_preferred && *out != Out::NotKept) else { continue };
            let fits = |version: &Version| ranges.iter().all(|dependency| dependency.versions.matches(version));
            if super::track(&listed.version) == super::track(&id.version) && fits(&listed.version) {
                held.push(HeldBack { plugin: id.clone(), version: listed.version.clone(), why: why_out(out) });
            }
        }
    }
    held
}
