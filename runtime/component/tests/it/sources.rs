//! Packages in memory and in an OCI image layout: what was looked at is what is fetched, and nobody's word is taken for a digest.

use std::fs;
use std::path::Path;

use plugwork_component::{PackageLayout, PackageMemory};
use plugwork_core::Digest;
use plugwork_core::sources::{PackageSource, SourceError};
use serde_json::{Value, json};

use crate::components::{RICH, component};
use crate::folder::{now, package};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn blob(folder: &Path, bytes: &[u8]) -> String {
    let digest = Digest::of(bytes);
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    digest.to_string()
}

fn image(folder: &Path, layers: &[(&str, &[u8])]) -> Value {
    let layers: Vec<_> =
        layers.iter().map(|(kind, bytes)| json!({ "mediaType": kind, "digest": blob(folder, bytes), "size": bytes.len() })).collect();
    let config = json!({ "mediaType": "application/vnd.wasm.config.v0+json", "digest": blob(folder, b"{}"), "size": 2 });
    let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers }).to_string();
    json!({ "mediaType": IMAGE, "digest": blob(folder, manifest.as_bytes()), "size": manifest.len() })
}

fn index(folder: &Path, manifests: Vec<Value>) -> Value {
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string();
    json!({ "mediaType": INDEX, "digest": blob(folder, index.as_bytes()), "size": index.len() })
}

fn layout(folder: &Path, manifests: Vec<Value>) -> PackageLayout {
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(folder.join("index.json"), json!({ "schemaVersion": 2, "manifests": manifests }).to_string()).unwrap();
    PackageLayout::new(folder)
}

fn names(source: &dyn PackageSource) -> Vec<String> {
    now(source.versions(None)).unwrap().iter().map(|package| format!("{} {}", package.name, package.version)).collect()
}

#[test]
fn a_component_is_an_image_with_one_layer_and_others_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (one, two) = (package("acme:a", "1.0.0"), package("acme:b", "2.0.0"));
    let inner = index(at, vec![image(at, &[("application/wasm", &two)])]);
    let signature = image(at, &[("application/vnd.dev.cosign.simplesigning.v1+json", b"signature")]);
    let again = image(at, &[("application/wasm", &one)]);
    let source = layout(at, vec![image(at, &[("application/wasm", &one)]), inner, signature, again, json!({ "digest": "x" })]);
    assert!(PackageLayout::is_at(at));
    assert_eq!(names(&source), ["acme:a 1.0.0", "acme:b 2.0.0"]);
    assert!(now(source.broken()).unwrap().is_empty());
    assert_eq!(now(source.fetch(Digest::of(&two))).unwrap(), two);
    assert_eq!(now(source.versions(Some(&"acme:b".parse().unwrap()))).unwrap().len(), 1);
    assert_eq!(now(source.fetch(Digest::of(b"nobody"))).unwrap_err(), SourceError::Unknown(Digest::of(b"nobody")));
}

#[test]
fn what_is_broken_is_told_and_hides_nobody_and_changed_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (good, bad) = (package("acme:a", "1.0.0"), package("acme:b", "1.0.0"));
    let several = image(at, &[("application/wasm", &good), ("application/wasm", b"more")]);
    let noise = image(at, &[("application/wasm", b"noise")]);
    let (kept, changed) = (image(at, &[("application/wasm", &good)]), image(at, &[("application/wasm", &bad)]));
    let gone = json!({ "mediaType": IMAGE, "digest": Digest::of(b"gone").to_string() });
    let path = at.join("blobs/sha256").join(Digest::of(&bad).hex());
    fs::write(&path, package("acme:b", "6.6.6")).unwrap();
    let forged = json!({ "mediaType": IMAGE, "digest": "../../etc/passwd" });
    // A layer that somebody names as a manifest is one all the same.
    let hides = json!({ "mediaType": IMAGE, "digest": Digest::of(&good).to_string() });
    let large = json!({ "mediaType": IMAGE, "digest": blob(at, &vec![b' '; 5 << 20]) });
    let source = layout(at, vec![hides, several, noise, large, kept, changed, gone, forged]);
    assert_eq!(names(&source), ["acme:a 1.0.0"]);
    assert_eq!(now(source.broken()).unwrap().len(), 7);
    assert_eq!(now(source.fetch(Digest::of(&bad))).unwrap_err(), SourceError::Changed { place: path.display().to_string() });
    // A link could lead anywhere, also to the right bytes.
    fs::remove_file(&path).unwrap();
    let elsewhere = at.join("elsewhere");
    fs::write(&elsewhere, &bad).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(now(source.fetch(Digest::of(&bad))).is_err());
}

#[test]
fn a_layout_that_is_none_and_one_that_never_ends_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert!(!PackageLayout::is_at(at) && now(PackageLayout::new(at).versions(None)).is_err());
    let deep = (0..6).fold(image(at, &[("application/wasm", &package("acme:a", "1.0.0"))]), |inner, _| index(at, vec![inner]));
    let source = layout(at, vec![deep]);
    assert!(matches!(now(source.versions(None)), Err(SourceError::TooMuch { .. })));
    let source = layout(at, vec![]);
    assert!(names(&source).is_empty());
    fs::write(at.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(now(source.versions(None)).unwrap_err().to_string().contains("expected `1.0.0`"));
}

#[test]
fn packages_in_memory_are_given_out_as_they_were_added() {
    let mut source = PackageMemory::default();
    let (old, new) = (package("acme:a", "1.0.0"), package("acme:a", "1.1.0"));
    source.insert(new.clone(), "new").unwrap();
    let added = source.insert(old.clone(), "old").unwrap();
    assert_eq!(source.insert(old.clone(), "again").unwrap(), added, "it stays as it was");
    assert!(source.insert(component(RICH), "nameless").is_err() && source.insert(&b"noise"[..], "noise").is_err());
    assert_eq!(names(&source), ["acme:a 1.0.0", "acme:a 1.1.0"]);
    assert_eq!(now(source.fetch(Digest::of(&new))).unwrap(), new);
}
