//! Values in the node's own database: durable when a call returns, and shared by every process that has the folder open.
//!
//! Namespaces, counting and commits are `plugwork_store`'s; here its errors get the words of this capability. Easy to get wrong: the errors of
//! the database name files of the host, which a plugin must not be told.

use std::sync::Arc;

use plugwork::interfaces::keyvalue::{KeyValue, Values};
use plugwork::interfaces::storage::{Full, Kept, Owner, Pending, Quota, StorageError};
use plugwork_core::Issue;
use plugwork_store::{LIST_KEYS_MAX, Namespace, Store, StoreError, StoreErrorKind, Swapped};

use super::number;

/// Keeps values in a [`Store`].
#[derive(Clone)]
pub struct SqliteStore(Arc<Store>);

impl SqliteStore {
    /// Values go where the store's folder is.
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }
}

struct SqliteValues {
    store: Arc<Store>,
    namespace: Namespace,
    quota: plugwork_store::Quota,
}

impl KeyValue for SqliteStore {
    fn open<'a>(&'a self, owner: &'a Owner, store: &'a str, quota: Quota) -> Pending<'a, Arc<dyn Values>> {
        let Owner { tenant, instance, package } = owner.clone();
        // A store that nothing was written to has no row: opening costs nothing.
        let values = SqliteValues {
            store: self.0.clone(),
            namespace: Namespace { tenant, instance, package, store: store.to_owned() },
            quota: plugwork_store::Quota { bytes: quota.bytes, keys: quota.entries },
        };
        Box::pin(async { Ok(Arc::new(values) as Arc<dyn Values>) })
    }
}

/// The error without the names of files.
fn told(error: StoreError) -> StorageError {
    let unavailable = |why: &str| StorageError::Unavailable(why.to_owned());
    match error.kind() {
        StoreErrorKind::Quota(exceeded) if exceeded.asked.bytes > exceeded.quota.bytes => {
            StorageError::Full(Full { bound: "bytes", limit: exceeded.quota.bytes, asked: exceeded.asked.bytes })
        }
        StoreErrorKind::Quota(exceeded) => {
            StorageError::Full(Full { bound: "entries", limit: exceeded.quota.keys, asked: exceeded.asked.keys })
        }
        StoreErrorKind::TooLong { what, bytes, bytes_max } => StorageError::Invalid(Issue {
            what: format!("{bytes} bytes"),
            at: (*what).to_owned(),
            expected: format!("at most {bytes_max} bytes"),
        }),
        StoreErrorKind::Busy { .. } => unavailable("another process of the host holds the stores"),
        StoreErrorKind::Full { .. } => unavailable("the host's disk is full"),
        StoreErrorKind::Closed => unavailable("the host has closed the stores"),
        _ => unavailable("the host's database failed"),
    }
}

impl SqliteValues {
    async fn kept_now(&self) -> Result<Kept, StorageError> {
        let usage = self.store.values().usage_of_plugin(&self.namespace).await.map_err(told)?;
        Ok(Kept { bytes: usage.bytes, entries: usage.keys })
    }

    /// Swaps until nobody was in between: the database's own sum may be negative, which no answer has room for.
    async fn add(&self, key: &str, delta: u64) -> Result<u64, StorageError> {
        let values = self.store.values();
        let mut present = values.get(&self.namespace, key).await.map_err(told)?;
        loop {
            let sum = number::sum(present.as_deref(), delta)?;
            let text = sum.to_string().into_bytes();
            match values.compare_and_set(&self.namespace, key, present, text, self.quota).await.map_err(told)? {
                Swapped::Yes => return Ok(sum),
                Swapped::No(other) => present = other,
            }
        }
    }
}

impl Values for SqliteValues {
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move { self.store.values().get(&self.namespace, key).await.map_err(told) })
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Pending<'a, Kept> {
        self.set_many(vec![(key.to_owned(), value)])
    }

    fn delete<'a>(&'a self, key: &'a str) -> Pending<'a, Kept> {
        self.delete_many(vec![key.to_owned()])
    }

    fn exists<'a>(&'a self, key: &'a str) -> Pending<'a, bool> {
        Box::pin(async move { self.store.values().exists(&self.namespace, key).await.map_err(told) })
    }

    fn list<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Pending<'a, (Vec<String>, bool)> {
        let limit = u32::try_from(limit).unwrap_or(LIST_KEYS_MAX);
        Box::pin(async move {
            let page = self.store.values().list(&self.namespace, after, limit).await.map_err(told)?;
            Ok((page.keys, page.cursor.is_some()))
        })
    }

    fn increment<'a>(&'a self, key: &'a str, delta: u64) -> Pending<'a, (u64, Kept)> {
        Box::pin(async move { Ok((self.add(key, delta).await?, self.kept_now().await?)) })
    }

    fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Pending<'_, Kept> {
        Box::pin(async move {
            self.store.values().set_many(&self.namespace, values, self.quota).await.map_err(told)?;
            self.kept_now().await
        })
    }

    fn delete_many(&self, keys: Vec<String>) -> Pending<'_, Kept> {
        Box::pin(async move {
            self.store.values().delete_many(&self.namespace, keys).await.map_err(told)?;
            self.kept_now().await
        })
    }

    fn kept(&self) -> Pending<'_, Kept> {
        Box::pin(self.kept_now())
    }
}
