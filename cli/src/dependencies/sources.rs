//! The packages of everything that is looked in, as one index: what was named, folders, image layouts.
//!
//! Easy to get wrong: a file that was named comes before any other that says it is the same version of the same plugin. Of two that nobody named neither is taken; that is told, and
//! wrong only for those who need it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use plugwork_component::{Indexed, PackageFolder, PackageLayout, PackageMemory, index};
use plugwork_core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork_core::{Digest, PackageName};

use crate::exit::Failure;

/// What there is.
pub(super) struct Looked {
    pub(super) indexed: Indexed,
    /// Where that was looked for.
    pub(super) places: Vec<String>,
    /// Files that were passed over, and why.
    pub(super) warnings: Vec<String>,
}

/// Several sources as one. What they have was listed once, so that nothing changes between two questions.
struct Shelves {
    named: PackageMemory,
    others: Vec<Box<dyn PackageSource>>,
    packages: Vec<Package>,
    broken: Vec<(String, SourceError)>,
}

/// Looks into `from`, or else into the folders in which what was named lies, or else into the current one.
pub(super) async fn look(named: PackageMemory, from: &[PathBuf], beside: &[PathBuf]) -> Result<Looked, Failure> {
    let here = [PathBuf::new()];
    let folders = match (from, beside) {
        ([], []) => &here[..],
        ([], beside) => beside,
        (from, _) => from,
    };
    let packages = named.versions(None).await.map_err(Failure::failed)?;
    let mut shelves = Shelves { named, others: Vec::new(), packages, broken: Vec::new() };
    let (mut places, mut warnings, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let doing = format!("cannot look for packages in `{}`", folder.display());
        let at = fs::canonicalize(folder).map_err(|error| Failure::from(error).while_doing(&doing))?;
        if !at.is_dir() {
            return Err(Failure::usage(format_args!("{doing}: it is a file\nhint: name it as a root, or give the folder that it lies in")));
        }
        if !seen.insert(at) {
            continue;
        }
        places.push(folder.display().to_string());
        let source: Box<dyn PackageSource> = match PackageLayout::is_at(folder) {
            true => Box::new(PackageLayout::new(folder)),
            false => Box::new(PackageFolder::new(folder)),
        };
        match shelves.add(source, &mut warnings).await {
            Ok(()) => {}
            // A folder that nobody named may be anything, `/tmp` as well.
            Err(error) if from.is_empty() => warnings.push(format!("{doing}: {error}")),
            Err(error) => return Err(Failure::failed(format_args!("{doing}: {error}"))),
        }
    }
    let indexed = index(&shelves).await.map_err(Failure::failed)?;
    // A file that was named is needed.
    for package in shelves.named.versions(None).await.map_err(Failure::failed)? {
        if let Some((_, error)) = indexed.broken.iter().find(|(place, _)| *place == package.place) {
            return Err(Failure::failed(error));
        }
    }
    warnings.extend(indexed.broken.iter().map(|(place, error)| told(place, error)));
    warnings.sort();
    warnings.dedup();
    Ok(Looked { indexed, places, warnings })
}

impl Shelves {
    async fn add(&mut self, source: Box<dyn PackageSource>, warnings: &mut Vec<String>) -> Result<(), SourceError> {
        let named = self.named.versions(None).await?;
        let (packages, broken) = source.listing().await?;
        for mut package in packages {
            package.place = plain(&package.place).to_owned();
            match named.iter().find(|named| (&named.name, &named.version) == (&package.name, &package.version)) {
                None => self.packages.push(package),
                Some(named) if named.digest == package.digest => {}
                Some(named) => warnings.push(format!(
                    "`{}` is passed over: `{}` was named, is `{}` {} as well, and differs",
                    package.place, named.place, named.name, named.version
                )),
            }
        }
        self.packages.sort();
        self.broken.extend(broken);
        self.others.push(source);
        Ok(())
    }
}

impl PackageSource for Shelves {
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        let wanted = self.packages.iter().filter(|package| name.is_none_or(|name| package.name == *name));
        Box::pin(std::future::ready(Ok(wanted.cloned().collect())))
    }

    fn broken(&self) -> Pending<'_, Vec<(String, SourceError)>> {
        Box::pin(std::future::ready(Ok(self.broken.clone())))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        Box::pin(async move {
            let mut missing = match self.named.fetch(digest).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            for source in &self.others {
                match source.fetch(digest).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(error) => missing = error,
                }
            }
            Err(missing)
        })
    }
}

/// In a line, but for two that are the same and differ: of those somebody has to choose.
fn told(place: &str, error: &SourceError) -> String {
    let text = error.to_string();
    let line = if matches!(error, SourceError::Twins(_)) { text.as_str() } else { text.lines().next().unwrap_or_default() };
    let line = line.replace("`./", "`");
    if line.contains(plain(place)) { line } else { format!("`{}`: {line}", plain(place)) }
}

/// What lies in the current folder is called as people do.
fn plain(place: &str) -> &str {
    place.strip_prefix("./").unwrap_or(place)
}

/// A path that goes up, as one that does not: `shop/../packages` is `packages`. As it is where that cannot be told.
pub(super) fn short(path: &Path) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path.to_owned();
    }
    let Ok(whole) = fs::canonicalize(path) else { return path.to_owned() };
    let here = std::env::current_dir().and_then(fs::canonicalize).ok();
    here.and_then(|here| whole.strip_prefix(here).map(Path::to_owned).ok()).unwrap_or(whole)
}
