//! Places that packages come from: a folder of components, an OCI image layout, memory.
//!
//! What a package is called is read from its component, wherever it lies; and bytes are given out only under the digest that they have.

mod folder;
mod layout;
mod memory;

use std::io::{self, Read};
use std::path::Path;
use std::{fmt, fs};

use plugwork_core::sources::{Package, SourceError};
use plugwork_core::{Digest, Manifest};

use crate::{Report, StructureLimits};

pub use folder::PackageFolder;
pub use layout::PackageLayout;
pub use memory::PackageMemory;

/// Components of one place that are read to see what they are called.
const LISTED_MAX: usize = 1_000;

/// What a component is called; none where it has no manifest, and so no name.
fn named(bytes: &[u8], place: &str) -> Result<Option<Package>, SourceError> {
    let report = crate::read(bytes).map_err(|error| wrong(place, &error))?;
    let manifest = manifest(&report, place)?;
    Ok(manifest.map(|Manifest { name, version, .. }| Package { name, version, digest: report.digest, place: place.to_owned() }))
}

/// The manifest in a component, if there is one.
pub(crate) fn manifest(report: &Report, place: &str) -> Result<Option<Manifest>, SourceError> {
    report.manifest.as_deref().map(|text| Manifest::parse(text).map_err(|error| wrong(place, &error))).transpose()
}

/// What lies there is not what it should be.
pub(crate) fn wrong(place: &str, why: &dyn fmt::Display) -> SourceError {
    SourceError::Unreadable { place: place.to_owned(), why: why.to_string() }
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

/// The component in a file, which has to have this digest and must not be a link.
fn exactly(path: &Path, digest: Digest) -> Result<Vec<u8>, SourceError> {
    let place = path.display().to_string();
    match fs::symlink_metadata(path) {
        Err(_) => return Err(SourceError::Unknown(digest)),
        Ok(metadata) if !metadata.is_file() => return Err(wrong(&place, &"it is a link, or no file")),
        Ok(_) => {}
    }
    let bytes = component(path).map_err(|error| wrong(&place, &error))?;
    if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(SourceError::Changed { place }) }
}
