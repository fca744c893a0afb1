//! Somebody with the folder and `sqlite3`, but without the key: every edit is found, and `verify` names the record.

use std::fs;

use plugwork_core::record::{Broken, ConsentKey, Records, RecordsError, Why};
use plugwork_store::Store;
use sqlx::Row as _;

use crate::sample::{AT_MS, Temporary, declined, execute, faulted, granted, raw, removed, revoked, subject, temporary};

const UNLOCK: &str = "DROP TRIGGER IF EXISTS record_is_never_changed; DROP TRIGGER IF EXISTS record_is_never_deleted;";

/// Six records of all kinds but one, and two consents.
async fn six() -> Temporary {
    let store = temporary().await;
    let (one, two) = (subject("default", "one"), subject("default", "two"));
    let events = vec![
        granted(one.clone(), "first"),
        granted(two.clone(), "second"),
        declined(one.clone()),
        faulted("trap"),
        revoked(one),
        removed(two),
    ];
    store.append(AT_MS, events).await.unwrap();
    store
}

async fn broken(store: &Store) -> Broken {
    match store.verify().await {
        Err(RecordsError::Broken(broken)) => broken,
        other => panic!("not noticed: {other:?}"),
    }
}

#[tokio::test]
async fn a_row_cannot_be_changed_or_deleted_by_accident() {
    let store = six().await;
    let mut raw = raw(&store.folder, "records.db").await;
    for sql in ["UPDATE record SET at_ms = 0", "DELETE FROM record WHERE sequence = 3"] {
        let error = sqlx::query(sql).execute(&mut raw).await.unwrap_err().to_string();
        assert!(error.contains("a record is never"), "{error}");
    }
    assert_eq!(store.verify().await.unwrap().records, 6);
}

#[tokio::test]
async fn every_byte_edited_in_every_column_of_every_row_is_found_and_names_the_record() {
    let store = six().await;
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, UNLOCK).await;
    let mut edits = 0;
    for sequence in 1..=6_i64 {
        for column in ["body", "previous", "digest", "signature"] {
            let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {column} FROM record WHERE sequence = {sequence}")));
            let text: String = row.fetch_one(&mut raw).await.unwrap().get(0);
            let update = || sqlx::query(sqlx::AssertSqlSafe(format!("UPDATE record SET {column} = ? WHERE sequence = {sequence}")));
            for position in (0..text.len()).step_by(if column == "body" { 5 } else { 3 }) {
                let mut edited = text.clone().into_bytes();
                edited[position] ^= 1;
                let edited = String::from_utf8(edited).unwrap();
                update().bind(edited).execute(&mut raw).await.unwrap();
                let found = broken(&store).await;
                assert_eq!(found.sequence, sequence as u64, "{column} {position}: {found}");
                edits += 1;
            }
            update().bind(text).execute(&mut raw).await.unwrap();
        }
        for bit in [0, 7, 40, 62] {
            let flip = format!("UPDATE record SET at_ms = (at_ms | (1 << {bit})) - (at_ms & (1 << {bit})) WHERE sequence = {sequence}");
            execute(&mut raw, &flip).await;
            assert_eq!(broken(&store).await.sequence, sequence as u64);
            execute(&mut raw, &format!("UPDATE record SET at_ms = {AT_MS} WHERE sequence = {sequence}")).await;
            edits += 1;
        }
    }
    assert!(edits > 500, "{edits}");
    assert_eq!(store.verify().await.unwrap().records, 6, "every edit was taken back");
}

#[tokio::test]
async fn a_number_edited_a_row_deleted_or_two_exchanged_is_found() {
    let store = six().await;
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, UNLOCK).await;
    for (edit, undo, sequence) in [
        ("UPDATE record SET sequence = 9 WHERE sequence = 6", "UPDATE record SET sequence = 6 WHERE sequence = 9", 9),
        ("UPDATE record SET sequence = 0 WHERE sequence = 1", "UPDATE record SET sequence = 1 WHERE sequence = 0", 0),
        (
            "UPDATE record SET sequence = 99 WHERE sequence = 3; UPDATE record SET sequence = 3 WHERE sequence = 4; \
             UPDATE record SET sequence = 4 WHERE sequence = 99",
            "UPDATE record SET sequence = 99 WHERE sequence = 3; UPDATE record SET sequence = 3 WHERE sequence = 4; \
             UPDATE record SET sequence = 4 WHERE sequence = 99",
            3,
        ),
        (
            "CREATE TABLE aside AS SELECT * FROM record WHERE sequence = 4; DELETE FROM record WHERE sequence = 4",
            "INSERT INTO record SELECT * FROM aside; DROP TABLE aside",
            5,
        ),
        ("UPDATE record SET sequence = -1 WHERE sequence = 2", "UPDATE record SET sequence = 2 WHERE sequence = -1", 0),
    ] {
        execute(&mut raw, edit).await;
        let found = broken(&store).await;
        assert_eq!(found.sequence, sequence, "{edit}: {found}");
        execute(&mut raw, undo).await;
        store.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_cut_short_is_found_and_cannot_be_continued() {
    for length in [0, 1, 5] {
        let store = six().await;
        let mut raw = raw(&store.folder, "records.db").await;
        execute(&mut raw, &format!("{UNLOCK} DELETE FROM consent; DELETE FROM lifecycle; DELETE FROM record WHERE sequence > {length}"))
            .await;
        let expected = Broken { sequence: 6, why: Why::Missing { after: length } };
        assert_eq!(broken(&store).await, expected);
        assert_eq!(expected.to_string(), format!("records after {length} are missing: the chain once ended at record 6"));
        assert_eq!(store.append(AT_MS, vec![faulted("over it")]).await, Err(RecordsError::Broken(expected.clone())));
        // The same after a restart.
        let again = Store::open(store.folder.path()).await.unwrap();
        assert_eq!(again.append(AT_MS, vec![faulted("over it")]).await, Err(RecordsError::Broken(expected.clone())));
        assert_eq!(broken(&again).await, expected);
    }
}

#[tokio::test]
async fn a_head_deleted_edited_or_of_another_node_is_found() {
    let other = six().await;
    let foreign = fs::read(other.folder.path().join("records.head")).unwrap();
    let store = six().await;
    let path = store.folder.path().join("records.head");
    let good = fs::read_to_string(&path).unwrap();
    for bad in [None, Some(foreign), Some(good.replace('6', "5").into_bytes()), Some(vec![]), Some(vec![b' '; 5000])] {
        match bad {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => fs::write(&path, bytes).unwrap(),
        }
        assert_eq!(broken(&store).await.why, Why::HeadFile);
        let again = Store::open(store.folder.path()).await.unwrap();
        assert!(matches!(again.append(AT_MS, vec![faulted("")]).await, Err(RecordsError::Broken(Broken { why: Why::HeadFile, .. }))));
        again.close().await;
        // Mode 0600 as it was made.
        let mut file = fs::OpenOptions::new();
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        file.create(true).write(true).truncate(true).mode(0o600).open(&path).unwrap().write_all(good.as_bytes()).unwrap();
        store.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_head_that_lags_behind_is_no_fault_and_is_moved_by_the_next_append() {
    let store = temporary().await;
    let path = store.folder.path().join("records.head");
    let empty = fs::read(&path).unwrap();
    store.append(AT_MS, vec![faulted("one"), faulted("two")]).await.unwrap();
    fs::write(&path, empty).unwrap();
    assert_eq!(store.verify().await.unwrap().records, 2);
    store.append(AT_MS, vec![faulted("three")]).await.unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("\"sequence\":3"));
}

#[tokio::test]
async fn a_consent_that_was_edited_is_not_given_out_and_an_index_that_was_edited_is_found() {
    let store = six().await;
    let mut raw = raw(&store.folder, "records.db").await;
    let key = ConsentKey::from(&subject("default", "one"));
    // The index points back to the grant before the revocation: genuine by itself, so only verifying finds it.
    execute(&mut raw, "UPDATE consent SET sequence = 1 WHERE instance = 'one'").await;
    let expected = Broken { sequence: 1, why: Why::Consents { of: key.to_string() } };
    assert_eq!(broken(&store).await, expected);
    // To a grant of somebody else: not given out.
    execute(&mut raw, "UPDATE consent SET sequence = 2 WHERE instance = 'one'").await;
    let found = store.consent(&key).await;
    assert!(matches!(found, Err(RecordsError::Broken(Broken { sequence: 2, why: Why::Consents { .. } }))), "{found:?}");
    assert!(store.consents().await.is_err());
    execute(&mut raw, "DELETE FROM consent WHERE instance = 'one'").await;
    assert_eq!(broken(&store).await, Broken { sequence: 5, why: Why::Consents { of: key.to_string() } });
    execute(&mut raw, "INSERT INTO consent VALUES ('default', 'one', 'acme:markdown', 5, NULL), ('x', '', 'a:b', 1, NULL)").await;
    assert!(matches!(broken(&store).await.why, Why::Consents { .. }));
    // And an edited record is not given out either.
    execute(&mut raw, "DELETE FROM consent WHERE tenant = 'x'").await;
    execute(&mut raw, &format!("{UNLOCK} UPDATE record SET body = replace(body, 'no longer', 'NO LONGER') WHERE sequence = 5")).await;
    let found = store.consent(&key).await;
    assert!(matches!(found, Err(RecordsError::Broken(Broken { sequence: 5, why: Why::Changed { .. } }))), "{found:?}");
}

#[tokio::test]
async fn nothing_is_appended_after_a_last_record_that_was_edited() {
    let store = six().await;
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, &format!("{UNLOCK} UPDATE record SET at_ms = 1 WHERE sequence = 6")).await;
    let again = Store::open(store.folder.path()).await.unwrap();
    let refused = again.append(AT_MS, vec![faulted("")]).await;
    assert!(matches!(refused, Err(RecordsError::Broken(Broken { sequence: 6, why: Why::Changed { .. } }))), "{refused:?}");
}
