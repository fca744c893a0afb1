//! What the resolver knows of a package, read from its component; and an index of all packages of a source.
//!
//! Easily got wrong: of what a component says, its name, version and dependencies are claims of its manifest; what it imports and exports, down to the types of
//! functions, are facts.

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::resolve::{Interface, MemoryIndex, Release};
use plugwork_core::sources::{Package, PackageSource, SourceError};
use plugwork_core::{Digest, InterfaceName, Manifest};
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId, ComponentItem};
use wasmparser::types::Types;

use crate::error::ReadError;
use crate::limits::StructureLimits;
use crate::packages::{manifest, wrong};
use crate::report::{Report, read_typed};
use crate::shape::Shapes;

/// All packages of a source.
#[derive(Debug, Default)]
pub struct Indexed {
    /// Every version that can be looked at.
    pub index: MemoryIndex,
    /// Where each of them lies, for people.
    pub places: BTreeMap<Digest, String>,
    /// What is none, with its place and what is wrong with it.
    pub broken: Vec<(String, SourceError)>,
}

/// Looks at every package of a source. Two files that are the same version and differ are both left out, and told.
///
/// # Errors
/// The source has no answer. What is wrong with one package is told in [`Indexed::broken`].
pub async fn index(source: &dyn PackageSource) -> Result<Indexed, SourceError> {
    let (packages, broken) = source.listing().await?;
    let mut indexed = Indexed { broken, ..Indexed::default() };
    for same in packages.chunk_by(|one, next| (&one.name, &one.version) == (&next.name, &next.version)) {
        if let Some(other) = same.iter().find(|other| other.digest != same[0].digest) {
            let twins = SourceError::Twins(Box::new((same[0].clone(), other.clone())));
            indexed.broken.push((other.place.clone(), twins));
            continue;
        }
        match look(source, &same[0]).await {
            Ok(release) => {
                indexed.places.insert(same[0].digest, same[0].place.clone());
                // Each version is there once.
                drop(indexed.index.insert(&same[0].name, release));
            }
            Err(error) => indexed.broken.push((same[0].place.clone(), error)),
        }
    }
    indexed.broken.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(indexed)
}

/// What a component is linked with, and what others can be linked with.
#[derive(Debug, Clone, Default)]
pub struct Linkage {
    /// Interfaces that it imports and that need somebody behind them, as it uses them.
    pub imports: Vec<Interface>,
    /// Interfaces with functions or resources that it exports.
    pub exports: Vec<Interface>,
}

/// Reads what a component imports and exports, down to the types of functions.
///
/// # Errors
/// It is no component, or too large to be looked at.
pub fn linkage(bytes: &[u8]) -> Result<Linkage, ReadError> {
    let (report, types) = read_typed(bytes, &StructureLimits::default())?;
    Ok(sides(&report, &types))
}

async fn look(source: &dyn PackageSource, package: &Package) -> Result<Release, SourceError> {
    let place = &package.place;
    let bytes = source.fetch(package.digest).await?;
    let (report, types) = read_typed(&bytes, &StructureLimits::default()).map_err(|error| wrong(place, &error))?;
    let manifest = manifest(&report, place)?.ok_or_else(|| wrong(place, &"it has no `plugin.toml`"))?;
    let Manifest { name, version, dependencies, .. } = manifest;
    if (&name, &version) != (&package.name, &package.version) {
        return Err(wrong(place, &format_args!("it says that it is `{name}` {version}")));
    }
    let Linkage { imports, exports } = sides(&report, &types);
    Ok(Release { dependencies, imports, exports, ..Release::new(version, report.digest) })
}

/// A WIT interface among imports or exports.
struct Named<'a> {
    interface: &'a crate::Interface,
    name: &'a InterfaceName,
    id: ComponentInstanceTypeId,
    /// The interfaces whose resources it takes.
    uses: Vec<String>,
}

fn sides(report: &Report, types: &Types) -> Linkage {
    let (mut shapes, all) = (Shapes::of(types), types.as_ref());
    // All names first: a function may speak of a resource that comes later.
    let imports = named(&mut shapes, &report.imports, |name| all.component_item_for_import(name));
    let exports = named(&mut shapes, &report.exports, |name| all.component_item_for_export(name));
    let imports = linked(&mut shapes, types, imports);
    shapes.exports();
    Linkage { imports, exports: linked(&mut shapes, types, exports) }
}

fn named<'a, 't>(
    shapes: &mut Shapes<'_>,
    interfaces: &'a [crate::Interface],
    item: impl Fn(&str) -> Option<&'t ComponentItem>,
) -> Vec<Named<'a>> {
    let instances = interfaces.iter().filter_map(|interface| match item(&interface.name)?.ty {
        ComponentEntityType::Instance(id) => Some((interface, interface.wit.as_ref()?, id)),
        _ => None,
    });
    instances.map(|(interface, name, id)| Named { interface, name, id, uses: shapes.enter(name, id) }).collect()
}

/// Those that have to be linked, each once.
fn linked(shapes: &mut Shapes<'_>, types: &Types, interfaces: Vec<Named<'_>>) -> Vec<Interface> {
    let mut seen = BTreeSet::new();
    let linked = interfaces.into_iter().filter(|named| !named.interface.types_only && seen.insert(named.name));
    let made = linked.map(|Named { interface, name, id, uses }| Interface {
        name: name.clone(),
        functions: Some(functions(shapes, types, id)),
        resources: !interface.resources.is_empty(),
        uses,
    });
    made.collect()
}

/// Functions with their types, and resources with whose they are; what else is in an interface is linked with nothing.
fn functions(shapes: &mut Shapes<'_>, types: &Types, id: ComponentInstanceTypeId) -> BTreeMap<String, Option<Digest>> {
    let named = types[id].exports.iter().filter_map(|(name, item)| match item.ty {
        ComponentEntityType::Func(id) => Some((name.clone(), shapes.function(id))),
        ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(id), .. } => {
            Some((format!("resource {name}"), shapes.resource(id)))
        }
        ComponentEntityType::Type { .. } => None,
        // An instance or a module within: only that it is there can be told.
        _ => Some((name.clone(), None)),
    });
    named.collect()
}
