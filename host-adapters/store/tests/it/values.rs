//! The values of plugins: what is set is there, namespaces never meet, and a quota holds at its edge.

use futures::future::join_all;
use plugwork_store::{KEY_BYTES_MAX, Namespace, Quota, QuotaExceeded, Store, StoreErrorKind, Swapped, Usage, VALUE_BYTES_MAX};

use crate::sample::temporary;

const WIDE: Quota = Quota { bytes: 1 << 30, keys: 1 << 20 };

fn namespace(tenant: &str, instance: &str, package: &str, store: &str) -> Namespace {
    Namespace { tenant: tenant.to_owned(), instance: instance.to_owned(), package: package.parse().unwrap(), store: store.to_owned() }
}

fn cache() -> Namespace {
    namespace("default", "", "acme:markdown", "cache")
}

#[tokio::test]
async fn what_is_set_is_there_after_a_restart_and_gone_when_deleted() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    assert_eq!(values.get(&cache, "a").await.unwrap(), None);
    values.set(&cache, "a", b"1".to_vec(), WIDE).await.unwrap();
    values.set(&cache, "a", b"two".to_vec(), WIDE).await.unwrap();
    values.set(&cache, "empty", vec![], WIDE).await.unwrap();
    store.close().await;
    let again = Store::open(store.folder.path()).await.unwrap();
    let values = again.values();
    assert_eq!(values.get(&cache, "a").await.unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(values.get(&cache, "empty").await.unwrap().as_deref(), Some(&b""[..]));
    assert!(values.exists(&cache, "empty").await.unwrap() && !values.exists(&cache, "A").await.unwrap());
    assert_eq!(values.usage(&cache).await.unwrap(), Usage { bytes: 9, keys: 2 });
    assert!(values.delete(&cache, "a").await.unwrap() && !values.delete(&cache, "a").await.unwrap());
    assert_eq!(values.usage(&cache).await.unwrap(), Usage { bytes: 5, keys: 1 });
}

#[tokio::test]
async fn namespaces_never_meet() {
    let store = temporary().await;
    let values = store.values();
    // Texts that would meet if they were joined.
    let namespaces = [
        namespace("a", "", "acme:b", "c"),
        namespace("a", "", "acme:b", "d"),
        namespace("a", "x", "acme:b", "c"),
        namespace("ax", "", "acme:b", "c"),
        namespace("a", "", "acme:bc", ""),
        namespace("a/", "", "acme:b", "c"),
        namespace("a", "\0", "acme:b", "c"),
    ];
    for (index, namespace) in namespaces.iter().enumerate() {
        values.set(namespace, "key", vec![index as u8], WIDE).await.unwrap();
    }
    for (index, namespace) in namespaces.iter().enumerate() {
        assert_eq!(values.get(namespace, "key").await.unwrap(), Some(vec![index as u8]));
        assert_eq!(values.list(namespace, None, 10).await.unwrap().keys, ["key"]);
    }
    assert_eq!(values.forget(&namespaces[0]).await.unwrap(), 2, "both stores of that plugin");
    for (index, namespace) in namespaces.iter().enumerate() {
        assert_eq!(values.exists(namespace, "key").await.unwrap(), index > 1);
    }
}

#[tokio::test]
async fn the_quota_holds_at_its_edge_over_all_stores_of_a_plugin() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let other = Namespace { store: "other".to_owned(), ..cache.clone() };
    let quota = Quota { bytes: 10, keys: 3 };
    values.set(&cache, "a", vec![0; 4], quota).await.unwrap();
    values.set(&other, "b", vec![0; 4], quota).await.unwrap();
    let error = values.set(&other, "b", vec![0; 5], quota).await.unwrap_err();
    let StoreErrorKind::Quota(exceeded) = error.kind() else { panic!("{error}") };
    assert_eq!(*exceeded, QuotaExceeded { quota, asked: Usage { bytes: 11, keys: 2 } });
    assert_eq!(values.get(&other, "b").await.unwrap(), Some(vec![0; 4]), "nothing was changed");
    assert_eq!(values.usage_of_plugin(&cache).await.unwrap(), Usage { bytes: 10, keys: 2 });
    // A neighbour has a quota of its own.
    values.set(&namespace("default", "step", "acme:markdown", "cache"), "a", vec![0; 9], quota).await.unwrap();
    // Keys count too, and an empty one is one.
    values.set(&cache, "a", vec![], quota).await.unwrap();
    values.set(&cache, "c", vec![], quota).await.unwrap();
    assert!(matches!(values.set(&cache, "d", vec![], quota).await.unwrap_err().kind(), StoreErrorKind::Quota(_)));
    // A quota lowered below the usage still lets a plugin make its values smaller.
    let lowered = Quota { bytes: 2, keys: 1 };
    values.set(&other, "b", vec![0; 3], lowered).await.unwrap();
    assert!(values.set(&other, "b", vec![0; 4], lowered).await.is_err());
    assert!(values.increment(&other, "n", 1, lowered).await.is_err());
}

#[tokio::test]
async fn many_are_set_all_or_none_and_read_as_of_one_moment() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let entries = |count: u8| (0..count).map(|index| (format!("k{index}"), vec![index])).collect::<Vec<_>>();
    let quota = Quota { bytes: 1_000, keys: 3 };
    assert!(values.set_many(&cache, entries(4), quota).await.is_err());
    assert_eq!(values.usage(&cache).await.unwrap(), Usage::default());
    values.set_many(&cache, entries(3), quota).await.unwrap();
    let keys = ["k2", "missing", "k0", "k2"].map(str::to_owned);
    assert_eq!(values.get_many(&cache, &keys).await.unwrap(), [Some(vec![2]), None, Some(vec![0]), Some(vec![2])]);
    assert_eq!(values.delete_many(&cache, keys.to_vec()).await.unwrap(), 2);
    assert_eq!(values.list(&cache, None, 10).await.unwrap().keys, ["k1"]);
    // One key twice in one call counts once.
    values.set_many(&cache, vec![("k1".to_owned(), vec![1; 9]), ("k1".to_owned(), vec![2])], quota).await.unwrap();
    assert_eq!(values.usage(&cache).await.unwrap(), Usage { bytes: 3, keys: 1 });
}

#[tokio::test]
async fn keys_are_listed_in_pages_in_the_order_of_their_bytes() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let mut keys: Vec<String> = ["", "B", "a", "é", "a\0b", "a/../b", "%", "_", "🦀"].map(str::to_owned).into();
    values.set_many(&cache, keys.iter().map(|key| (key.clone(), key.clone().into_bytes())).collect(), WIDE).await.unwrap();
    keys.sort();
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = values.list(&cache, cursor.as_deref(), 2).await.unwrap();
        assert!(page.keys.len() <= 2);
        listed.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, keys);
    for key in keys {
        assert_eq!(values.get(&cache, &key).await.unwrap(), Some(key.into_bytes()));
    }
}

#[tokio::test]
async fn increments_at_once_lose_none_and_refuse_what_is_no_number() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let sums = join_all((0..100).map(|_| values.increment(&cache, "n", 3, WIDE))).await;
    let mut sums: Vec<i64> = sums.into_iter().map(Result::unwrap).collect();
    sums.sort_unstable();
    assert!(sums.into_iter().eq((1..=100).map(|index| index * 3)));
    assert_eq!(values.get(&cache, "n").await.unwrap().as_deref(), Some(&b"300"[..]));
    assert_eq!(values.increment(&cache, "n", -301, WIDE).await.unwrap(), -1);
    for bad in [&b"x"[..], b"", b"1.5", b"9223372036854775807", b"\xff"] {
        values.set(&cache, "n", bad.to_vec(), WIDE).await.unwrap();
        let error = values.increment(&cache, "n", 1, WIDE).await.unwrap_err();
        assert!(matches!(error.kind(), StoreErrorKind::NotANumber), "{error}");
        assert_eq!(values.get(&cache, "n").await.unwrap().as_deref(), Some(bad));
    }
}

#[tokio::test]
async fn of_many_who_compare_and_set_one_wins() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let tries = join_all((0..20).map(|index| values.compare_and_set(&cache, "k", None, vec![index], WIDE))).await;
    let tries: Vec<_> = tries.into_iter().map(Result::unwrap).collect();
    assert_eq!(tries.iter().filter(|outcome| **outcome == Swapped::Yes).count(), 1);
    let present = values.get(&cache, "k").await.unwrap();
    assert!(tries.iter().all(|outcome| *outcome == Swapped::Yes || *outcome == Swapped::No(present.clone())));
    assert_eq!(values.compare_and_set(&cache, "k", present, b"next".to_vec(), WIDE).await.unwrap(), Swapped::Yes);
}

#[tokio::test]
async fn a_change_that_is_refused_harms_no_other_in_the_same_commit() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    let tight = Quota { bytes: 0, keys: 0 };
    let sets = (0..60).map(|index| {
        let quota = if index % 3 == 0 { tight } else { WIDE };
        let (values, cache) = (values, &cache);
        async move { values.set(cache, &format!("k{index}"), vec![1], quota).await }
    });
    for (index, outcome) in join_all(sets).await.into_iter().enumerate() {
        assert_eq!(outcome.is_err(), index % 3 == 0, "{index}");
    }
    assert_eq!(values.usage(&cache).await.unwrap().keys, 40);
}

#[tokio::test]
async fn keys_and_values_are_bounded() {
    let store = temporary().await;
    let (values, cache) = (store.values(), cache());
    values.set(&cache, &"k".repeat(KEY_BYTES_MAX), vec![7; VALUE_BYTES_MAX], WIDE).await.unwrap();
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    for error in [
        values.set(&cache, &long, vec![], WIDE).await.unwrap_err(),
        values.get(&cache, &long).await.unwrap_err(),
        values.set(&cache, "k", vec![7; VALUE_BYTES_MAX + 1], WIDE).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), StoreErrorKind::TooLong { .. }), "{error}");
    }
}
