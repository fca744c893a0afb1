//! Places that packages come from: a folder of components, an OCI image layout, memory.
//!
//! What a package is called is read from its component, wherever it lies; and bytes are given out only under the digest that they have.

mod folder;
mod layout;
mod memory;

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use plugwork_core::sources::{Package, SourceError};
use plugwork_core::{Digest, Manifest};

use crate::StructureLimits;

pub use folder::PackageFolder;
pub use layout::PackageLayout;
pub use memory::PackageMemory;

/// Components of one place that are read to see what they are called.
const LISTED_MAX: usize = 1_000;

/// What a component is called; none where it has no manifest, and so no name.
fn named(bytes: &[u8], place: &str) -> Result<Option<Package>, SourceError> {
    let wrong = |why: String| SourceError::Unreadable { place: place.to_owned(), why };
    let report = crate::read(bytes).map_err(|error| wrong(error.to_string()))?;
    let Some(manifest) = report.manifest else { return Ok(None) };
    let Manifest { name, version, .. } = Manifest::parse(&manifest).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(Package { name, version, digest: report.digest, place: place.to_owned() }))
}

fn unreadable(place: &Path) -> impl Fn(io::Error) -> SourceError {
    let place = place.display().to_string();
    move |error| SourceError::Unreadable { place: place.clone(), why: error.to_string() }
}

/// A file of at most the size that a component may have.
fn component(path: &Path) -> Result<Vec<u8>, SourceError> {
    bounded(path, StructureLimits::default().file_bytes)
}

/// A file of at most so many bytes.
fn bounded(path: &Path, limit: u64) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable(path))?;
    if bytes.len() as u64 > limit {
        return Err(SourceError::TooMuch { what: format!("`{}` has more than {limit} bytes", path.display()) });
    }
    Ok(bytes)
}

/// The bytes of a file where they have this digest; not those of a link.
fn exactly(path: &Path, digest: Digest) -> Option<Vec<u8>> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let bytes = is_file.then(|| component(path).ok()).flatten()?;
    (Digest::of(&bytes) == digest).then_some(bytes)
}
