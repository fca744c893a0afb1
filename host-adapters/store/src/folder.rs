//! The folder of a node and the files in it: ours alone, or refused. Nothing here knows what the files hold.
//!
//! What a reader may get wrong: SQLite gives its `-wal` and `-shm` files the mode of the database, so a database is made here, with
//! mode 0600, before SQLite opens it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use plugwork_core::record::Key;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::LOCK_WAIT_MS;
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::records::Stamps;

/// A folder that only its owner can change.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// Which file it was, so that another one under the same name is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Folder {
    /// Makes the folder (mode 0700) where it is missing; refuses one that others may write to.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| StoreError::io(path, &error))?;
        let metadata = fs::metadata(path).map_err(|error| StoreError::io(path, &error))?;
        // Readable by others is allowed for a folder that was there before: they learn names, since every file in it is 0600.
        ours(path, &metadata, 0o022, "go-w")?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes an empty file of mode 0600 where there is none; refuses one that is not ours alone. A symlink is refused too.
    pub(crate) fn file(&self, name: &str) -> Result<(PathBuf, Identity, u64)> {
        let path = self.path(name);
        let file = open_ours(&path, OpenOptions::new().read(true).write(true).create(true))?;
        let metadata = file.metadata().map_err(|error| StoreError::io(&path, &error))?;
        Ok((path, Identity::of(&metadata), metadata.len()))
    }

    /// Holds the folder's lock until the file is dropped; waits [`LOCK_WAIT_MS`]. Blocks its thread.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.path("store.lock");
        let file = open_ours(&path, OpenOptions::new().read(true).write(true).create(true))?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if began.elapsed() < Duration::from_millis(LOCK_WAIT_MS) => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::new(StoreErrorKind::Busy { path, waited_ms: LOCK_WAIT_MS }));
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, &error)),
            }
        }
    }

    /// Replaces a small file as a whole: after a crash there is the old one or the new one. The caller holds the lock.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (staged, path) = (self.path(&format!("{name}.new")), self.path(name));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
            file.write_all(bytes)?;
            // Without this a power cut can leave an empty file under the final name.
            file.sync_all()?;
            fs::rename(&staged, &path)
        };
        write().map_err(|error| StoreError::io(&path, &error))
    }

    /// Reads a small file of ours; `None` where there is none. Longer than `bytes_max` is cut, which no reader of ours accepts.
    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let path = self.path(name);
        let file = match open_ours(&path, OpenOptions::new().read(true)) {
            Err(error) if matches!(error.kind(), StoreErrorKind::Io { .. }) && !path.exists() => return Ok(None),
            other => other?,
        };
        let mut bytes = Vec::new();
        file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| StoreError::io(&path, &error))?;
        Ok(Some(bytes))
    }

    /// The node's key, and what it stamps indexes with: made on first use, refused when it is missing although something is signed with it. The caller holds
    /// the lock.
    pub(crate) fn key(&self, is_in_use: bool) -> Result<(Key, Stamps)> {
        const NAME: &str = "records.key";
        let bad = |why| StoreError::new(StoreErrorKind::Key { path: self.path(NAME), why });
        let bytes = match self.read(NAME, 32)? {
            Some(bytes) => bytes,
            None if is_in_use => return Err(bad("it is missing, and there are records, deployments or tokens that were signed with it")),
            None => {
                let mut secret = vec![0; 32];
                getrandom::fill(&mut secret).map_err(|_| bad("the system gave no random bytes to make it of"))?;
                self.replace(NAME, &secret)?;
                self.sync()?;
                secret
            }
        };
        let secret: [u8; 32] = bytes.try_into().map_err(|_| bad("it does not have 32 bytes"))?;
        Ok((Key::from_bytes(&secret), Stamps::new(&secret)))
    }

    /// Makes the names of new files survive a power cut.
    pub(crate) fn sync(&self) -> Result<()> {
        File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(|error| StoreError::io(&self.0, &error))
    }
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }

    /// Whether the path still leads to this file.
    pub(crate) fn check(self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if Self::of(&metadata) == self => Ok(()),
            _ => Err(StoreError::new(StoreErrorKind::Replaced { path: path.to_owned() })),
        }
    }
}

/// Opens a file without following a symlink, and only if it is ours alone.
fn open_ours(path: &Path, options: &mut OpenOptions) -> Result<File> {
    // Not blocking: a FIFO in its place must be refused, not waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = options.mode(0o600).custom_flags(flags).open(path).map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => {
            not_ours(path, "it is a symbolic link".to_owned(), "put the file itself there".to_owned())
        }
        _ => StoreError::io(path, &error),
    })?;
    let metadata = file.metadata().map_err(|error| StoreError::io(path, &error))?;
    if !metadata.is_file() {
        return Err(not_ours(path, "it is not a file".to_owned(), "move it away".to_owned()));
    }
    ours(path, &metadata, 0o077, "600")?;
    Ok(file)
}

/// Whether it belongs to us and is closed to everybody else.
fn ours(path: &Path, metadata: &fs::Metadata, closed: u32, mode: &str) -> Result<()> {
    if metadata.uid() != geteuid().as_raw() {
        return Err(not_ours(path, "it belongs to another user".to_owned(), "use a folder of your own".to_owned()));
    }
    if metadata.mode() & closed != 0 {
        let why = format!("others may use it (its mode is {:03o})", metadata.mode() & 0o777);
        return Err(not_ours(path, why, format!("if nobody did, run `chmod {mode} {}`", path.display())));
    }
    Ok(())
}

fn not_ours(path: &Path, why: String, hint: String) -> StoreError {
    StoreError::new(StoreErrorKind::NotOurs { path: path.to_owned(), why, hint })
}
