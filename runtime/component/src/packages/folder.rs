//! A folder of components as a source of packages: its `*.wasm` files, and those one level below.
//!
//! What a reader may get wrong: a file without a manifest is not a package and is passed over, one that is no component is told as broken, and
//! neither hides the others; links are not followed, because they could lead anywhere.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use plugwork_core::sources::{Listing, Package, PackageSource, Pending, SourceError};
use plugwork_core::{Digest, PackageName};

use super::{LISTED_MAX, component, exactly, named, unreadable};

/// Components of a folder that one is looked for among, by its digest.
const FILES_MAX: usize = 100_000;

/// A package folder.
#[derive(Debug, Clone)]
pub struct PackageFolder {
    folder: PathBuf,
    /// Where a digest was last seen: a place to look first, and no more than that.
    seen: Arc<Mutex<HashMap<Digest, PathBuf>>>,
}

impl PackageFolder {
    /// The folder is read anew at each question.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), seen: Arc::default() }
    }

    fn look(&self) -> Result<Listing, SourceError> {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for path in files(&self.folder, LISTED_MAX)? {
            let place = path.display().to_string();
            match package(&path) {
                Ok(Some(package)) => {
                    self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(package.digest, path);
                    found.push(package);
                }
                Ok(None) => {}
                Err(error) => broken.push((place, error)),
            }
        }
        found.sort();
        broken.sort_by(|one, other| one.0.cmp(&other.0));
        Ok((found, broken))
    }

    fn component(&self, digest: Digest) -> Result<Vec<u8>, SourceError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(bytes) = seen.and_then(|path| exactly(&path, digest).ok()) {
            return Ok(bytes);
        }
        // Not where it was: every file is hashed until it is found. One that cannot be read is somebody else's trouble.
        for path in files(&self.folder, FILES_MAX)? {
            let Ok(bytes) = component(&path) else { continue };
            let found = Digest::of(&bytes);
            // Also where it is another: whoever starts a thousand plugins asks for that one next.
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(found, path);
            if found == digest {
                return Ok(bytes);
            }
        }
        Err(SourceError::Unknown(digest))
    }
}

/// The package in a file; none where it has no name.
fn package(path: &Path) -> Result<Option<Package>, SourceError> {
    named(&component(path)?, &path.display().to_string())
}

impl PackageSource for PackageFolder {
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        let packages =
            self.look().map(|(found, _)| found.into_iter().filter(|package| name.is_none_or(|name| package.name == *name)).collect());
        Box::pin(std::future::ready(packages))
    }

    fn broken(&self) -> Pending<'_, Vec<(String, SourceError)>> {
        Box::pin(std::future::ready(self.look().map(|(_, broken)| broken)))
    }

    fn listing(&self) -> Pending<'_, Listing> {
        Box::pin(std::future::ready(self.look()))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        Box::pin(std::future::ready(self.component(digest)))
    }
}

fn files(folder: &Path, most: usize) -> Result<Vec<PathBuf>, SourceError> {
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
            if files.len() > most {
                return Err(SourceError::TooMuch { what: format!("`{}` has more than {most} components", folder.display()) });
            }
        }
    }
    Ok(files)
}
