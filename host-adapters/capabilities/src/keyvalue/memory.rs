//! Values in memory: gone with the process. For tests, caches, and hosts without a disk.
//!
//! What is kept counts against the quota of bytes and not, a second time, against the plugin's memory. Easy to get wrong: the lock is one for
//! each owner and is never held across a wait.

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugwork::interfaces::keyvalue::{KeyValue, Values};
use plugwork::interfaces::storage::{Kept, Owner, Pending, Quota, StorageError};

use super::number;

/// Keeps values in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<Owner, Arc<Mutex<Owned>>>>);

/// What one owner keeps.
#[derive(Debug, Default)]
struct Owned {
    names: Vec<String>,
    stores: Vec<BTreeMap<String, Vec<u8>>>,
    kept: Kept,
}

struct MemoryValues {
    owned: Arc<Mutex<Owned>>,
    /// Which of its stores: found once, when it is opened.
    store: usize,
    quota: Quota,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn done<'a, T: Send + 'a>(answer: Result<T, StorageError>) -> Pending<'a, T> {
    Box::pin(ready(answer))
}

impl KeyValue for MemoryStore {
    fn open<'a>(&'a self, owner: &'a Owner, store: &'a str, quota: Quota) -> Pending<'a, Arc<dyn Values>> {
        let owned = lock(&self.0).entry(owner.clone()).or_default().clone();
        let store = {
            let mut owned = lock(&owned);
            match owned.names.iter().position(|name| name == store) {
                Some(store) => store,
                None => {
                    owned.names.push(store.to_owned());
                    owned.stores.push(BTreeMap::new());
                    owned.names.len() - 1
                }
            }
        };
        done(Ok(Arc::new(MemoryValues { owned, store, quota }) as Arc<dyn Values>))
    }
}

fn size(key: &str, value: &[u8]) -> Kept {
    Kept { bytes: (key.len() + value.len()) as u64, entries: 1 }
}

impl MemoryValues {
    fn remove(&self, owned: &mut Owned, key: &str) {
        if let Some(value) = owned.stores[self.store].remove(key) {
            owned.kept = owned.kept.without(size(key, &value));
        }
    }

    /// Checked and counted as a whole before the first is kept.
    fn put(&self, owned: &mut Owned, values: Vec<(String, Vec<u8>)>) -> Result<Kept, StorageError> {
        let store = &owned.stores[self.store];
        let mut last: HashMap<&str, &[u8]> = HashMap::with_capacity(values.len());
        last.extend(values.iter().map(|(key, value)| (key.as_str(), value.as_slice())));
        let (mut more, mut less) = (Kept::default(), Kept::default());
        for (key, value) in last {
            let new = size(key, value);
            let old = store.get(key).map_or(Kept::default(), |value| size(key, value));
            more = Kept { bytes: more.bytes + new.bytes.saturating_sub(old.bytes), entries: more.entries + new.entries - old.entries };
            less.bytes += old.bytes.saturating_sub(new.bytes);
        }
        // What shrinks makes room for what grows in the same write.
        let freed = less.bytes.min(more.bytes);
        (more.bytes, less.bytes) = (more.bytes - freed, less.bytes - freed);
        owned.kept = owned.kept.with(more, self.quota)?.without(less);
        owned.stores[self.store].extend(values);
        Ok(owned.kept)
    }
}

impl Values for MemoryValues {
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        let value = lock(&self.owned).stores[self.store].get(key).cloned();
        done(Ok(value))
    }

    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Pending<'a, Kept> {
        self.set_many(vec![(key.to_owned(), value)])
    }

    fn delete<'a>(&'a self, key: &'a str) -> Pending<'a, Kept> {
        let mut owned = lock(&self.owned);
        self.remove(&mut owned, key);
        done(Ok(owned.kept))
    }

    fn exists<'a>(&'a self, key: &'a str) -> Pending<'a, bool> {
        done(Ok(lock(&self.owned).stores[self.store].contains_key(key)))
    }

    fn list<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Pending<'a, (Vec<String>, bool)> {
        let owned = lock(&self.owned);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut keys = owned.stores[self.store].range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
        let page: Vec<String> = keys.by_ref().take(limit).cloned().collect();
        let more = keys.next().is_some();
        done(Ok((page, more)))
    }

    fn increment<'a>(&'a self, key: &'a str, delta: u64) -> Pending<'a, (u64, Kept)> {
        let mut owned = lock(&self.owned);
        let sum = number::sum(owned.stores[self.store].get(key).map(Vec::as_slice), delta);
        done(sum.and_then(|sum| {
            let kept = self.put(&mut owned, vec![(key.to_owned(), sum.to_string().into_bytes())])?;
            Ok((sum, kept))
        }))
    }

    fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Pending<'_, Kept> {
        done(self.put(&mut lock(&self.owned), values))
    }

    fn delete_many(&self, keys: Vec<String>) -> Pending<'_, Kept> {
        let mut owned = lock(&self.owned);
        keys.iter().for_each(|key| self.remove(&mut owned, key));
        done(Ok(owned.kept))
    }

    fn kept(&self) -> Pending<'_, Kept> {
        done(Ok(lock(&self.owned).kept))
    }
}
