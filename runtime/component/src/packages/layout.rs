//! An OCI image layout as a source of packages: a folder with `index.json` and `blobs/sha256`, as `oras`, `skopeo` and `wkg` write it.
//!
//! A component is an image whose one layer is `application/wasm`; other images may lie beside it and are passed over. Easily got wrong: everything in a layout is
//! somebody's word until it is hashed, so no blob is looked into before its bytes have the digest by which they were asked for, and links are not followed.

use std::collections::BTreeSet;
use std::fs;
use std::future::ready;
use std::path::PathBuf;

use plugwork_core::sources::{Listing, Package, PackageSource, Pending, SourceError};
use plugwork_core::{Digest, PackageName};
use serde::Deserialize;

use super::{LISTED_MAX, bounded, exactly, named, wrong};

/// Bytes of an index or manifest.
const JSON_BYTES_MAX: u64 = 4 << 20;
/// Indexes within indexes.
const DEPTH_MAX: u32 = 4;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const WASM: &str = "application/wasm";

/// An OCI image layout.
#[derive(Debug, Clone)]
pub struct PackageLayout(PathBuf);

/// What one JSON file says of another blob.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Image {
    layers: Vec<Descriptor>,
}

/// The packages of a layout, and what is wrong with its other components.
#[derive(Default)]
struct Looked {
    found: Vec<Package>,
    broken: Vec<(String, SourceError)>,
    /// What was looked at, and as what: two manifests may name one layer, and whoever names a layer as a manifest hides it from nobody.
    seen: BTreeSet<(&'static str, Digest)>,
}

impl PackageLayout {
    /// The layout is read anew at each question.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Whether a folder is one.
    pub fn is_at(folder: impl Into<PathBuf>) -> bool {
        folder.into().join("oci-layout").is_file()
    }

    fn look(&self) -> Result<Looked, SourceError> {
        let layout: Layout = self.json(&self.0.join("oci-layout"), None)?;
        if layout.image_layout_version != "1.0.0" {
            let why = format!("an image layout of version `{}`; expected `1.0.0`", shown(&layout.image_layout_version));
            return Err(SourceError::Unreadable { place: self.0.display().to_string(), why });
        }
        let index: Index = self.json(&self.0.join("index.json"), None)?;
        let mut looked = Looked::default();
        self.enter(index, 0, &mut looked)?;
        looked.found.sort();
        looked.broken.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(looked)
    }

    fn enter(&self, index: Index, depth: u32, looked: &mut Looked) -> Result<(), SourceError> {
        for descriptor in index.manifests {
            let is_index = descriptor.media_type == INDEX;
            if !is_index && descriptor.media_type != MANIFEST {
                continue;
            }
            let place = format!("{}@{}", self.0.display(), shown(&descriptor.digest));
            let result = match is_index {
                true if depth >= DEPTH_MAX => Err(SourceError::TooMuch { what: format!("`{place}` is an index within too many others") }),
                true => match self.blob(INDEX, &descriptor, looked).transpose() {
                    Some(inner) => inner.and_then(|inner| self.enter(inner, depth + 1, looked)),
                    None => Ok(()),
                },
                false => self.image(&descriptor, &place, looked),
            };
            match result {
                Ok(()) => {}
                // More than it may have is wrong with all of it.
                Err(error @ SourceError::TooMuch { .. }) => return Err(error),
                Err(error) => looked.broken.push((place, error)),
            }
        }
        Ok(())
    }

    /// Looks at one image: none of ours where it has no layer that is WebAssembly.
    fn image(&self, descriptor: &Descriptor, place: &str, looked: &mut Looked) -> Result<(), SourceError> {
        let Some(image) = self.blob::<Image>(MANIFEST, descriptor, looked)? else { return Ok(()) };
        if image.layers.iter().all(|layer| layer.media_type != WASM) {
            return Ok(());
        }
        let [layer] = &image.layers[..] else { return Err(wrong(place, &"an image of a component has one layer, and this one has more")) };
        let digest: Digest = layer.digest.parse().map_err(|_| wrong(place, &"its layer has no digest of SHA-256"))?;
        if !looked.seen.insert((WASM, digest)) {
            return Ok(());
        }
        if looked.found.len() + looked.broken.len() >= LISTED_MAX {
            return Err(SourceError::TooMuch { what: format!("`{}` has more than {LISTED_MAX} components", self.0.display()) });
        }
        looked.found.extend(named(&exactly(&self.path(digest), digest)?, place)?);
        Ok(())
    }

    /// What a blob of JSON says; none where it was looked at before.
    fn blob<T: for<'de> Deserialize<'de>>(
        &self,
        kind: &'static str,
        descriptor: &Descriptor,
        looked: &mut Looked,
    ) -> Result<Option<T>, SourceError> {
        let digest: Digest = descriptor.digest.parse().map_err(|error| wrong(&self.0.display().to_string(), &error))?;
        if !looked.seen.insert((kind, digest)) {
            return Ok(None);
        }
        self.json(&self.path(digest), Some(digest)).map(Some)
    }

    /// A file of JSON, with this digest where there is one to have.
    fn json<T: for<'de> Deserialize<'de>>(&self, path: &std::path::Path, digest: Option<Digest>) -> Result<T, SourceError> {
        let place = path.display().to_string();
        if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            return Err(wrong(&place, &"it is not there, or no file"));
        }
        // One that is too large is wrong alone.
        let bytes = bounded(path, JSON_BYTES_MAX).map_err(|error| wrong(&place, &error))?;
        if digest.is_some_and(|digest| Digest::of(&bytes) != digest) {
            return Err(SourceError::Changed { place });
        }
        serde_json::from_slice(&bytes).map_err(|error| wrong(&place, &error))
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }
}

impl PackageSource for PackageLayout {
    fn versions<'a>(&'a self, name: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        let is_wanted = move |package: &Package| name.is_none_or(|name| package.name == *name);
        let found = self.look().map(|looked| looked.found.into_iter().filter(is_wanted).collect());
        Box::pin(ready(found))
    }

    fn broken(&self) -> Pending<'_, Vec<(String, SourceError)>> {
        Box::pin(ready(self.look().map(|looked| looked.broken)))
    }

    fn listing(&self) -> Pending<'_, Listing> {
        Box::pin(ready(self.look().map(|looked| (looked.found, looked.broken))))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        Box::pin(ready(exactly(&self.path(digest), digest)))
    }
}

/// Somebody's text in a message of ours.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
