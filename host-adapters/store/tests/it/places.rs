//! The folder and its files: made for us alone, refused when they are not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use plugwork_core::authorize::Tokens;
use plugwork_core::deployment::{Deployments, Expected};
use plugwork_core::record::Records;
use plugwork_store::{Store, StoreErrorKind};

use crate::sample::{AT_MS, faulted, temporary};
use crate::{deployments, tokens};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn everything_is_made_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state").join("deep");
    let store = Store::open(&folder).await.unwrap();
    store.append(AT_MS, vec![faulted("")]).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn the_key_is_made_once_and_signs_for_ever() {
    let store = temporary().await;
    store.append(AT_MS, vec![faulted("")]).await.unwrap();
    let key = store.public_key();
    store.close().await;
    let again = Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.public_key(), key);
    assert_eq!(fs::read(store.folder.path().join("records.key")).unwrap().len(), 32);
    assert_ne!(temporary().await.public_key(), key);
}

#[tokio::test]
async fn a_folder_a_key_or_a_database_open_to_others_is_refused_and_says_how_to_mend() {
    for (name, loose, mended) in [
        ("", 0o770, "chmod go-w"),
        ("records.key", 0o640, "chmod 600"),
        ("records.db", 0o606, "chmod 600"),
        ("values.db", 0o660, "chmod 600"),
    ] {
        let store = temporary().await;
        store.close().await;
        let path = store.folder.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let error = Store::open(store.folder.path()).await.err().unwrap();
        assert!(matches!(error.kind(), StoreErrorKind::NotOurs { .. }), "{error}");
        assert!(error.to_string().contains(mended), "{error}");
    }
}

#[tokio::test]
async fn a_symlink_or_a_fifo_in_the_place_of_a_file_is_refused() {
    let elsewhere = temporary().await;
    elsewhere.close().await;
    for name in ["records.key", "records.db", "values.db", "store.lock"] {
        let folder = tempfile::tempdir().unwrap();
        symlink(elsewhere.folder.path().join(name), folder.path().join(name)).unwrap();
        let error = Store::open(folder.path()).await.err().unwrap();
        assert!(matches!(error.kind(), StoreErrorKind::NotOurs { .. }), "{name}: {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mkfifo = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(folder.path().join("records.key")).status().unwrap();
    assert!(mkfifo.success());
    let error = Store::open(folder.path()).await.err().unwrap();
    assert!(matches!(error.kind(), StoreErrorKind::NotOurs { .. }), "{error}");
}

#[tokio::test]
async fn a_key_that_is_missing_or_cut_is_refused_when_there_are_records() {
    let store = temporary().await;
    store.append(AT_MS, vec![faulted("")]).await.unwrap();
    store.close().await;
    let path = store.folder.path().join("records.key");
    let key = fs::read(&path).unwrap();
    fs::write(&path, &key[..31]).unwrap();
    let error = Store::open(store.folder.path()).await.err().unwrap();
    assert!(matches!(error.kind(), StoreErrorKind::Key { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    let error = Store::open(store.folder.path()).await.err().unwrap();
    assert!(matches!(error.kind(), StoreErrorKind::Key { .. }) && error.to_string().contains("missing"), "{error}");
    assert!(!path.exists(), "no new key was made over old records");
}

#[tokio::test]
async fn a_key_that_is_missing_is_refused_when_there_are_only_deployments_or_tokens() {
    let (deployed, tokened) = (temporary().await, temporary().await);
    let key = deployments::key("default", "shop");
    deployed.deploy(AT_MS, deployments::draft(&key, ""), Expected::Nothing).await.unwrap();
    tokened.add_token(tokens::token(1, None).0).await.unwrap();
    for store in [deployed, tokened] {
        store.close().await;
        let path = store.folder.path().join("records.key");
        fs::remove_file(&path).unwrap();
        let error = Store::open(store.folder.path()).await.err().unwrap();
        assert!(matches!(error.kind(), StoreErrorKind::Key { .. }) && error.to_string().contains("missing"), "{error}");
        assert!(!path.exists(), "no new key was made");
    }
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let store = temporary().await;
    store.close().await;
    let error = store.append(AT_MS, vec![faulted("")]).await.unwrap_err();
    assert_eq!(error.to_string(), "the store is closed");
}
