//! `blob`: named containers of objects, for `wasi:blobstore`.
//!
//! The back end is in the files beside; bounds and decisions are in `plugwork::interfaces::blob`. Easy to get wrong: a container belongs to one
//! plugin of one tenant, and is there only after it was created.

mod folder;
mod object;
mod owner;

pub use folder::FolderBlobs;

use std::fmt;
use std::sync::{Arc, OnceLock};

use plugwork::interfaces::blob::{Blobs, GrantedContainers};
use plugwork::interfaces::link_blobstore;
use plugwork::interfaces::storage::Quota;
use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::{self, blob::BlobBounds};
use plugwork_core::{InterfaceName, Issue};
use serde_json::{Map, Value};

/// Offers containers: `{ containers = ["out"], access = "read" | "write", bytes = …, objects = … }`. See `plugwork_core::policy::blob`.
///
/// Without `bytes` and `objects` the plugin's `storage-bytes` and `storage-keys` are the quota.
#[derive(Clone)]
pub struct Blob {
    backend: Arc<dyn Blobs>,
}

impl Blob {
    /// Objects are kept in this back end.
    pub fn new(backend: Arc<dyn Blobs>) -> Self {
        Self { backend }
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").finish_non_exhaustive()
    }
}

struct Granted {
    backend: Arc<dyn Blobs>,
    subject: Subject,
    bounds: BlobBounds,
    /// One for all instances: made with the first, because the limits come with it.
    containers: OnceLock<GrantedContainers>,
}

impl Capability for Blob {
    fn name(&self) -> &'static str {
        "blob"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:blobstore/types", "wasi:blobstore/container", "wasi:blobstore/blobstore"]
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds = policy::parse(bounds)?;
        Ok(Box::new(Granted { backend: self.backend.clone(), subject: subject.clone(), bounds, containers: OnceLock::new() }))
    }
}

impl Configured for Granted {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        link_blobstore(interface, linker)
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        let containers = self.containers.get_or_init(|| {
            let limits = instance.account().limits();
            let quota = Quota { bytes: limits.storage_bytes, entries: limits.storage_keys };
            GrantedContainers::new(self.backend.clone(), &self.subject, self.bounds.clone(), quota)
        });
        instance.insert(containers.clone());
        Ok(())
    }
}
