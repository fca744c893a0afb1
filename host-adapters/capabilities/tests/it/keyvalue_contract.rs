//! What every back end of `keyvalue` keeps to.

use std::sync::Arc;

use plugwork::Subject;
use plugwork::interfaces::keyvalue::{KeyValue, OpenStore, Stores};
use plugwork::interfaces::storage::{Kept, Quota, StorageError};
use plugwork_capabilities::{MemoryStore, SqliteStore};
use plugwork_core::policy::keyvalue::KeyValueBounds;
use plugwork_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{ODD_NAMES, assert_invalid, denied, plugin, refused_names, subject};

type Backend = Arc<dyn KeyValue>;

const ROOMY: Quota = Quota { bytes: 100 << 20, entries: 10_000 };

fn bounds(value: Value) -> KeyValueBounds {
    serde_json::from_value(value).unwrap()
}

fn stores(backend: &Backend, subject: &Subject, bounds_given: Value, quota: Quota) -> Stores {
    Stores::new(backend.clone(), subject, bounds(bounds_given), quota)
}

/// A store that the plugin may write, called `main`.
async fn main_store(backend: &Backend, subject: &Subject, quota: Quota) -> OpenStore {
    stores(backend, subject, json!({ "stores": ["main"], "access": "write" }), quota).open("main").await.unwrap()
}

async fn what_is_set_is_read_until_it_is_deleted(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    assert_eq!(store.get("key").await.unwrap(), None);
    assert!(!store.exists("key").await.unwrap());
    store.set("key", b"one".to_vec()).await.unwrap();
    store.set("key", b"two".to_vec()).await.unwrap();
    store.set("empty", Vec::new()).await.unwrap();
    assert_eq!(store.get("key").await.unwrap(), Some(b"two".to_vec()));
    assert_eq!(store.get("empty").await.unwrap(), Some(Vec::new()));
    assert!(store.exists("key").await.unwrap() && store.exists("empty").await.unwrap());
    assert_eq!(store.kept().await.unwrap(), Kept { bytes: 3 + 3 + 5, entries: 2 });
    store.delete("key").await.unwrap();
    store.delete("never-there").await.unwrap();
    assert_eq!(store.get("key").await.unwrap(), None);
    assert_eq!(store.kept().await.unwrap(), Kept { bytes: 5, entries: 1 });
}

async fn a_store_that_is_not_granted_cannot_be_opened(backend: Backend) {
    main_store(&backend, &plugin(), ROOMY).await.set("key", b"kept".to_vec()).await.unwrap();
    let granted = stores(&backend, &plugin(), json!({ "stores": ["other"], "access": "write" }), ROOMY);
    for name in ["main", "", "*", "other2", "Other", "../main"] {
        let denial = denied(granted.open(name).await.map(drop), "E-CAP-KV-STORE");
        assert!(denial.rule.contains("is not granted"), "{denial}");
    }
    let denial = denied(granted.open("main").await.map(drop), "E-CAP-KV-STORE");
    assert_eq!(denial.hint, "add to the plugin's `keyvalue` grant: stores = [\"main\"]");
}

async fn a_grant_to_read_changes_nothing(backend: Backend) {
    main_store(&backend, &plugin(), ROOMY).await.set("key", b"5".to_vec()).await.unwrap();
    let store = stores(&backend, &plugin(), json!({ "stores": ["main"] }), ROOMY).open("main").await.unwrap();
    let pair = || ("key".to_owned(), b"changed".to_vec());
    let denial = denied(store.set("key", pair().1).await, "E-CAP-KV-ACCESS");
    assert_eq!(denial.hint, "add to the plugin's `keyvalue` grant: access = \"write\"");
    denied(store.delete("key").await, "E-CAP-KV-ACCESS");
    denied(store.increment("key", 1).await, "E-CAP-KV-ACCESS");
    denied(store.set_many(vec![pair()]).await, "E-CAP-KV-ACCESS");
    denied(store.set_many(Vec::new()).await, "E-CAP-KV-ACCESS");
    denied(store.delete_many(vec![pair().0]).await, "E-CAP-KV-ACCESS");
    assert_eq!(store.get("key").await.unwrap(), Some(b"5".to_vec()));
    assert!(store.exists("key").await.unwrap());
    assert_eq!(store.list(None).await.unwrap(), (vec!["key".to_owned()], None));
    assert_eq!(store.get_many(vec![pair().0]).await.unwrap(), [Some(("key".to_owned(), b"5".to_vec()))]);
}

async fn nobody_sees_what_another_keeps(backend: Backend) {
    // Joined without lengths, some of these would be one text.
    let everybody =
        [("default", "", "test:plugin"), ("other", "", "test:plugin"), ("default", "a", "test:plugin"), ("default", "", "test:plugin-a")];
    for (tenant, instance, package) in everybody {
        let subject = subject(tenant, instance, package);
        let granted = stores(&backend, &subject, json!({ "stores": ["main", "side"], "access": "write" }), ROOMY);
        for name in ["main", "side"] {
            let store = granted.open(name).await.unwrap();
            assert_eq!(store.get("key").await.unwrap(), None, "{subject} {name}");
            assert_eq!(store.list(None).await.unwrap().0, Vec::<String>::new());
            store.set("key", format!("{tenant} {instance} {package} {name}").into_bytes()).await.unwrap();
        }
    }
    for (tenant, instance, package) in everybody {
        let store = main_store(&backend, &subject(tenant, instance, package), ROOMY).await;
        assert_eq!(store.get("key").await.unwrap().unwrap(), format!("{tenant} {instance} {package} main").into_bytes());
        store.delete("key").await.unwrap();
    }
    let side = stores(&backend, &plugin(), json!({ "stores": ["side"] }), ROOMY).open("side").await.unwrap();
    assert!(side.exists("key").await.unwrap());
}

async fn an_update_of_the_plugin_finds_what_the_plugin_kept(backend: Backend) {
    main_store(&backend, &plugin(), ROOMY).await.set("key", b"kept".to_vec()).await.unwrap();
    let updated = Subject { digest: plugwork_core::Digest::of(b"another"), ..plugin() };
    assert_eq!(main_store(&backend, &updated, ROOMY).await.get("key").await.unwrap(), Some(b"kept".to_vec()));
}

async fn the_quota_can_be_filled_and_not_passed(backend: Backend) {
    let quota = Quota { bytes: 20, entries: 3 };
    let both = stores(&backend, &plugin(), json!({ "stores": ["main", "side"], "access": "write" }), quota);
    let (main, side) = (both.open("main").await.unwrap(), both.open("side").await.unwrap());
    main.set("a", vec![0; 9]).await.unwrap();
    let denial = denied(side.set("b", vec![0; 10]).await, "E-CAP-KV-QUOTA");
    assert_eq!(denial.hint, "add to the plugin's `keyvalue` grant: bytes = 21");
    side.set("b", vec![0; 9]).await.unwrap();
    assert_eq!(main.kept().await.unwrap(), Kept { bytes: 20, entries: 2 });
    denied(main.set("a", vec![0; 10]).await, "E-CAP-KV-QUOTA");
    denied(main.increment("c", 1).await, "E-CAP-KV-QUOTA");
    main.set("a", vec![0; 3]).await.unwrap();
    main.set("c", Vec::new()).await.unwrap();
    let denial = denied(main.set("d", Vec::new()).await, "E-CAP-KV-QUOTA");
    assert_eq!(denial.hint, "add to the plugin's `keyvalue` grant: keys = 4");
    main.delete("c").await.unwrap();
    main.set("d", Vec::new()).await.unwrap();
    // Together they would fit only one by one: none is kept.
    let many = vec![("a".to_owned(), vec![1; 5]), ("e".to_owned(), vec![1; 1])];
    denied(main.set_many(many).await, "E-CAP-KV-QUOTA");
    assert_eq!(main.get("a").await.unwrap(), Some(vec![0; 3]));
}

async fn a_quota_in_the_grant_counts_instead_of_the_hosts(backend: Backend) {
    let granted = json!({ "stores": ["main"], "access": "write", "bytes": 4, "keys": 1 });
    let store = stores(&backend, &plugin(), granted, ROOMY).open("main").await.unwrap();
    store.set("a", vec![0; 3]).await.unwrap();
    denied(store.set("a", vec![0; 4]).await, "E-CAP-KV-QUOTA");
    denied(store.set("b", Vec::new()).await, "E-CAP-KV-QUOTA");
}

async fn a_quota_that_was_lowered_lets_the_plugin_clear_up(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    for key in ["a", "b", "c"] {
        store.set(key, vec![0; 100]).await.unwrap();
    }
    let store = main_store(&backend, &plugin(), Quota { bytes: 150, entries: 2 }).await;
    denied(store.set("d", vec![0; 1]).await, "E-CAP-KV-QUOTA");
    store.set("a", vec![0; 10]).await.unwrap();
    store.delete("b").await.unwrap();
    store.delete("c").await.unwrap();
    store.set("d", vec![0; 100]).await.unwrap();
}

async fn a_key_is_a_text_and_never_a_path_or_a_pattern(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    let long = "x".repeat(1024);
    let names: Vec<&str> = ODD_NAMES.into_iter().chain([long.as_str()]).collect();
    for name in &names {
        store.set(name, name.as_bytes().to_vec()).await.unwrap();
    }
    for name in &names {
        assert_eq!(store.get(name).await.unwrap().unwrap(), name.as_bytes());
    }
    let (mut listed, mut sorted) = (store.list(None).await.unwrap().0, names.clone());
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    for name in &names {
        store.delete(name).await.unwrap();
    }
    listed = store.list(None).await.unwrap().0;
    assert_eq!(listed, Vec::<String>::new());
    for name in refused_names() {
        denied(store.get(&name).await, "E-CAP-KV-KEY");
        denied(store.exists(&name).await, "E-CAP-KV-KEY");
        denied(store.set(&name, Vec::new()).await, "E-CAP-KV-KEY");
        denied(store.delete(&name).await, "E-CAP-KV-KEY");
        denied(store.increment(&name, 1).await, "E-CAP-KV-KEY");
        denied(store.get_many(vec!["a".to_owned(), name.clone()]).await, "E-CAP-KV-KEY");
        denied(store.set_many(vec![("a".to_owned(), Vec::new()), (name.clone(), Vec::new())]).await, "E-CAP-KV-KEY");
        denied(store.delete_many(vec![name]).await, "E-CAP-KV-KEY");
    }
    assert_eq!(store.kept().await.unwrap(), Kept::default());
}

async fn a_value_may_have_a_mebibyte_and_no_byte_more(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    store.set("key", vec![7; 1 << 20]).await.unwrap();
    assert_invalid(store.set("key", vec![8; (1 << 20) + 1]).await);
    assert_invalid(store.set_many(vec![("a".to_owned(), Vec::new()), ("key".to_owned(), vec![8; (1 << 20) + 1])]).await);
    assert_eq!(store.get("key").await.unwrap(), Some(vec![7; 1 << 20]));
    assert!(!store.exists("a").await.unwrap());
}

async fn pages_have_each_key_once_whatever_is_removed_meanwhile(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    let all: Vec<String> = (0..2_500).map(|number| format!("{number:05}")).collect();
    for part in all.chunks(1_000) {
        store.set_many(part.iter().map(|key| (key.clone(), Vec::new())).collect()).await.unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let (keys, next) = store.list(cursor).await.unwrap();
        assert!(keys.len() <= 1_000);
        store.delete_many(keys.clone()).await.unwrap();
        seen.extend(keys);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    assert_invalid(store.list(Some(99)).await);
    let again = main_store(&backend, &plugin(), ROOMY).await;
    assert_invalid(again.list(Some(1)).await);
}

async fn a_page_that_ends_with_the_last_key_has_no_cursor(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    store.set_many((0..1_000).map(|number| (format!("{number:05}"), Vec::new())).collect()).await.unwrap();
    let (keys, cursor) = store.list(None).await.unwrap();
    assert_eq!((keys.len(), cursor), (1_000, None));
}

async fn numbers_are_added_up_and_other_values_left_alone(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    assert_eq!(store.increment("n", 5).await.unwrap().0, 5);
    assert_eq!(store.increment("n", 0).await.unwrap().0, 5);
    assert_eq!(store.get("n").await.unwrap(), Some(b"5".to_vec()));
    store.set("n", i64::MAX.to_string().into_bytes()).await.unwrap();
    assert_invalid(store.increment("n", 1).await);
    assert_invalid(store.increment("m", 1 << 63).await);
    for negative in ["-5", "-9223372036854775808"] {
        store.set("n", negative.as_bytes().to_vec()).await.unwrap();
        assert_invalid(store.increment("n", 4).await);
        assert_eq!(store.get("n").await.unwrap(), Some(negative.as_bytes().to_vec()));
    }
    store.set("n", b"-5".to_vec()).await.unwrap();
    assert_eq!(store.increment("n", 6).await.unwrap().0, 1);
    for not_a_number in [&b"x"[..], b"", b"1.5", b"\xff", b"99999999999999999999"] {
        store.set("n", not_a_number.to_vec()).await.unwrap();
        assert_invalid(store.increment("n", 1).await);
        assert_eq!(store.get("n").await.unwrap(), Some(not_a_number.to_vec()));
    }
}

async fn a_batch_answers_in_order_and_has_a_size(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    let key = |number: usize| format!("k{number}");
    store.set_many(vec![(key(1), b"1".to_vec()), (key(2), b"2".to_vec()), (key(1), b"last".to_vec())]).await.unwrap();
    let found = store.get_many(vec![key(2), key(3), key(1), key(2)]).await.unwrap();
    let (one, two) = (Some((key(1), b"last".to_vec())), Some((key(2), b"2".to_vec())));
    assert_eq!(found, [two.clone(), None, one, two]);
    assert_eq!(store.kept().await.unwrap(), Kept { bytes: 2 + 4 + 2 + 1, entries: 2 });
    store.delete_many(vec![key(1), key(3)]).await.unwrap();
    assert!(!store.exists(&key(1)).await.unwrap() && store.exists(&key(2)).await.unwrap());
    assert_eq!(store.get_many((0..1_000).map(key).collect()).await.unwrap().len(), 1_000);
    assert_invalid(store.get_many((0..1_001).map(key).collect()).await);
    assert_invalid(store.set_many((0..1_001).map(|number| (key(number), Vec::new())).collect()).await);
    assert_invalid(store.delete_many((0..1_001).map(key).collect()).await);
}

async fn values_that_are_too_much_for_one_answer_are_not_given(backend: Backend) {
    let store = main_store(&backend, &plugin(), ROOMY).await;
    store.set("big", vec![0; 1 << 20]).await.unwrap();
    assert_eq!(store.get_many(vec!["big".to_owned(); 16]).await.unwrap().len(), 16);
    assert_invalid(store.get_many(vec!["big".to_owned(); 17]).await);
}

async fn writers_at_once_lose_nothing_and_pass_no_quota(backend: Backend) {
    let store = Arc::new(main_store(&backend, &plugin(), Quota { bytes: 1_000, entries: 10 }).await);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..10 {
                store.increment("sum", 1).await.unwrap();
                let _ = store.set(&format!("{task}-{number}"), vec![0; 50]).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(store.get("sum").await.unwrap(), Some(b"80".to_vec()));
    let (keys, _) = store.list(None).await.unwrap();
    let mut kept = Kept::default();
    for key in &keys {
        let bytes = key.len() + store.get(key).await.unwrap().unwrap().len();
        kept = Kept { bytes: kept.bytes + bytes as u64, entries: kept.entries + 1 };
    }
    assert_eq!(kept, store.kept().await.unwrap());
    assert!(kept.entries == 10 && kept.bytes <= 1_000, "{kept:?}");
}

/// Every claim, with one back end.
macro_rules! contract {
    ($backend:ident: $make:expr; $($claim:ident)*) => {
        mod $backend {
            use super::*;
            $(
                #[tokio::test]
                async fn $claim() {
                    let (backend, _keep) = $make.await;
                    super::$claim(backend).await;
                }
            )*
        }
    };
}

macro_rules! every_claim {
    ($($backend:ident: $make:expr;)*) => {
        $(contract! {
            $backend: $make;
            what_is_set_is_read_until_it_is_deleted
            a_store_that_is_not_granted_cannot_be_opened
            a_grant_to_read_changes_nothing
            nobody_sees_what_another_keeps
            an_update_of_the_plugin_finds_what_the_plugin_kept
            the_quota_can_be_filled_and_not_passed
            a_quota_in_the_grant_counts_instead_of_the_hosts
            a_quota_that_was_lowered_lets_the_plugin_clear_up
            a_key_is_a_text_and_never_a_path_or_a_pattern
            a_value_may_have_a_mebibyte_and_no_byte_more
            pages_have_each_key_once_whatever_is_removed_meanwhile
            a_page_that_ends_with_the_last_key_has_no_cursor
            numbers_are_added_up_and_other_values_left_alone
            a_batch_answers_in_order_and_has_a_size
            values_that_are_too_much_for_one_answer_are_not_given
            writers_at_once_lose_nothing_and_pass_no_quota
        })*
    };
}

async fn in_database() -> (Backend, (Arc<Store>, TempDir)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("store")).await.unwrap());
    (Arc::new(SqliteStore::new(store.clone())), (store, folder))
}

every_claim! {
    memory: async { (Arc::new(MemoryStore::default()) as Backend, ()) };
    sqlite: in_database();
}

#[tokio::test]
async fn a_back_end_that_fails_is_told_as_such() {
    struct Broken;
    impl KeyValue for Broken {
        fn open<'a>(
            &'a self,
            _: &'a plugwork::interfaces::storage::Owner,
            _: &'a str,
            _: Quota,
        ) -> plugwork::interfaces::storage::Pending<'a, Arc<dyn plugwork::interfaces::keyvalue::Values>> {
            Box::pin(async { Err(StorageError::Unavailable("the disk is gone".to_owned())) })
        }
    }
    let granted = Stores::new(Arc::new(Broken), &plugin(), bounds(json!({ "stores": ["main"] })), ROOMY);
    assert_eq!(granted.open("main").await.err().unwrap().to_string(), "unavailable: the disk is gone");
}

#[tokio::test]
async fn values_in_the_database_outlive_the_process_that_set_them() {
    let (backend, (store, folder)) = in_database().await;
    main_store(&backend, &plugin(), ROOMY).await.set("key", b"kept".to_vec()).await.unwrap();
    store.close().await;
    let again = Arc::new(Store::open(&folder.path().join("store")).await.unwrap());
    let backend: Backend = Arc::new(SqliteStore::new(again));
    assert_eq!(main_store(&backend, &plugin(), ROOMY).await.get("key").await.unwrap(), Some(b"kept".to_vec()));
}

#[tokio::test]
async fn an_error_of_the_database_names_no_file_of_the_host() {
    let (backend, (store, folder)) = in_database().await;
    let open = main_store(&backend, &plugin(), ROOMY).await;
    open.set("key", b"kept".to_vec()).await.unwrap();
    store.close().await;
    for error in [open.get("key").await.unwrap_err(), open.set("key", b"x".to_vec()).await.unwrap_err()] {
        assert_eq!(error, StorageError::Unavailable("the host has closed the stores".to_owned()));
    }
    let store = Arc::new(Store::open(&folder.path().join("store")).await.unwrap());
    let open = main_store(&(Arc::new(SqliteStore::new(store)) as Backend), &plugin(), ROOMY).await;
    std::fs::remove_file(folder.path().join("store/values.db")).unwrap();
    let error = open.set("key", b"x".to_vec()).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable(_)));
    assert!(!error.to_string().contains("values.db") && !error.to_string().contains('/'), "{error}");
}
