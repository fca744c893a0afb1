//! A folder of packages: what is called how is read from the components, and what was looked at is what is fetched.

use std::fs;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use plugwork_component::{Embedded, PackageFolder, embed};
use plugwork_core::Digest;
use plugwork_core::sources::{PackageSource, SourceError};

use crate::components::{RICH, component};

fn package(name: &str, version: &str) -> Vec<u8> {
    let manifest = format!("name = \"{name}\"\nversion = \"{version}\"\n");
    let embedded = Embedded { manifest: Some(&manifest), ..Embedded::default() };
    embed(&component(RICH), &embedded).unwrap()
}

/// A folder answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
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
