//! The index of what is enabled: how it is made for a folder from before it existed, and what is found when somebody edits it.

use plugwork_core::record::{Broken, ConsentKey, Records, RecordsError, Why};
use plugwork_store::Store;

use crate::sample::{AT_MS, Temporary, disabled, enabled, execute, granted, raw, removed, subject, temporary};

const UNLOCK: &str = "DROP TRIGGER IF EXISTS record_is_never_changed; DROP TRIGGER IF EXISTS record_is_never_deleted;";

/// Two plugins: one that was disabled and enabled again, one that was enabled and disabled.
async fn two() -> Temporary {
    let store = temporary().await;
    let (one, two) = (subject("default", "one"), subject("default", "two"));
    let events = vec![disabled(one.clone(), "a"), enabled(one, "b"), enabled(two.clone(), "c"), disabled(two, "d")];
    store.append(AT_MS, events).await.unwrap();
    store
}

fn key(instance: &str) -> ConsentKey {
    ConsentKey::from(&subject("default", instance))
}

fn lifecycles(sequence: u64, instance: &str) -> RecordsError {
    Broken { sequence, why: Why::Lifecycles { of: key(instance).to_string() } }.into()
}

#[tokio::test]
async fn an_index_that_points_back_to_an_older_record_is_found_by_verifying() {
    let store = two().await;
    store.verify().await.unwrap();
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, "UPDATE lifecycle SET sequence = 3 WHERE instance = 'two'").await;
    // Genuine by itself: `two` was enabled once.
    assert!(store.lifecycle(&key("two")).await.is_ok());
    assert_eq!(store.verify().await, Err(lifecycles(3, "two")));
    execute(&mut raw, "DELETE FROM lifecycle WHERE instance = 'two'").await;
    assert_eq!(store.verify().await, Err(lifecycles(4, "two")));
    execute(&mut raw, "INSERT INTO lifecycle VALUES ('default', 'two', 'acme:markdown', 4, NULL), ('x', '', 'a:b', 2, NULL)").await;
    assert!(matches!(store.verify().await, Err(RecordsError::Broken(Broken { sequence: 2, why: Why::Lifecycles { .. } }))));
    execute(&mut raw, "DELETE FROM lifecycle WHERE tenant = 'x'").await;
    assert_eq!(store.verify().await.unwrap().records, 4, "every edit was taken back");
}

#[tokio::test]
async fn a_record_of_somebody_else_or_of_another_kind_is_not_given_out() {
    let store = two().await;
    let granted = store.append(AT_MS, vec![granted(subject("default", "one"), "")]).await.unwrap();
    let mut raw = raw(&store.folder, "records.db").await;
    for sequence in [4, granted[0].sequence] {
        execute(&mut raw, &format!("UPDATE lifecycle SET sequence = {sequence} WHERE instance = 'one'")).await;
        assert_eq!(store.lifecycle(&key("one")).await, Err(lifecycles(sequence, "one")));
        assert_eq!(store.lifecycles().await, Err(lifecycles(sequence, "one")));
    }
}

#[tokio::test]
async fn an_edited_record_is_not_given_out_with_its_digest_mended_or_not() {
    let store = two().await;
    let good = store.lifecycle(&key("one")).await.unwrap().unwrap();
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, &format!("{UNLOCK} UPDATE record SET body = replace(body, '\"weight\":3', '\"weight\":4') WHERE sequence = 2")).await;
    let changed = |found: &RecordsError| matches!(found, RecordsError::Broken(Broken { sequence: 2, why: Why::Changed { .. } }));
    assert!(changed(&store.lifecycle(&key("one")).await.unwrap_err()));
    assert!(changed(&store.lifecycles().await.unwrap_err()));
    // Who knows how digests are made, and has no key. The stamp is still the one of the record as it was.
    let mut mended = good.clone();
    mended.body = mended.body.replace("\"weight\":3", "\"weight\":4");
    execute(&mut raw, &format!("UPDATE record SET digest = '{}' WHERE sequence = 2", mended.content())).await;
    let signature = RecordsError::Broken(Broken { sequence: 2, why: Why::Signature });
    assert_eq!(store.lifecycle(&key("one")).await, Err(signature.clone()));
    assert_eq!(store.lifecycles().await, Err(signature.clone()));
    // With the stamp of another record, or none.
    for stamp in ["(SELECT stamp FROM lifecycle WHERE instance = 'two')", "NULL", "X'00'"] {
        execute(&mut raw, &format!("UPDATE lifecycle SET stamp = {stamp} WHERE instance = 'one'")).await;
        assert_eq!(store.lifecycle(&key("one")).await, Err(signature.clone()), "{stamp}");
        assert_eq!(store.lifecycles().await, Err(signature.clone()), "{stamp}");
    }
    assert_eq!(store.verify().await, Err(signature));
}

#[tokio::test]
async fn a_stamp_that_is_missing_or_wrong_leaves_it_to_the_signature() {
    let store = two().await;
    store.append(AT_MS, vec![granted(subject("default", "one"), "")]).await.unwrap();
    let good = (store.consents().await.unwrap(), store.lifecycles().await.unwrap());
    let mut raw = raw(&store.folder, "records.db").await;
    for stamp in ["NULL", "X''", "zeroblob(32)", "zeroblob(33)"] {
        execute(&mut raw, &format!("UPDATE consent SET stamp = {stamp}; UPDATE lifecycle SET stamp = {stamp}")).await;
        assert_eq!((store.consents().await.unwrap(), store.lifecycles().await.unwrap()), good, "{stamp}");
        store.verify().await.unwrap();
    }
}

#[tokio::test]
async fn the_signature_is_not_needed_where_the_stamp_is_right() {
    let store = two().await;
    let good = store.lifecycles().await.unwrap();
    let mut raw = raw(&store.folder, "records.db").await;
    let none = "0".repeat(128);
    execute(&mut raw, &format!("{UNLOCK} UPDATE record SET signature = '{none}' WHERE sequence = 2")).await;
    // The signature was lost, not what it was for: the stamp is this node's own word for the same digest. Verifying still complains.
    assert_eq!(store.lifecycles().await.unwrap()[0].body, good[0].body);
    assert_eq!(store.verify().await, Err(Broken { sequence: 2, why: Why::Signature }.into()));
}

#[tokio::test]
async fn a_folder_from_before_there_was_an_index_gets_one() {
    let store = temporary().await;
    let (gone, back) = (subject("default", "gone"), subject("default", "back"));
    let events = vec![granted(gone.clone(), ""), removed(gone.clone()), removed(gone), granted(back, ""), removed(subject("t", "\u{0}'"))];
    let appended = store.append(AT_MS, events).await.unwrap();
    let before = "DROP TABLE movement; DROP TABLE deployment; DROP TABLE token; DROP TABLE usage; DROP TABLE lifecycle; \
        ALTER TABLE consent DROP COLUMN stamp; PRAGMA user_version = 1";
    let mut raw = raw(&store.folder, "records.db").await;
    execute(&mut raw, before).await;
    let again = Store::open(store.folder.path()).await.unwrap();
    assert_eq!(again.verify().await.unwrap().records, 5);
    assert_eq!(again.lifecycles().await.unwrap(), [appended[2].clone(), appended[4].clone()]);
    again.append(AT_MS, vec![enabled(subject("default", "back"), "")]).await.unwrap();
    again.verify().await.unwrap();
    again.close().await;
    // A record that cannot be read any more keeps nobody from opening the folder to look at it.
    execute(&mut raw, &format!("{before}; {UNLOCK} UPDATE record SET body = '{{' WHERE sequence = 2")).await;
    let again = Store::open(store.folder.path()).await.unwrap();
    assert!(matches!(again.verify().await, Err(RecordsError::Broken(Broken { sequence: 2, .. }))));
}
