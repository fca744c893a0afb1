//! `wasi:keyvalue`: the stores that a grant names, decided on here for every back end alike.
//!
//! A back end is a [`KeyValue`]; it keeps and counts, and never decides. Easy to get wrong: the standard's errors have no room for a reason,
//! so a denial is `access-denied` for the guest and a record in the plugin's log for the one who reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plugwork_core::Subject;
use plugwork_core::limits::{KEYVALUE_BATCH_KEYS_MAX, KEYVALUE_HELD_BYTES_MAX, KEYVALUE_PAGE_KEYS_MAX, KEYVALUE_VALUE_BYTES_MAX};
use plugwork_core::policy::keyvalue::KeyValueBounds;
use plugwork_core::policy::{Access, KEY_BYTES_MAX};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::bindings::wasi::keyvalue::store::{Error as WireError, KeyResponse};
use super::bindings::wasi::keyvalue::{atomics, batch, store};
use super::storage::{Decider, Kept, Owner, Pending, Quota, StorageError, invalid};
use crate::account::Hold;
use crate::log::Level;
use crate::state::State;
use crate::usage::HostInterface;

/// Cursors that one open store remembers; older ones are no longer known.
const CURSORS_MAX: usize = 64;

/// Where values are kept. One for many plugins; everything is kept apart by owner and store.
pub trait KeyValue: Send + Sync + 'static {
    /// Opens one store of one owner; a store that was never written to is empty. The quota counts over all of the owner's stores.
    fn open<'a>(&'a self, owner: &'a Owner, store: &'a str, quota: Quota) -> Pending<'a, Arc<dyn Values>>;
}

/// The values of one store. Keys are compared as bytes; a write that a later read of the same owner does not see is a bug.
pub trait Values: Send + Sync + 'static {
    /// The value of a key.
    fn get<'a>(&'a self, key: &'a str) -> Pending<'a, Option<Vec<u8>>>;
    /// Sets one; counts before it keeps. What the owner keeps then, as for every write.
    fn set<'a>(&'a self, key: &'a str, value: Vec<u8>) -> Pending<'a, Kept>;
    /// Removes one; none is no error.
    fn delete<'a>(&'a self, key: &'a str) -> Pending<'a, Kept>;
    /// Whether there is one.
    fn exists<'a>(&'a self, key: &'a str) -> Pending<'a, bool>;
    /// Up to `limit` (at most 1,000) keys in the order of their bytes, after the one given, and whether there are more.
    fn list<'a>(&'a self, after: Option<&'a str>, limit: usize) -> Pending<'a, (Vec<String>, bool)>;
    /// Adds to a decimal number, an absent one being 0; gives the sum. `Invalid` where the value is none, or the sum passes 2^63 - 1.
    fn increment<'a>(&'a self, key: &'a str, delta: u64) -> Pending<'a, (u64, Kept)>;
    /// Sets all of them or none.
    fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Pending<'_, Kept>;
    /// Removes all of them or none.
    fn delete_many(&self, keys: Vec<String>) -> Pending<'_, Kept>;
    /// What the owner keeps in all stores.
    fn kept(&self) -> Pending<'_, Kept>;
}

/// One plugin's stores, within the bounds of its grant. What an instance is prepared with.
#[derive(Clone)]
pub struct Stores(Arc<Granted>);

struct Granted {
    backend: Arc<dyn KeyValue>,
    bounds: KeyValueBounds,
    owner: Owner,
    quota: Quota,
    decider: Decider,
}

impl Stores {
    /// Stores of this plugin in a back end. `quota` is the host's; the bounds only tighten it.
    pub fn new(backend: Arc<dyn KeyValue>, subject: &Subject, bounds: KeyValueBounds, quota: Quota) -> Self {
        let quota = quota.tightened(bounds.bytes, bounds.keys);
        let decider = Decider { capability: "keyvalue", codes: "E-CAP-KV", entries: "keys", plugin: subject.to_string() };
        Self(Arc::new(Granted { backend, bounds, owner: subject.into(), quota, decider }))
    }

    /// Opens a store that the grant names.
    pub async fn open(&self, name: &str) -> Result<OpenStore, StorageError> {
        let granted = &self.0;
        granted.decider.obey(granted.bounds.decide_store(name, Access::Read))?;
        let values = granted.backend.open(&granted.owner, name, granted.quota).await.map_err(|error| granted.decider.word(error))?;
        Ok(OpenStore { granted: granted.clone(), name: name.to_owned(), values, cursors: Mutex::default() })
    }
}

/// A store that was opened. Each call is decided anew.
pub struct OpenStore {
    granted: Arc<Granted>,
    name: String,
    values: Arc<dyn Values>,
    cursors: Mutex<Cursors>,
}

#[derive(Default)]
struct Cursors {
    last: u64,
    known: VecDeque<(u64, String)>,
}

impl Cursors {
    fn remember(&mut self, key: String) -> u64 {
        self.last += 1;
        if self.known.len() == CURSORS_MAX {
            self.known.pop_front();
        }
        self.known.push_back((self.last, key));
        self.last
    }

    fn key(&self, cursor: u64) -> Result<String, StorageError> {
        self.known.iter().find(|(known, _)| *known == cursor).map(|(_, key)| key.clone()).ok_or_else(|| {
            invalid("cursor", format!("{cursor} is not known"), format!("one of the last {CURSORS_MAX} cursors of this store handle"))
        })
    }
}

impl OpenStore {
    #[inline]
    fn decide(&self, key: &str, access: Access) -> Result<(), StorageError> {
        self.granted.decider.obey(self.granted.bounds.decide_key(&self.name, key, access))
    }

    fn word(&self, error: StorageError) -> StorageError {
        self.granted.decider.word(error)
    }

    /// The value of a key.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.decide(key, Access::Read)?;
        self.values.get(key).await
    }

    /// Whether a key has a value.
    pub async fn exists(&self, key: &str) -> Result<bool, StorageError> {
        self.decide(key, Access::Read)?;
        self.values.exists(key).await
    }

    /// Sets a value of at most 1 MiB. What the plugin keeps then, as for every write.
    pub async fn set(&self, key: &str, value: Vec<u8>) -> Result<Kept, StorageError> {
        self.decide(key, Access::Write)?;
        fits(&value)?;
        self.values.set(key, value).await.map_err(|error| self.word(error))
    }

    /// Removes a value.
    pub async fn delete(&self, key: &str) -> Result<Kept, StorageError> {
        self.decide(key, Access::Write)?;
        self.values.delete(key).await
    }

    /// Adds to a decimal number and gives the sum.
    pub async fn increment(&self, key: &str, delta: u64) -> Result<(u64, Kept), StorageError> {
        self.decide(key, Access::Write)?;
        self.values.increment(key, delta).await.map_err(|error| self.word(error))
    }

    /// The next page of keys, at most 1,000, in the order of their bytes, and the cursor of the page after it.
    ///
    /// A cursor stands for the last key of its page, so keys removed meanwhile do not make others be skipped. It is known to this store
    /// handle only, which remembers its last 64.
    pub async fn list(&self, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), StorageError> {
        self.granted.decider.obey(self.granted.bounds.decide_store(&self.name, Access::Read))?;
        let after = cursor.map(|cursor| lock(&self.cursors).key(cursor)).transpose()?;
        let (keys, more) = self.values.list(after.as_deref(), KEYVALUE_PAGE_KEYS_MAX).await?;
        let next = keys.last().filter(|_| more).map(|last| lock(&self.cursors).remember(last.clone()));
        Ok((keys, next))
    }

    /// The values of at most 1,000 keys, together at most 16 MiB.
    pub async fn get_many(&self, keys: Vec<String>) -> Result<Vec<Option<(String, Vec<u8>)>>, StorageError> {
        self.batch(keys.iter().map(String::as_str), Access::Read)?;
        let mut found = Vec::with_capacity(keys.len());
        let mut held_bytes = 0;
        for key in keys {
            let value = self.values.get(&key).await?;
            held_bytes += value.as_ref().map_or(0, Vec::len);
            if held_bytes > KEYVALUE_HELD_BYTES_MAX {
                return Err(invalid(
                    "keys",
                    "the values are too much for one answer".to_owned(),
                    format!("at most {KEYVALUE_HELD_BYTES_MAX} bytes"),
                ));
            }
            found.push(value.map(|value| (key, value)));
        }
        Ok(found)
    }

    /// Sets at most 1,000 values, all or none.
    pub async fn set_many(&self, values: Vec<(String, Vec<u8>)>) -> Result<Kept, StorageError> {
        self.batch(values.iter().map(|(key, _)| key.as_str()), Access::Write)?;
        values.iter().try_for_each(|(_, value)| fits(value))?;
        self.values.set_many(values).await.map_err(|error| self.word(error))
    }

    /// Removes at most 1,000 values, all or none.
    pub async fn delete_many(&self, keys: Vec<String>) -> Result<Kept, StorageError> {
        self.batch(keys.iter().map(String::as_str), Access::Write)?;
        self.values.delete_many(keys).await
    }

    /// What the plugin keeps in all of its stores.
    pub async fn kept(&self) -> Result<Kept, StorageError> {
        self.values.kept().await
    }

    fn batch<'a>(&self, mut keys: impl ExactSizeIterator<Item = &'a str>, access: Access) -> Result<(), StorageError> {
        // Asked of the store too: a batch without keys must not answer where a batch with one would not.
        self.granted.decider.obey(self.granted.bounds.decide_store(&self.name, access))?;
        if keys.len() > KEYVALUE_BATCH_KEYS_MAX {
            return Err(invalid("keys", format!("{} keys", keys.len()), format!("at most {KEYVALUE_BATCH_KEYS_MAX}")));
        }
        keys.try_for_each(|key| self.decide(key, access))
    }
}

fn lock(cursors: &Mutex<Cursors>) -> MutexGuard<'_, Cursors> {
    cursors.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fits(value: &[u8]) -> Result<(), StorageError> {
    if value.len() <= KEYVALUE_VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(invalid("value", format!("{} bytes", value.len()), format!("at most {KEYVALUE_VALUE_BYTES_MAX} bytes")))
}

/// Behind a `bucket` handle. Cloned out of the table before anything is waited for: an instance's state cannot be shared meanwhile.
#[derive(Clone)]
pub struct Bucket(Arc<OpenStore>);

/// Defines one of the interfaces of `wasi:keyvalue` over the instance's [`Stores`]. An unknown one defines nothing, and the engine names it.
pub fn link_keyvalue(interface: &plugwork_core::InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
    match interface.interface() {
        "store" => store::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::KeyValue)),
        "atomics" => atomics::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::KeyValue)),
        "batch" => batch::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::KeyValue)),
        _ => Ok(()),
    }
}

impl State {
    /// What the guest is told. A full quota or a wrong argument has a text; a denial has no room for one and goes to the log.
    fn keyvalue_error(&self, error: StorageError) -> WireError {
        if let StorageError::Denied(denial) = &error {
            self.account().denied(denial);
            if !denial.code.ends_with("-QUOTA") {
                self.log.write(Level::Warn, &denial.to_string());
                return WireError::AccessDenied;
            }
        }
        match error {
            StorageError::Absent(_) => WireError::NoSuchStore,
            other => WireError::Other(other.to_string()),
        }
    }

    /// The store behind a handle, and host memory for what crosses: charged before anything is read.
    fn opened(&self, bucket: &Resource<Bucket>, bytes: usize) -> wasmtime::Result<Result<(Bucket, Hold), WireError>> {
        let bucket = self.table.get(bucket)?.clone();
        // Counted by the account already: it is its own limit.
        Ok(self.account().hold(bytes as u64).map(|hold| (bucket, hold)).map_err(|denial| WireError::Other(denial.to_string())))
    }

    fn wrote<T>(&self, outcome: Result<(T, Kept), StorageError>) -> Result<T, WireError> {
        let (value, kept) = outcome.map_err(|error| self.keyvalue_error(error))?;
        self.account().storage("keyvalue", kept.bytes, kept.entries);
        Ok(value)
    }
}

/// Goes on with a store and the memory for it, or answers the guest.
macro_rules! opened {
    ($state:ident, $bucket:ident, $bytes:expr) => {
        match $state.opened(&$bucket, $bytes)? {
            Ok(opened) => opened,
            Err(told) => return Ok(Err(told)),
        }
    };
}

type Answer<T> = wasmtime::Result<Result<T, WireError>>;

impl store::Host for State {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let Some(stores) = self.get::<Stores>().cloned() else { return Ok(Err(WireError::AccessDenied)) };
        match stores.open(&identifier).await {
            Ok(open) => Ok(Ok(self.table.push(Bucket(Arc::new(open)))?)),
            Err(error) => Ok(Err(self.keyvalue_error(error))),
        }
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let (store, _hold) = opened!(self, bucket, KEYVALUE_VALUE_BYTES_MAX);
        let answer = store.0.get(&key).await;
        Ok(answer.map_err(|error| self.keyvalue_error(error)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let (store, _hold) = opened!(self, bucket, value.len());
        let kept = store.0.set(&key, value).await;
        Ok(self.wrote(kept.map(|kept| ((), kept))))
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let (store, _hold) = opened!(self, bucket, 0);
        let kept = store.0.delete(&key).await;
        Ok(self.wrote(kept.map(|kept| ((), kept))))
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let (store, _hold) = opened!(self, bucket, 0);
        let answer = store.0.exists(&key).await;
        Ok(answer.map_err(|error| self.keyvalue_error(error)))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Answer<KeyResponse> {
        let (store, _hold) = opened!(self, bucket, KEYVALUE_PAGE_KEYS_MAX * KEY_BYTES_MAX);
        let answer = store.0.list(cursor).await;
        Ok(answer.map(|(keys, cursor)| KeyResponse { keys, cursor }).map_err(|error| self.keyvalue_error(error)))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Answer<u64> {
        let (store, _hold) = opened!(self, bucket, 0);
        let outcome = store.0.increment(&key, delta).await;
        Ok(self.wrote(outcome))
    }
}

impl batch::Host for State {
    async fn get_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        // The last value may be read before it is seen to be one too many.
        let bytes = keys.len().saturating_mul(KEYVALUE_VALUE_BYTES_MAX).min(KEYVALUE_HELD_BYTES_MAX + KEYVALUE_VALUE_BYTES_MAX);
        let (store, _hold) = opened!(self, bucket, bytes);
        let answer = store.0.get_many(keys).await;
        Ok(answer.map_err(|error| self.keyvalue_error(error)))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, values: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let (store, _hold) = opened!(self, bucket, values.iter().map(|(key, value)| key.len() + value.len()).sum());
        let kept = store.0.set_many(values).await;
        Ok(self.wrote(kept.map(|kept| ((), kept))))
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Answer<()> {
        let (store, _hold) = opened!(self, bucket, 0);
        let kept = store.0.delete_many(keys).await;
        Ok(self.wrote(kept.map(|kept| ((), kept))))
    }
}
