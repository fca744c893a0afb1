//! Finds and parses WIT packages: those of the contract and those that an application brings.
//!
//! A folder's own `.wit` files are one package; each folder below it is another; in a folder called `deps` each single file is one
//! too. Where both sides bring the same package in the same version, the contract's text counts: an application often keeps a copy
//! so that its editor is happy, and a stale copy must not give a plugin other types than its host has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use plugwork_core::InterfaceName;
use wit_parser::{PackageId, Resolve, SourceMap, UnresolvedPackageGroup};

use crate::BuildError;

/// Folders below folders; WIT trees in the wild need three.
const DEPTH_MAX: usize = 8;
/// WIT files in one tree; all of WASI has about 60.
const FILES_MAX: usize = 2_000;
/// Frozen text of earlier versions, which the contract keeps beside the current one.
const RELEASED: &str = "released";

/// Every package that a world may name, resolved against one another.
pub(crate) struct Packages {
    /// Holds all packages and, besides, an empty one that carried them in.
    pub(crate) resolve: Resolve,
    files: BTreeMap<String, Vec<PathBuf>>,
}

impl Packages {
    /// Reads the contract and, if there is one, the application's own folder.
    pub(crate) fn read(contract: &Path, own: Option<&Path>) -> Result<Self, BuildError> {
        let mut units = Vec::new();
        let mut files_left = FILES_MAX;
        find(contract, 0, &mut files_left, &mut units)?;
        if units.is_empty() {
            return Err(BuildError::world(format!("the contract's folder `{}` has no WIT", contract.display())));
        }
        if let Some(own) = own {
            let before = units.len();
            find(own, 0, &mut files_left, &mut units)?;
            if units.len() == before {
                return Err(BuildError::world(format!("`{}` has no `.wit` files", own.display()))
                    .hint("`build.wit` names the folder with the application's own WIT packages"));
            }
        }
        let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        let mut groups = Vec::new();
        for unit in units {
            let group = parse(&unit)?;
            // The contract was read first, so what it has stays.
            if let Entry::Vacant(vacant) = files.entry(group.main.name.to_string()) {
                vacant.insert(unit);
                groups.push(group);
            }
        }
        let carrier = UnresolvedPackageGroup::parse("carrier.wit", "package plugwork:carrier;").expect("constant and correct");
        let mut resolve = Resolve::new();
        resolve.push_groups(carrier, groups).map_err(|error| BuildError::world(error.render(&resolve.source_map)))?;
        Ok(Self { resolve, files })
    }

    /// The one interface that is meant: same path, same version, or the only version where none was given.
    pub(crate) fn find(&self, asked: &InterfaceName) -> Result<InterfaceName, String> {
        let mut packages_alike = Vec::new();
        let mut versions = Vec::new();
        for (_, package) in &self.resolve.packages {
            if format!("{}:{}", package.name.namespace, package.name.name) != asked.package() {
                continue;
            }
            packages_alike.push(package);
            if package.interfaces.contains_key(asked.interface()) {
                let version = package.name.version.as_ref().map_or(String::new(), |version| format!("@{version}"));
                versions.push(format!("{}{version}", asked.path()));
            }
        }
        let asked_text = asked.to_string();
        match versions.as_slice() {
            [only] if asked.version().is_none() => parsed(only),
            _ if versions.contains(&asked_text) => parsed(&asked_text),
            [] if packages_alike.is_empty() => {
                Err(format!("`{asked}`: there is no package `{}`; known are {}", asked.package(), self.known_packages()))
            }
            [] => {
                let there = packages_alike.iter().flat_map(|package| package.interfaces.keys());
                Err(format!("`{asked}`: package `{}` has {}", asked.package(), listed(there)))
            }
            _ => Err(format!("`{asked}`: it is there as {}", listed(versions.iter()))),
        }
    }

    /// Writes the package and everything that it needs, the shape that every WIT tool reads: its own text, the others below `deps/`.
    pub(crate) fn write(&self, root: PackageId, text: &str, folder: &Path) -> Result<(), BuildError> {
        let write = |path: &Path, text: &[u8]| fs::write(path, text).map_err(|error| BuildError::io("write", path, &error));
        let make = |path: &Path| fs::create_dir_all(path).map_err(|error| BuildError::io("create", path, &error));
        make(folder)?;
        write(&folder.join("plugin.wit"), text.as_bytes())?;
        let mut waiting = vec![root];
        let mut seen = vec![root];
        while let Some(package) = waiting.pop() {
            for needed in self.resolve.package_direct_deps(package) {
                if !seen.contains(&needed) {
                    seen.push(needed);
                    waiting.push(needed);
                }
            }
            let name = self.resolve.packages[package].name.to_string();
            let Some(sources) = self.files.get(&name) else { continue };
            let home = folder.join("deps").join(name.replace([':', '@'], "-"));
            make(&home)?;
            for source in sources {
                let text = fs::read(source).map_err(|error| BuildError::io("read", source, &error))?;
                write(&home.join(source.file_name().expect("a file that was listed has a name")), &text)?;
            }
        }
        Ok(())
    }

    fn known_packages(&self) -> String {
        listed(self.files.keys())
    }
}

fn parsed(text: &str) -> Result<InterfaceName, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "no interface".to_owned() } else { names.join(", ") }
}

/// One entry per package: its files, in the order of their names.
fn find(folder: &Path, depth: usize, files_left: &mut usize, units: &mut Vec<Vec<PathBuf>>) -> Result<(), BuildError> {
    let failed = |error: std::io::Error| BuildError::io("read", folder, &error);
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()).map_err(failed)?;
    entries.sort();
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let files: Vec<_> = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wit")).collect();
    *files_left = files_left
        .checked_sub(files.len())
        .ok_or_else(|| BuildError::world(format!("more than {FILES_MAX} `.wit` files below `{}`", folder.display())))?;
    if folder.file_name().is_some_and(|name| name == "deps") {
        units.extend(files.into_iter().map(|file| vec![file]));
    } else if !files.is_empty() {
        units.push(files);
    }
    for below in folders {
        let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == RELEASED || name.starts_with('.') {
            continue;
        }
        if depth == DEPTH_MAX {
            return Err(BuildError::world(format!("`{}` is more than {DEPTH_MAX} folders deep", below.display())));
        }
        find(&below, depth + 1, files_left, units)?;
    }
    Ok(())
}

fn parse(files: &[PathBuf]) -> Result<UnresolvedPackageGroup, BuildError> {
    let mut sources = SourceMap::default();
    for file in files {
        sources.push_file(file).map_err(|error| BuildError::world(format!("{error:#}")))?;
    }
    sources.parse().map_err(|(sources, error)| BuildError::world(error.render(&sources)))
}
