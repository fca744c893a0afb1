//! Packages in memory: for programs that bring their own, and for tests.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;

use plugwork_core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork_core::{Digest, PackageName};

use super::named;

/// Packages that are held in memory. Clones share their bytes.
#[derive(Debug, Clone, Default)]
pub struct PackageMemory(BTreeMap<Digest, (Package, Arc<[u8]>)>);

impl PackageMemory {
    /// Adds a component; `place` is what people are told of where it comes from. One that is there already stays as it is.
    ///
    /// # Errors
    /// It is no component, or has no `plugin.toml` to say what it is called.
    pub fn insert(&mut self, bytes: impl Into<Arc<[u8]>>, place: &str) -> Result<Package, SourceError> {
        let bytes = bytes.into();
        let nameless = || SourceError::Unreadable { place: place.to_owned(), why: "it has no `plugin.toml`".to_owned() };
        let package = named(&bytes, place)?.ok_or_else(nameless)?;
        let (package, _) = self.0.entry(package.digest).or_insert((package, bytes));
        Ok(package.clone())
    }
}

impl PackageSource for PackageMemory {
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        let wanted = self.0.values().map(|(package, _)| package).filter(|package| name.is_none_or(|name| package.name == *name));
        let mut found: Vec<Package> = wanted.cloned().collect();
        found.sort();
        Box::pin(ready(Ok(found)))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        // Hashed when it was added; nobody can change it since.
        Box::pin(ready(self.0.get(&digest).map(|(_, bytes)| bytes.to_vec()).ok_or(SourceError::Unknown(digest))))
    }
}
