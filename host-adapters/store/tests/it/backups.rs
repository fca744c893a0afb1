//! Copies of a store and backups of files: whole or refused, also while somebody writes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugwork_core::deployment::{Deployments, Expected};
use plugwork_core::record::Records;
use plugwork_store::{Backup, BackupWriter, Namespace, Quota, Store, StoreErrorKind};
use sqlx::Connection as _;

use crate::deployments::{draft, key};
use crate::sample::{AT_MS, execute, granted, raw, subject};

fn namespace() -> Namespace {
    Namespace { tenant: "t".to_owned(), instance: String::new(), package: "acme:markdown".parse().unwrap(), store: "s".to_owned() }
}

#[tokio::test]
async fn a_copy_that_is_made_while_others_write_opens_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("own")).await.unwrap());
    store.deploy(AT_MS, draft(&key("default", "shop"), "one"), Expected::Nothing).await.unwrap();
    store.values().set(&namespace(), "k", b"v".to_vec(), Quota { bytes: 1_000, keys: 10 }).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                store.append(AT_MS, vec![granted(subject("t", ""), "again")]).await.unwrap();
                written += 1;
            }
            written
        }
    });
    for copy in 0..5 {
        let before = store.verify().await.unwrap().records;
        let target = folder.path().join(format!("copy-{copy}"));
        store.copy_into(&target).await.unwrap();
        let opened = Store::open(&target).await.unwrap();
        opened.check().await.unwrap();
        assert!(opened.verify().await.unwrap().records >= before, "what was acknowledged before is in it");
        assert_eq!(opened.current(&key("default", "shop")).await.unwrap().unwrap().deployment.number, 1);
        assert_eq!(opened.values().get(&namespace(), "k").await.unwrap().unwrap(), b"v");
        // It goes on by itself.
        opened.append(AT_MS, vec![granted(subject("t", ""), "in the copy")]).await.unwrap();
        opened.close().await;
        assert!(matches!(store.copy_into(&target).await.unwrap_err().kind(), StoreErrorKind::Exists { .. }), "nothing is overwritten");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0);
}

#[tokio::test]
async fn a_database_that_is_damaged_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for number in 0..200 {
        store.values().set(&namespace(), &format!("key-{number}"), vec![7; 500], Quota { bytes: 1 << 20, keys: 1_000 }).await.unwrap();
    }
    store.check().await.unwrap();
    store.close().await;
    // Whoever closes last puts the log into the database; here that may still be on its way.
    let mut database = raw(&folder, "values.db").await;
    execute(&mut database, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    database.close().await.unwrap();
    let path = folder.path().join("values.db");
    for rest in ["values.db-wal", "values.db-shm"] {
        let _ = fs::remove_file(folder.path().join(rest));
    }
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    assert!(middle >= 4 * 4_096, "{middle}");
    bytes[middle..middle + 64].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let error = store.check().await.unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::Damaged { .. }), "{error}");
}

async fn written(path: &Path, files: &[(&str, &Path)]) -> Result<plugwork_store::BackupSummary, plugwork_store::StoreError> {
    let mut writer = BackupWriter::create(path, AT_MS, "a test").await?;
    for (name, file) in files {
        writer.add(name, file).await?;
    }
    writer.finish().await
}

#[tokio::test]
async fn what_goes_into_a_backup_comes_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, empty, large) = (folder.path().join("b"), folder.path().join("empty"), folder.path().join("large"));
    fs::write(&empty, "").unwrap();
    // Parts and a rest.
    let bytes: Vec<u8> = (0..5_000_001_u32).map(|number| (number / 7) as u8).collect();
    fs::write(&large, &bytes).unwrap();
    let mut writer = BackupWriter::create(&path, AT_MS, "a test").await.unwrap();
    assert!(writer.add("one/empty", &empty).await.unwrap() && writer.add("one/two/large", &large).await.unwrap());
    assert!(!writer.add("gone", &folder.path().join("gone")).await.unwrap(), "what is gone is left out");
    assert!(writer.add("../out", &empty).await.is_err() && !path.exists());
    let summary = writer.finish().await.unwrap();
    assert_eq!((summary.files, summary.bytes), (2, 5_000_001));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left beside it");
    // It may lie where nobody can write.
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    let mut backup = Backup::open(&path).await.unwrap();
    assert_eq!(backup.summary(), &summary);
    let out = folder.path().join("out");
    backup.unpack(&out).await.unwrap();
    assert_eq!((fs::read(out.join("one/empty")).unwrap(), fs::read(out.join("one/two/large")).unwrap()), (vec![], bytes));
    assert!(backup.unpack(&out).await.is_err(), "nothing is overwritten");
    let again = written(&path, &[]).await.unwrap_err();
    assert!(matches!(again.kind(), StoreErrorKind::Exists { .. }), "{again}");
}

#[tokio::test]
async fn what_is_no_backup_or_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b");
    let refused = async || Backup::open(&path).await.expect_err("it is refused");
    assert!(matches!(refused().await.kind(), StoreErrorKind::Io { .. }), "there is none");
    for text in ["", "no database", &"long enough to be looked at as one. ".repeat(100)] {
        fs::write(&path, text).unwrap();
        let error = refused().await;
        assert!(matches!(error.kind(), StoreErrorKind::NotABackup { .. }), "{text:?}: {error}");
    }
    // A database of our own that is another one.
    let store = Store::open(&folder.path().join("store")).await.unwrap();
    store.close().await;
    fs::copy(folder.path().join("store/values.db"), &path).unwrap();
    assert!(refused().await.to_string().contains("something else"));
    fs::remove_file(&path).unwrap();
    let file = folder.path().join("file");
    fs::write(&file, vec![b'q'; 300_000]).unwrap();
    written(&path, &[("q", &file)]).await.unwrap();
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(refused().await.kind(), StoreErrorKind::NotABackup { .. }), "cut");
    let mut bad = good.clone();
    let at = good.len() - good.iter().rev().position(|byte| *byte == b'q').unwrap() - 1_000;
    bad[at] ^= 1;
    fs::write(&path, &bad).unwrap();
    let error = refused().await;
    assert!(error.to_string().contains("not what it was"), "{error}");
    fs::write(&path, &good).unwrap();
    Backup::open(&path).await.unwrap();
}
