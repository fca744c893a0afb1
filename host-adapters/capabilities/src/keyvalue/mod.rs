//! `keyvalue`: named stores of values, for `wasi:keyvalue`.
//!
//! Back ends are in the files beside; bounds and decisions are in `plugwork::interfaces::keyvalue`, the same for all of them. Easy to get
//! wrong: a store belongs to one plugin of one tenant. Two plugins that were both granted `cache` have two stores.

mod memory;
mod number;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;

use std::fmt;
use std::sync::{Arc, OnceLock};

use plugwork::interfaces::keyvalue::{self, Stores};
use plugwork::interfaces::link_keyvalue;
use plugwork::interfaces::storage::Quota;
use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::{self, keyvalue::KeyValueBounds};
use plugwork_core::{InterfaceName, Issue};
use plugwork_store::Store;
use serde_json::{Map, Value};

/// Offers stores: `{ stores = ["cache"], access = "read" | "write", bytes = …, keys = … }`. See `plugwork_core::policy::keyvalue`.
///
/// Without `bytes` and `keys` the plugin's `storage-bytes` and `storage-keys` are the quota.
#[derive(Clone)]
pub struct KeyValue {
    backend: Arc<dyn keyvalue::KeyValue>,
}

impl KeyValue {
    /// Values are kept in this back end.
    pub fn new(backend: Arc<dyn keyvalue::KeyValue>) -> Self {
        Self { backend }
    }

    /// Values are kept in the node's database.
    pub fn in_store(store: Arc<Store>) -> Self {
        Self::new(Arc::new(SqliteStore::new(store)))
    }

    /// Values are kept in memory and gone with the process.
    pub fn in_memory() -> Self {
        Self::new(Arc::new(MemoryStore::default()))
    }
}

impl fmt::Debug for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyValue").finish_non_exhaustive()
    }
}

struct Granted {
    backend: Arc<dyn keyvalue::KeyValue>,
    subject: Subject,
    bounds: KeyValueBounds,
    /// One for all instances: made with the first, because the limits come with it.
    stores: OnceLock<Stores>,
}

impl Capability for KeyValue {
    fn name(&self) -> &'static str {
        "keyvalue"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:keyvalue/store", "wasi:keyvalue/atomics", "wasi:keyvalue/batch"]
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds = policy::parse(bounds)?;
        Ok(Box::new(Granted { backend: self.backend.clone(), subject: subject.clone(), bounds, stores: OnceLock::new() }))
    }
}

impl Configured for Granted {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        link_keyvalue(interface, linker)
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        let stores = self.stores.get_or_init(|| {
            let limits = instance.account().limits();
            let quota = Quota { bytes: limits.storage_bytes, entries: limits.storage_keys };
            Stores::new(self.backend.clone(), &self.subject, self.bounds.clone(), quota)
        });
        instance.insert(stores.clone());
        Ok(())
    }
}
