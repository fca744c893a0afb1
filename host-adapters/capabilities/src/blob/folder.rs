//! Objects as files below one folder of the host.
//!
//! ```text
//! blobs/OWNER/staging/…                 objects under way; what a crash left there is removed after a day
//! blobs/OWNER/CONTAINER/12/3456…        one file for each object (`object`)
//! ```
//! `OWNER`, `CONTAINER` and the file's name are digests: no text of a plugin becomes a path. Easy to get wrong: what is kept is counted once,
//! when the owner is first opened, and then by differences; a second process that writes the same owner is not seen until the next start.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use plugwork::interfaces::blob::{Blobs, Containers, Listed, Object, Staged};
use plugwork::interfaces::storage::{Kept, Owner, Pending, Quota, StorageError};
use plugwork_core::{Digest, Issue};

use super::object::{self, ObjectFile};
use super::owner::{OwnerFolder, Staging};

/// Keeps objects in a folder.
pub struct FolderBlobs {
    root: PathBuf,
    owners: Mutex<HashMap<Owner, Arc<OwnerFolder>>>,
}

impl FolderBlobs {
    /// The folder; it is made when the first object is, for its owner only.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), owners: Mutex::default() }
    }
}

impl Blobs for FolderBlobs {
    fn open<'a>(&'a self, owner: &'a Owner, quota: Quota) -> Pending<'a, Arc<dyn Containers>> {
        Box::pin(async move {
            let known = self.owners.lock().unwrap_or_else(PoisonError::into_inner).get(owner).cloned();
            let folder = match known {
                Some(folder) => folder,
                None => {
                    let path = self.root.join(owner_name(owner));
                    let opened = blocking(move || OwnerFolder::open(&path)).await?;
                    // Of two that opened it at once the first counts, so that there is one count.
                    let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
                    owners.entry(owner.clone()).or_insert_with(|| Arc::new(opened)).clone()
                }
            };
            Ok(Arc::new(FolderContainers { folder, quota }) as Arc<dyn Containers>)
        })
    }
}

/// Lengths before texts: no two owners have one name.
fn owner_name(owner: &Owner) -> String {
    let parts = [owner.tenant.as_str(), &owner.instance, owner.package.as_str()];
    Digest::of(parts.map(|part| format!("{}:{part}", part.len())).concat().as_bytes()).hex()
}

pub(super) fn failed(doing: &str, error: &io::Error) -> StorageError {
    // The kind only: paths of the host are none of a plugin's business.
    StorageError::Unavailable(format!("cannot {doing}: {}", error.kind()))
}

pub(super) fn make_folder(path: &Path) -> Result<(), StorageError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed("make a folder", &error))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StorageError> + Send + 'static) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(StorageError::Unavailable("the back end failed".to_owned())))
}

struct FolderContainers {
    folder: Arc<OwnerFolder>,
    quota: Quota,
}

impl FolderContainers {
    fn with<T: Send + 'static>(
        &self,
        container: &str,
        work: impl FnOnce(&OwnerFolder, PathBuf) -> Result<T, StorageError> + Send + 'static,
    ) -> Pending<'static, T> {
        let (folder, path) = (self.folder.clone(), self.folder.container(container));
        Box::pin(blocking(move || work(&folder, path)))
    }

    fn with_object<T: Send + 'static>(
        &self,
        container: &str,
        name: &str,
        work: impl FnOnce(&OwnerFolder, PathBuf, &str) -> Result<T, StorageError> + Send + 'static,
    ) -> Pending<'static, T> {
        let (shown, name) = (container.to_owned(), name.to_owned());
        self.with(container, move |folder, path| {
            if !path.is_dir() {
                return Err(absent(&shown));
            }
            work(folder, path.join(object::place(&name)), &name)
        })
    }
}

fn absent(container: &str) -> StorageError {
    StorageError::Absent(format!("container `{}`", container.escape_debug()))
}

impl Containers for FolderContainers {
    fn create<'a>(&'a self, container: &'a str) -> Pending<'a, ()> {
        let shown = container.to_owned();
        self.with(container, move |_, path| {
            if let Some(parent) = path.parent() {
                make_folder(parent)?;
            }
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(StorageError::Invalid(Issue {
                    what: format!("container `{}` is there already", shown.escape_debug()),
                    at: "name".to_owned(),
                    expected: "`get-container`, or a new name".to_owned(),
                })),
                Err(error) => Err(failed("make a container", &error)),
            }
        })
    }

    fn created_s<'a>(&'a self, container: &'a str) -> Pending<'a, Option<u64>> {
        self.with(container, |_, path| match fs::metadata(&path) {
            // Where the file system keeps no time of birth, the last change of the folder is the nearest there is.
            Ok(metadata) => Ok(Some(object::seconds(metadata.created().or_else(|_| metadata.modified())))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("look at a container", &error)),
        })
    }

    fn remove<'a>(&'a self, container: &'a str) -> Pending<'a, ()> {
        self.with(container, |folder, path| folder.remove_container(&path))
    }

    fn clear<'a>(&'a self, container: &'a str) -> Pending<'a, ()> {
        let shown = container.to_owned();
        self.with(container, move |folder, path| if path.is_dir() { folder.clear(&path) } else { Err(absent(&shown)) })
    }

    fn object<'a>(&'a self, container: &'a str, name: &'a str) -> Pending<'a, Option<Box<dyn Object>>> {
        self.with_object(container, name, |_, path, name| {
            let object = ObjectFile::open(&path)?;
            match object {
                Some(object) if object.name != name => Err(object::damaged()),
                Some(object) => Ok(Some(Box::new(object) as Box<dyn Object>)),
                None => Ok(None),
            }
        })
    }

    fn delete<'a>(&'a self, container: &'a str, name: &'a str) -> Pending<'a, ()> {
        self.with_object(container, name, |folder, path, _| folder.remove(&path))
    }

    fn list<'a>(&'a self, container: &'a str, after: Option<&'a str>, limit: usize) -> Pending<'a, Vec<Listed>> {
        let (shown, after) = (container.to_owned(), after.map(str::to_owned));
        self.with(container, move |_, path| if path.is_dir() { object::list(&path, after.as_deref(), limit) } else { Err(absent(&shown)) })
    }

    fn stage(&self) -> Pending<'_, Box<dyn Staged>> {
        let (folder, quota) = (self.folder.clone(), self.quota);
        Box::pin(blocking(move || Ok(Box::new(Staging::begin(folder, quota)?) as Box<dyn Staged>)))
    }

    fn kept(&self) -> Pending<'_, Kept> {
        Box::pin(std::future::ready(Ok(self.folder.kept())))
    }
}

/// Keeps what was staged on a thread that may wait for the disk.
pub(super) fn keep(staging: Box<Staging>, container: &str, name: &str) -> Pending<'static, ()> {
    let (container, name) = (container.to_owned(), name.to_owned());
    Box::pin(blocking(move || {
        let path = staging.folder().container(&container);
        if !path.is_dir() {
            return Err(absent(&container));
        }
        staging.keep_in(&path, &name)
    }))
}
