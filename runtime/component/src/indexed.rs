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

use crate::StructureLimits;
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
    let packages = source.versions(None).await?;
    let mut indexed = Indexed { broken: source.broken().await?, ..Indexed::default() };
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

async fn look(source: &dyn PackageSource, package: &Package) -> Result<Release, SourceError> {
    let wrong = |why: String| SourceError::Unreadable { place: package.place.clone(), why };
    let bytes = source.fetch(package.digest).await?;
    let (report, types) = read_typed(&bytes, &StructureLimits::default()).map_err(|error| wrong(error.to_string()))?;
    let text = report.manifest.as_deref().ok_or_else(|| wrong("it has no `plugin.toml`".to_owned()))?;
    let Manifest { name, version, dependencies, .. } = Manifest::parse(text).map_err(|error| wrong(error.to_string()))?;
    if (&name, &version) != (&package.name, &package.version) {
        return Err(wrong(format!("it says that it is `{name}` {version}")));
    }
    let (imports, exports) = sides(&report, &types);
    Ok(Release { dependencies, imports, exports, ..Release::new(version, report.digest) })
}

fn sides(report: &Report, types: &Types) -> (Vec<Interface>, Vec<Interface>) {
    let (mut shapes, all) = (Shapes::of(types), types.as_ref());
    // All names first: a function may speak of a resource that comes later.
    let uses: Vec<Vec<String>> = {
        let items = report.imports.iter().map(|it| (it, all.component_item_for_import(&it.name)));
        let items = items.chain(report.exports.iter().map(|it| (it, all.component_item_for_export(&it.name))));
        items.map(|(it, item)| instance(item).zip(it.wit.as_ref()).map_or_else(Vec::new, |(id, name)| shapes.enter(name, id))).collect()
    };
    let (of_imports, of_exports) = uses.split_at(report.imports.len());
    let side =
        |shapes: &mut Shapes<'_>, interfaces: &[crate::Interface], uses: &[Vec<String>], item: &dyn Fn(&str) -> Option<ComponentItem>| {
            let mut seen: BTreeSet<&InterfaceName> = BTreeSet::new();
            let linked = interfaces.iter().zip(uses).filter(|(it, _)| !it.types_only);
            let named = linked.filter_map(|(it, uses)| Some((it, uses, it.wit.as_ref()?, item(&it.name)?)));
            let mut found = Vec::new();
            for (it, uses, name, item) in named {
                let ComponentEntityType::Instance(id) = item.ty else { continue };
                if seen.insert(name) {
                    let functions = Some(functions(shapes, types, id));
                    found.push(Interface { name: name.clone(), functions, resources: !it.resources.is_empty(), uses: uses.clone() });
                }
            }
            found
        };
    let imports = side(&mut shapes, &report.imports, of_imports, &|name| all.component_item_for_import(name).cloned());
    shapes.exports();
    let exports = side(&mut shapes, &report.exports, of_exports, &|name| all.component_item_for_export(name).cloned());
    (imports, exports)
}

fn instance(item: Option<&ComponentItem>) -> Option<ComponentInstanceTypeId> {
    match item?.ty {
        ComponentEntityType::Instance(id) => Some(id),
        _ => None,
    }
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
