//! The folder of one owner: what it keeps is counted here, and changed here only.
//!
//! Every change of the count and of the files happens under one lock, so that two objects cannot both take the last byte. Easy to get wrong:
//! bytes count from when they are staged; what is dropped unkept gives them back.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use plugwork::interfaces::blob::Staged;
use plugwork::interfaces::storage::{Kept, Pending, Quota, StorageError};
use plugwork_core::Digest;
use tempfile::NamedTempFile;

use super::folder::{self, failed, make_folder};
use super::object;

/// What a crash left in `staging` is removed when it is older: younger files may be another process's.
const STAGED_AGE_MAX: Duration = Duration::from_hours(24);

pub(super) struct OwnerFolder {
    path: PathBuf,
    kept: Mutex<Kept>,
}

impl OwnerFolder {
    /// Counts what is there.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        remove_stale(&path.join("staging"));
        let mut kept = Kept::default();
        for container in object::containers(path)? {
            for file in object::files(&container)? {
                if let Ok(metadata) = fs::metadata(&file) {
                    let object = object::counted(metadata.len());
                    kept = Kept { bytes: kept.bytes + object.bytes, entries: kept.entries + 1 };
                }
            }
        }
        Ok(Self { path: path.to_owned(), kept: Mutex::new(kept) })
    }

    pub(super) fn container(&self, name: &str) -> PathBuf {
        self.path.join(Digest::of(name.as_bytes()).hex())
    }

    pub(super) fn kept(&self) -> Kept {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes one object's file; none is no error.
    pub(super) fn remove(&self, file: &Path) -> Result<(), StorageError> {
        let mut kept = self.lock();
        let Ok(metadata) = fs::metadata(file) else { return Ok(()) };
        match fs::remove_file(file) {
            Ok(()) => {
                *kept = kept.without(object::counted(metadata.len()));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove an object", &error)),
        }
    }

    /// Removes a container's objects.
    pub(super) fn clear(&self, container: &Path) -> Result<(), StorageError> {
        object::files(container)?.iter().try_for_each(|file| self.remove(file))
    }

    /// Removes a container and its objects; none is no error.
    pub(super) fn remove_container(&self, container: &Path) -> Result<(), StorageError> {
        let staging = self.path.join("staging");
        make_folder(&staging)?;
        let gone = tempfile::tempdir_in(&staging).map_err(|error| failed("remove a container", &error))?;
        let moved = gone.path().join("container");
        let renamed = {
            // Under the lock of the count: an object that is being kept is in it before or not at all.
            let _kept = self.lock();
            fs::rename(container, &moved)
        };
        match renamed {
            Ok(()) => self.clear(&moved),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove a container", &error)),
        }
    }
}

fn remove_stale(staging: &Path) {
    let Ok(listed) = fs::read_dir(staging) else { return };
    for entry in listed.flatten() {
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > STAGED_AGE_MAX) {
            // What cannot be removed now is tried again at the next start.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }
}

/// An object under way.
pub(super) struct Staging {
    folder: Arc<OwnerFolder>,
    quota: Quota,
    file: Option<NamedTempFile>,
    /// What of the count is this object's.
    counted_bytes: u64,
}

impl Staging {
    pub(super) fn begin(folder: Arc<OwnerFolder>, quota: Quota) -> Result<Self, StorageError> {
        let path = folder.path.join("staging");
        make_folder(&path)?;
        let file = NamedTempFile::new_in(&path).map_err(|error| failed("begin an object", &error))?;
        Ok(Self { folder, quota, file: Some(file), counted_bytes: 0 })
    }

    pub(super) fn folder(&self) -> &OwnerFolder {
        &self.folder
    }

    fn count(&mut self, bytes: u64) -> Result<(), StorageError> {
        let mut kept = self.folder.lock();
        *kept = kept.with(Kept { bytes, entries: 0 }, self.quota)?;
        self.counted_bytes += bytes;
        Ok(())
    }

    /// Puts it into a container, in place of what had the name.
    pub(super) fn keep_in(mut self, container: &Path, name: &str) -> Result<(), StorageError> {
        let Some(mut file) = self.file.take() else { return Err(StorageError::Unavailable("nothing was staged".to_owned())) };
        object::finish(file.as_file_mut(), name).map_err(|error| failed("write an object", &error))?;
        let target = container.join(object::place(name));
        let shard = target.parent().unwrap_or(container).to_owned();
        // One level only: a container that was removed meanwhile must not come back by itself.
        match fs::create_dir(&shard) {
            Ok(()) => sync(container)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StorageError::Absent("container".to_owned())),
            Err(error) => return Err(failed("make a folder", &error)),
        }
        {
            let mut kept = self.folder.lock();
            let replaced = fs::metadata(&target).map_or(Kept::default(), |metadata| object::counted(metadata.len()));
            let named = Kept { bytes: name.len() as u64, entries: 1 };
            // What it replaces makes room for its name; its bytes were counted as they were written.
            let more = named.without(replaced);
            let after = kept.with(more, self.quota)?;
            file.persist(&target).map_err(|error| failed("keep an object", &error.error))?;
            *kept = after.without(replaced.without(named));
            // From here on its bytes are the object's.
            self.counted_bytes = 0;
        }
        sync(&shard)
    }
}

/// Makes a rename in a folder durable.
fn sync(folder: &Path) -> Result<(), StorageError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("write a folder", &error))
}

impl Staged for Staging {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.count(bytes.len() as u64)?;
        let Some(file) = &mut self.file else { return Err(StorageError::Unavailable("nothing is staged".to_owned())) };
        // A write that fails in its middle leaves a file of unknown length: it cannot be kept any more.
        let written = file.write_all(bytes);
        if written.is_err() {
            self.file = None;
        }
        written.map_err(|error| failed("write an object", &error))
    }

    fn keep(self: Box<Self>, container: &str, name: &str) -> Pending<'static, ()> {
        folder::keep(self, container, name)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let mut kept = self.folder.lock();
        *kept = kept.without(Kept { bytes: self.counted_bytes, entries: 0 });
    }
}
