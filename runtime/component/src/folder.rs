//! A folder of components as a source of packages: its `*.wasm` files, and those one level below.
//!
//! What a reader may get wrong: a file without a manifest, or that is no component, is not a package and is passed over; and links are not
//! followed, because they could lead anywhere.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use plugwork_core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork_core::{Digest, Manifest, PackageName};

use crate::StructureLimits;

/// Components of a folder that are looked at.
const FILES_MAX: usize = 1_000;

/// A package folder.
#[derive(Debug, Clone)]
pub struct PackageFolder(PathBuf);

impl PackageFolder {
    /// The folder is read anew at each question.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    fn packages(&self) -> Result<Vec<(Package, PathBuf)>, SourceError> {
        let mut found = Vec::new();
        for path in files(&self.0)? {
            let bytes = bounded(&path)?;
            let manifest = crate::read(&bytes).ok().and_then(|report| Manifest::parse(report.manifest.as_deref()?).ok());
            if let Some(Manifest { name, version, .. }) = manifest {
                let place = path.display().to_string();
                found.push((Package { name, version, digest: Digest::of(&bytes), place }, path));
            }
        }
        found.sort();
        Ok(found)
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, SourceError> {
        let found = self.packages()?.into_iter().find(|(package, _)| package.digest == digest);
        let (package, path) = found.ok_or(SourceError::Unknown(digest))?;
        let bytes = bounded(&path)?;
        if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(SourceError::Changed { place: package.place }) }
    }
}

impl PackageSource for PackageFolder {
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        let packages = self.packages().map(|found| {
            found.into_iter().map(|(package, _)| package).filter(|package| name.is_none_or(|name| package.name == *name)).collect()
        });
        Box::pin(std::future::ready(packages))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        Box::pin(std::future::ready(self.component(digest)))
    }
}

fn unreadable(place: &Path) -> impl Fn(io::Error) -> SourceError {
    let place = place.display().to_string();
    move |error| SourceError::Unreadable { place: place.clone(), why: error.to_string() }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let entry = entry.map_err(unreadable(&folder))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable(&folder))?);
            if kind.is_dir() && depth == 0 {
                folders.push((path, 1));
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "wasm") {
                files.push(path);
            }
            if files.len() > FILES_MAX {
                return Err(SourceError::TooMuch { what: format!("`{}` has more than {FILES_MAX} components", folder.display()) });
            }
        }
    }
    Ok(files)
}

/// A file of at most the size that a component may have.
fn bounded(path: &Path) -> Result<Vec<u8>, SourceError> {
    let limit = StructureLimits::default().file_bytes;
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable(path))?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TooMuch { what: format!("`{}` has more than {limit} bytes", path.display()) });
    }
    Ok(bytes)
}
