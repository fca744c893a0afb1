//! A folder of packages: what is called how is read from the components, and what was looked at is what is fetched.

use std::fs;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use plugwork_component::{Embedded, PackageFolder, embed};
use plugwork_core::Digest;
use plugwork_core::sources::{PackageSource, SourceError};

use crate::components::{RICH, component};

pub(crate) fn package(name: &str, version: &str) -> Vec<u8> {
    packed(name, version, "", RICH)
}

/// A package of a component's text. What follows the name in its manifest is `more`.
pub(crate) fn packed(name: &str, version: &str, more: &str, text: &str) -> Vec<u8> {
    let manifest = format!("name = \"{name}\"\nversion = \"{version}\"\n{more}");
    embed(&component(text), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap()
}

/// A folder answers at once.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a folder has nothing to wait for"),
    }
}

#[test]
fn names_and_versions_are_the_components_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("below/too-deep")).unwrap();
    fs::write(folder.path().join("x.wasm"), package("acme:b", "1.0.0")).unwrap();
    fs::write(folder.path().join("below/acme-z-9.wasm"), package("acme:a", "2.0.0")).unwrap();
    fs::write(folder.path().join("below/too-deep/y.wasm"), package("acme:c", "1.0.0")).unwrap();
    fs::write(folder.path().join("noise.wasm"), b"hello").unwrap();
    fs::write(folder.path().join("nameless.wasm"), component(RICH)).unwrap();
    let source = PackageFolder::new(folder.path());
    let found = now(source.versions(None)).unwrap();
    let names: Vec<_> = found.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    assert_eq!(names, ["acme:a 2.0.0", "acme:b 1.0.0"]);
    assert_eq!(now(source.fetch(found[1].digest)).unwrap(), package("acme:b", "1.0.0"));
    assert_eq!(now(source.versions(Some(&"acme:b".parse().unwrap()))).unwrap().len(), 1);
}

#[test]
fn what_is_broken_is_told_and_hides_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("good.wasm", &package("acme:b", "1.0.0"));
    write("nameless.wasm", &component(RICH));
    write("noise.wasm", b"hello");
    let wrong = Embedded { manifest: Some("name = 1"), ..Embedded::default() };
    write("wrong.wasm", &embed(&component(RICH), &wrong).unwrap());
    // Larger than a component may be, and without a byte on disk.
    let large = fs::File::create(folder.path().join("large.wasm")).unwrap();
    large.set_len(plugwork_component::StructureLimits::default().file_bytes + 1).unwrap();
    let source = PackageFolder::new(folder.path());
    let found = now(source.versions(None)).unwrap();
    assert_eq!(found.len(), 1);
    let broken: Vec<_> = now(source.broken()).unwrap();
    let names: Vec<_> = broken.iter().map(|(place, _)| place.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["large.wasm", "noise.wasm", "wrong.wasm"]);
    assert!(matches!(broken[0].1, SourceError::TooMuch { .. }) && matches!(broken[1].1, SourceError::Unreadable { .. }), "{broken:?}");
    // Also for one who never listed it.
    assert_eq!(now(PackageFolder::new(folder.path()).fetch(found[0].digest)).unwrap(), package("acme:b", "1.0.0"));
}

#[test]
fn of_more_files_than_are_listed_each_is_still_found_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1_200 {
        fs::write(folder.path().join(format!("{number}.wasm")), number.to_string()).unwrap();
    }
    let source = PackageFolder::new(folder.path());
    assert!(matches!(now(source.versions(None)), Err(SourceError::TooMuch { .. })));
    for number in [0, 700, 1_199] {
        assert_eq!(now(source.fetch(Digest::of(number.to_string().as_bytes()))).unwrap(), number.to_string().as_bytes());
    }
}

#[test]
fn a_file_that_moved_is_found_and_one_that_changed_is_not_taken_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.wasm"), folder.path().join("new.wasm"));
    fs::write(&old, package("acme:b", "1.0.0")).unwrap();
    let source = PackageFolder::new(folder.path());
    let digest = now(source.versions(None)).unwrap()[0].digest;
    fs::rename(&old, &new).unwrap();
    fs::write(&old, package("acme:b", "2.0.0")).unwrap();
    assert_eq!(now(source.fetch(digest)).unwrap(), package("acme:b", "1.0.0"));
    fs::write(&new, b"changed").unwrap();
    assert_eq!(now(source.fetch(digest)), Err(SourceError::Unknown(digest)));
}

#[test]
fn what_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let digest = Digest::of(b"nothing");
    assert_eq!(now(PackageFolder::new(folder.path()).fetch(digest)), Err(SourceError::Unknown(digest)));
    let gone = now(PackageFolder::new(folder.path().join("gone")).versions(None));
    assert!(matches!(gone, Err(SourceError::Unreadable { .. })), "{gone:?}");
}

#[cfg(unix)]
#[test]
fn links_lead_nowhere() {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("x.wasm"), package("acme:b", "1.0.0")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("sub")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x.wasm"), folder.path().join("x.wasm")).unwrap();
    assert!(now(PackageFolder::new(folder.path()).versions(None)).unwrap().is_empty());
}
