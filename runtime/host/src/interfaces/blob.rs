//! Containers of objects, within the bounds of one grant, decided on here for every back end alike. What `wasi:blobstore` calls is in
//! `blob_wire`.
//!
//! A back end is a [`Blobs`]; it keeps and counts, and never decides. Easy to get wrong: an object appears under its name when it is whole and
//! never before, so what was staged and not kept must leave nothing.

use std::sync::Arc;

use bytes::Bytes;
use plugwork_core::limits::{BLOB_CHUNK_BYTES_MAX, BLOB_NAMES_MAX, BLOB_OPEN_MAX};
use plugwork_core::policy::Access;
use plugwork_core::policy::blob::BlobBounds;
use plugwork_core::{Denial, Subject};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::storage::{Decider, Kept, Owner, Pending, Quota, StorageError, invalid};

/// Where objects are kept. One for many plugins; everything is kept apart by owner and container.
pub trait Blobs: Send + Sync + 'static {
    /// Opens the containers of one owner. The quota counts over all of them.
    fn open<'a>(&'a self, owner: &'a Owner, quota: Quota) -> Pending<'a, Arc<dyn Containers>>;
}

/// The containers of one owner. A container that was never created is absent; asking for its objects is [`StorageError::Absent`].
pub trait Containers: Send + Sync + 'static {
    /// Makes an empty one; `Invalid` where it is there already.
    fn create<'a>(&'a self, container: &'a str) -> Pending<'a, ()>;
    /// When it was made, in seconds since 1970; `None` where it is not there.
    fn created_s<'a>(&'a self, container: &'a str) -> Pending<'a, Option<u64>>;
    /// Removes it with all of its objects; none is no error.
    fn remove<'a>(&'a self, container: &'a str) -> Pending<'a, ()>;
    /// Removes all of its objects.
    fn clear<'a>(&'a self, container: &'a str) -> Pending<'a, ()>;
    /// Opens an object; it can be read to its end even if it is removed or replaced meanwhile.
    fn object<'a>(&'a self, container: &'a str, name: &'a str) -> Pending<'a, Option<Box<dyn Object>>>;
    /// Removes an object; none is no error.
    fn delete<'a>(&'a self, container: &'a str, name: &'a str) -> Pending<'a, ()>;
    /// Up to `limit` objects after the place given, in any order that stays the same.
    fn list<'a>(&'a self, container: &'a str, after: Option<&'a str>, limit: usize) -> Pending<'a, Vec<Listed>>;
    /// Begins an object that has no name yet.
    fn stage(&self) -> Pending<'_, Box<dyn Staged>>;
    /// What the owner keeps, staged bytes included.
    fn kept(&self) -> Pending<'_, Kept>;
}

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where the list goes on after this one; means nothing to a plugin.
    pub place: String,
    /// The object's name.
    pub name: String,
}

/// An object that can be read.
pub trait Object: Send + Sync + 'static {
    /// Its bytes.
    fn size_bytes(&self) -> u64;
    /// When it was written, in seconds since 1970.
    fn created_s(&self) -> u64;
    /// Up to `bytes` (at most 64 KiB) at an offset; fewer only at the end. Reads a local file or memory: it may not wait for a network.
    fn read_at(&self, offset: u64, bytes: usize) -> Result<Bytes, StorageError>;
}

/// An object under way. Dropping it leaves nothing.
pub trait Staged: Send + Sync + 'static {
    /// Appends; counts against the quota before it writes. Writes a local file or memory: it may not wait for a network.
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError>;
    /// Puts it under a name, durably, in place of what was there. `Absent` where the container is not there.
    fn keep(self: Box<Self>, container: &str, name: &str) -> Pending<'static, ()>;
}

/// One plugin's containers, within the bounds of its grant. What an instance is prepared with.
#[derive(Clone)]
pub struct GrantedContainers(Arc<Granted>);

struct Granted {
    backend: Arc<dyn Blobs>,
    bounds: BlobBounds,
    owner: Owner,
    quota: Quota,
    decider: Decider,
    /// Objects open to be read or written, over all instances: each is a descriptor of the host.
    open: Arc<Semaphore>,
}

/// An open object counts against how many a plugin may have open, until this is dropped.
pub struct Open<T> {
    /// The object.
    pub what: T,
    _slot: OwnedSemaphorePermit,
}

impl GrantedContainers {
    /// Containers of this plugin in a back end. `quota` is the host's; the bounds only tighten it.
    pub fn new(backend: Arc<dyn Blobs>, subject: &Subject, bounds: BlobBounds, quota: Quota) -> Self {
        let quota = quota.tightened(bounds.bytes, bounds.objects);
        let decider = Decider { capability: "blob", codes: "E-CAP-BLOB", entries: "objects", plugin: subject.to_string() };
        let open = Arc::new(Semaphore::new(BLOB_OPEN_MAX));
        Self(Arc::new(Granted { backend, bounds, owner: subject.into(), quota, decider, open }))
    }

    /// Makes an empty container.
    pub async fn create(&self, container: &str) -> Result<(), StorageError> {
        self.container(container, Access::Write).await?.create(container).await
    }

    /// When a container was made, in seconds since 1970; `None` where it was not.
    pub async fn created_s(&self, container: &str) -> Result<Option<u64>, StorageError> {
        self.container(container, Access::Read).await?.created_s(container).await
    }

    /// Removes a container with its objects.
    pub async fn remove(&self, container: &str) -> Result<(), StorageError> {
        self.container(container, Access::Write).await?.remove(container).await
    }

    /// Removes a container's objects.
    pub async fn clear(&self, container: &str) -> Result<(), StorageError> {
        self.container(container, Access::Write).await?.clear(container).await
    }

    /// Opens an object; `Absent` where there is none.
    pub async fn object(&self, container: &str, name: &str) -> Result<Open<Box<dyn Object>>, StorageError> {
        let containers = self.named(container, name, Access::Read).await?;
        let slot = self.slot()?;
        match containers.object(container, name).await? {
            Some(what) => Ok(Open { what, _slot: slot }),
            None => Err(StorageError::Absent(format!("object `{}` in container `{container}`", name.escape_debug()))),
        }
    }

    /// Whether there is an object.
    pub async fn has(&self, container: &str, name: &str) -> Result<bool, StorageError> {
        Ok(self.named(container, name, Access::Read).await?.object(container, name).await?.is_some())
    }

    /// Removes objects, at most 1,000.
    pub async fn delete(&self, container: &str, names: &[String]) -> Result<(), StorageError> {
        if names.len() > BLOB_NAMES_MAX {
            return Err(invalid("names", format!("{} names", names.len()), format!("at most {BLOB_NAMES_MAX}")));
        }
        // All are decided before the first is removed.
        names.iter().try_for_each(|name| self.0.decider.obey(self.0.bounds.decide_object(container, name, Access::Write)))?;
        let containers = self.container(container, Access::Write).await?;
        for name in names {
            containers.delete(container, name).await?;
        }
        Ok(())
    }

    /// Objects after a place, at most 1,000 of them, and whether there are more.
    pub async fn list(&self, container: &str, after: Option<&str>, limit: usize) -> Result<(Vec<Listed>, bool), StorageError> {
        let limit = limit.min(BLOB_NAMES_MAX);
        let mut listed = self.container(container, Access::Read).await?.list(container, after, limit + 1).await?;
        let more = listed.len() > limit;
        listed.truncate(limit);
        Ok((listed, more))
    }

    /// Begins an object that has no name yet.
    pub async fn stage(&self) -> Result<Open<Box<dyn Staged>>, StorageError> {
        // Not decided by name, which is not known yet; but who may write nothing may not fill the disk with what has no name.
        let names = &self.0.bounds.containers;
        self.0.decider.obey(self.0.bounds.decide_container(names.first().map_or("", String::as_str), Access::Write))?;
        let slot = self.slot()?;
        let what = self.opened().await?.stage().await.map_err(|error| self.word(error))?;
        Ok(Open { what, _slot: slot })
    }

    /// Whether an object of that name may be written.
    pub fn may_write(&self, container: &str, name: &str) -> Result<(), StorageError> {
        self.0.decider.obey(self.0.bounds.decide_object(container, name, Access::Write))
    }

    /// Puts what was staged under its name.
    pub async fn keep(&self, staged: Open<Box<dyn Staged>>, container: &str, name: &str) -> Result<(), StorageError> {
        self.may_write(container, name)?;
        staged.what.keep(container, name).await.map_err(|error| self.word(error))
    }

    /// Copies an object, 64 KiB at a time. Both are kept meanwhile, so the quota must have room for both.
    pub async fn copy(&self, from: (&str, &str), to: (&str, &str)) -> Result<(), StorageError> {
        self.may_write(to.0, to.1)?;
        let object = self.object(from.0, from.1).await?;
        let mut staged = self.stage().await?;
        let mut offset = 0;
        loop {
            let chunk = object.what.read_at(offset, BLOB_CHUNK_BYTES_MAX)?;
            if chunk.is_empty() {
                break;
            }
            offset += chunk.len() as u64;
            staged.what.write(&chunk).map_err(|error| self.word(error))?;
            // A large copy must not keep a deadline from being noticed.
            tokio::task::yield_now().await;
        }
        self.keep(staged, to.0, to.1).await
    }

    /// What the plugin keeps in all of its containers.
    pub async fn kept(&self) -> Result<Kept, StorageError> {
        self.opened().await?.kept().await
    }

    /// The same error, worded for the plugin's grant.
    pub(super) fn word(&self, error: StorageError) -> StorageError {
        self.0.decider.word(error)
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        self.0.open.clone().try_acquire_owned().map_err(|_| {
            StorageError::Denied(Denial {
                code: "E-CAP-BLOB-OPEN".to_owned(),
                permission: "blob".to_owned(),
                rule: format!("at most {BLOB_OPEN_MAX} objects may be open at once (plugin `{}`)", self.0.decider.plugin),
                hint: String::new(),
            })
        })
    }

    async fn container(&self, container: &str, access: Access) -> Result<Arc<dyn Containers>, StorageError> {
        self.0.decider.obey(self.0.bounds.decide_container(container, access))?;
        self.opened().await
    }

    async fn named(&self, container: &str, name: &str, access: Access) -> Result<Arc<dyn Containers>, StorageError> {
        self.0.decider.obey(self.0.bounds.decide_object(container, name, access))?;
        self.opened().await
    }

    async fn opened(&self) -> Result<Arc<dyn Containers>, StorageError> {
        self.0.backend.open(&self.0.owner, self.0.quota).await
    }
}
