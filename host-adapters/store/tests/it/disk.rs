//! The disk: full, locked, damaged, replaced, from the future. A typed error each time, never a panic, and what was acknowledged stays.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use plugwork_core::record::{Records, RecordsError};
use plugwork_store::{LOCK_WAIT_MS, SQLITE_FLOOR, Store, StoreErrorKind};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use crate::sample::{AT_MS, execute, faulted, raw, temporary};

const FOLDER: &str = "PLUGWORK_STORE_TEST_FULL";

#[tokio::test]
async fn the_sqlite_that_is_linked_is_above_the_floor() {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap();
    let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
    assert!((parts[0], parts[1], parts[2]) >= SQLITE_FLOOR, "{version}");
}

#[tokio::test]
async fn commits_are_synced_and_the_log_is_written_ahead() {
    let store = temporary().await;
    let mut raw = raw(&store.folder, "records.db").await;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut raw).await.unwrap();
    assert_eq!(mode, "wal");
}

/// Appends until there is no room, and says how far it came; by itself, appends a little with room.
#[tokio::test]
async fn a_process_appends_until_there_is_no_room() {
    let Some(folder) = env::var_os(FOLDER) else {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(append_until_refused(folder.path(), 4).await, (4, None));
        return;
    };
    let (count, error) = append_until_refused(folder.as_ref(), 100_000).await;
    writeln!(std::io::stdout(), "acknowledged {count}").unwrap();
    writeln!(std::io::stdout(), "refused {}", error.unwrap()).unwrap();
}

async fn append_until_refused(folder: &Path, appends: u64) -> (u64, Option<RecordsError>) {
    let store = Store::open(folder).await.unwrap();
    let message = "x".repeat(4_000);
    for count in 0..appends {
        if let Err(error) = store.append(AT_MS, vec![faulted(&message)]).await {
            // Reading goes on, and a second try ends as the first did.
            assert_eq!(store.read(0, u32::MAX).await.unwrap().len() as u64, count);
            assert!(store.append(AT_MS, vec![faulted(&message)]).await.is_err());
            return (count, Some(error));
        }
    }
    (appends, None)
}

#[tokio::test]
async fn no_room_is_an_error_and_with_room_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // A limit on the size of files, with the signal that comes with it ignored: writing then fails as on a full disk.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact disk::a_process_appends_until_there_is_no_room --nocapture"])
        .arg(env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let count: u64 = text.lines().find_map(|line| line.strip_prefix("acknowledged ")).unwrap().parse().unwrap();
    let refused = text.lines().find_map(|line| line.strip_prefix("refused ")).unwrap();
    assert!(refused.contains("records.db"), "{refused}");
    assert!(count > 10, "{count}");
    let store = Store::open(folder.path()).await.unwrap();
    let records = store.verify().await.unwrap().records;
    assert!(records >= count, "{records} of {count}");
    store.append(AT_MS, vec![faulted("room again")]).await.unwrap();
    store.verify().await.unwrap();
}

#[tokio::test]
async fn a_lock_held_by_another_is_waited_for_and_then_an_error() {
    let store = temporary().await;
    store.append(AT_MS, vec![faulted("before")]).await.unwrap();
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, "BEGIN IMMEDIATE").await;
    let began = Instant::now();
    let refused = store.append(AT_MS, vec![faulted("locked out")]).await;
    assert_eq!(refused, Err(RecordsError::Busy { waited_ms: LOCK_WAIT_MS }));
    assert!(began.elapsed().as_millis() as u64 >= LOCK_WAIT_MS - 100);
    assert_eq!(store.read(0, 10).await.unwrap().len(), 1, "reading goes on meanwhile");
    execute(&mut raw, "ROLLBACK").await;
    assert_eq!(store.append(AT_MS, vec![faulted("after")]).await.unwrap()[0].sequence, 2);
}

#[tokio::test]
async fn a_database_that_was_replaced_while_open_is_not_written_to() {
    let (store, other) = (temporary().await, temporary().await);
    store.append(AT_MS, vec![faulted("mine")]).await.unwrap();
    other.append(AT_MS, vec![faulted("of another node")]).await.unwrap();
    other.close().await;
    fs::rename(other.folder.path().join("records.db"), store.folder.path().join("records.db")).unwrap();
    for outcome in [store.append(AT_MS, vec![faulted("lost?")]).await.map(drop), store.verify().await.map(drop)] {
        let Err(RecordsError::Storage { what, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(what.contains("was replaced"), "{what}");
    }
}

#[tokio::test]
async fn the_database_of_another_node_is_refused_after_a_restart() {
    let (store, other) = (temporary().await, temporary().await);
    store.append(AT_MS, vec![faulted("mine")]).await.unwrap();
    other.append(AT_MS, vec![faulted("of another node")]).await.unwrap();
    store.close().await;
    other.close().await;
    fs::rename(other.folder.path().join("records.db"), store.folder.path().join("records.db")).unwrap();
    let again = Store::open(store.folder.path()).await.unwrap();
    let found = again.verify().await;
    assert!(matches!(&found, Err(RecordsError::Broken(broken)) if broken.sequence == 1), "{found:?}");
    assert!(matches!(again.append(AT_MS, vec![faulted("")]).await, Err(RecordsError::Broken(_))));
}

#[tokio::test]
async fn what_is_no_database_or_another_one_or_of_a_later_schema_is_refused() {
    let write = async |sql: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.db");
        fs::write(&path, b"").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if sql.is_empty() {
            fs::write(&path, "not a database at all, but long enough to have a header of a hundred bytes. ".repeat(40)).unwrap();
        } else {
            let mut raw = raw(&folder, "records.db").await;
            execute(&mut raw, sql).await;
            raw.close().await.unwrap();
        }
        Store::open(folder.path()).await.err().unwrap_or_else(|| panic!("opened after `{sql}`"))
    };
    let error = write("").await;
    assert!(matches!(error.kind(), StoreErrorKind::Damaged { .. }), "{error}");
    let error = write("CREATE TABLE mine (a)").await;
    assert!(matches!(error.kind(), StoreErrorKind::Foreign { .. }), "{error}");
    let error = write("CREATE TABLE mine (a); PRAGMA application_id = 0x5057524b; PRAGMA user_version = 99").await;
    assert!(matches!(error.kind(), StoreErrorKind::NewerSchema { found: 99, known: 5, .. }), "{error}");
    assert!(error.to_string().contains("schema 99"), "{error}");
}

#[tokio::test]
async fn flipped_bits_in_the_file_never_pass_and_never_panic() {
    let store = temporary().await;
    for index in 0..40 {
        store.append(AT_MS, vec![faulted(&format!("{index} {}", "y".repeat(300)))]).await.unwrap();
    }
    let expected = store.verify().await.unwrap();
    store.close().await;
    let path = store.folder.path().join("records.db");
    let good = fs::read(&path).unwrap();
    let (mut refused, mut unharmed) = (0, 0);
    for position in (0..good.len()).step_by(good.len() / 150) {
        let mut bad = good.clone();
        bad[position] ^= 0x10;
        fs::write(&path, &bad).unwrap();
        for rest in ["records.db-wal", "records.db-shm"] {
            let _ = fs::remove_file(store.folder.path().join(rest));
        }
        match Store::open(store.folder.path()).await {
            Err(_) => refused += 1,
            Ok(store) => {
                match store.verify().await {
                    Err(_) => refused += 1,
                    // A byte that nobody reads: free space of a page, a counter of the header.
                    Ok(verified) => {
                        assert_eq!(verified, expected);
                        unharmed += 1;
                    }
                }
                store.close().await;
            }
        }
    }
    assert!(refused > 50 && refused + unharmed >= 150, "{refused} refused, {unharmed} unharmed");
}
