//! Reads an application's WIT and finds what its world imports and exports.
//!
//! No code is written here. Plugwork's packages come from the contract that the SDK was built with, unless the folder
//! has its own copy below `deps`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_parser::{InterfaceId, PackageId, Resolve, WorldId, WorldItem, WorldKey};

/// The contract beside the SDK's source.
const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../wit");

/// Its packages, each after those that it uses.
const PACKAGES: [&str; 4] = ["table", "plugin", "host", "points"];

/// What the SDK supplies itself, whatever the world says.
const SUPPLIED: [&str; 3] = ["plugwork:host/log", "plugwork:plugin/lifecycle", "plugwork:plugin/handover"];

/// A world, reduced to names.
pub(crate) struct World {
    /// Folders to read WIT from, in order.
    pub(crate) folders: Vec<PathBuf>,
    /// All WIT files, so that a change of one builds the plugin again.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) name: String,
    pub(crate) imports: Vec<Interface>,
    pub(crate) exports: Vec<Interface>,
}

/// One interface of the world.
pub(crate) struct Interface {
    pub(crate) namespace: String,
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

impl Interface {
    /// As WIT writes it: `example:text/text-filter@0.1.0`.
    pub(crate) fn full_name(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        format!("{}:{}/{}{version}", self.namespace, self.package, self.name)
    }
}

pub(crate) fn read(folder: &Path, world: Option<&str>) -> Result<World> {
    let mut resolve = Resolve::default();
    let mut folders = Vec::new();
    let mut files = Vec::new();
    if !folder.join("deps").join("plugin").exists() && !folder.join("deps").join("plugwork-plugin").exists() {
        for package in PACKAGES {
            let path = Path::new(CONTRACT).join(package).canonicalize().context("the SDK's contract is missing")?;
            resolve.push_dir(&path)?;
            folders.push(path);
        }
    }
    let folder = folder.canonicalize().with_context(|| format!("there is no folder `{}`", folder.display()))?;
    let (package, sources) = resolve.push_dir(&folder)?;
    files.extend(sources.paths().map(Path::to_path_buf));
    folders.push(folder);

    let id = choose(&resolve, package, world)?;
    let world = &resolve.worlds[id];
    Ok(World {
        folders,
        files,
        name: world.name.clone(),
        imports: interfaces(&resolve, &world.imports)?,
        exports: interfaces(&resolve, &world.exports)?,
    })
}

fn choose(resolve: &Resolve, package: PackageId, name: Option<&str>) -> Result<WorldId> {
    let worlds = &resolve.packages[package].worlds;
    let names = || worlds.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => worlds.get(name).copied().with_context(|| format!("no world `{name}`; there is {}", names())),
        None if worlds.len() == 1 => Ok(worlds[0]),
        None if worlds.is_empty() => bail!("the package has no world; write one that exports what the plugin is to be"),
        None => bail!("several worlds, {}: name one as the second argument", names()),
    }
}

fn interfaces<'a>(resolve: &Resolve, items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>) -> Result<Vec<Interface>> {
    let mut found = Vec::new();
    for (key, item) in items {
        match (key, item) {
            (WorldKey::Interface(id), WorldItem::Interface { .. }) => found.extend(interface(resolve, *id)?),
            (WorldKey::Name(name), _) => {
                bail!("`{name}` stands in the world itself; put it into an interface, and import or export that")
            }
            (WorldKey::Interface(_), _) => bail!("the world has an item that is no interface"),
        }
    }
    Ok(found)
}

/// None for what the SDK supplies.
fn interface(resolve: &Resolve, id: InterfaceId) -> Result<Option<Interface>> {
    let interface = &resolve.interfaces[id];
    let package = &resolve.packages[interface.package.context("an interface without a package")?].name;
    let name = interface.name.clone().context("an interface without a name")?;
    let plain = format!("{}:{}/{name}", package.namespace, package.name);
    if SUPPLIED.contains(&plain.as_str()) {
        return Ok(None);
    }
    Ok(Some(Interface {
        namespace: package.namespace.clone(),
        package: package.name.clone(),
        name,
        version: package.version.as_ref().map(ToString::to_string),
    }))
}
