//! The component files of deployments, each named by what is in it, in a folder of the server's own.
//!
//! Each tenant has so much room, of which a small one takes more than its bytes. Easily got wrong: nothing is believed because of its name. What is opened is
//! hashed again, and what is not what its name says is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use plugwork::Source;
use plugwork_core::{Digest, Hasher};
use tempfile::NamedTempFile;

/// The largest component, in bytes.
pub(crate) const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// What a component takes of its tenant's room at least, in bytes. A file costs the system more than what is in it, and each upload looks at all of them: without
/// this, a tenant had room for as many as it likes.
const ROOM_BYTES_MIN: u64 = 256 << 10;

/// What the name of one ends with that is on its way.
const PARTIAL: &str = ".partial";
/// None takes longer to come.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(3_600);

/// The folder. Clones are one.
#[derive(Debug, Clone)]
pub struct Components {
    folder: PathBuf,
    keeping: Arc<Keeping>,
}

/// Of each folder that one is being kept in: a lock, held by whoever keeps one within a quota. Of two that come at once, the second one counts the first. No tenant
/// waits for another one.
#[derive(Debug, Default)]
struct Keeping(Mutex<BTreeMap<PathBuf, Weak<Mutex<()>>>>);

impl Keeping {
    fn of(&self, folder: &Path) -> Arc<Mutex<()>> {
        // Nothing panics under this lock.
        let mut folders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        folders.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = folders.get(folder).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        folders.insert(folder.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// Why a component could not be kept or opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ComponentsError {
    /// Larger than 64 MiB.
    TooLarge,
    /// It is not here.
    Unknown(Digest),
    /// The tenant has no room for it.
    Quota {
        /// How much it would have, with what is there already and with this one, each counted as 256 KiB or more. Bytes.
        bytes: u64,
        /// How much it may have. Bytes.
        bytes_max: u64,
    },
    /// What lies under its name is something else.
    Changed(PathBuf),
    /// The folder.
    Folder(PathBuf, io::Error),
}

impl fmt::Display for ComponentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the component has more than {COMPONENT_BYTES_MAX} bytes"),
            Self::Unknown(digest) => write!(f, "the component `{digest}` is not here\nhint: upload it first"),
            Self::Quota { bytes, bytes_max } => write!(
                f,
                "the tenant's components would take {bytes} bytes, each of them {ROOM_BYTES_MIN} or more, and may take {bytes_max}\nhint: `plugwork components list` shows which are used, \
                 `plugwork components remove DIGEST` makes room; or `tenant-component-bytes-max` in the server's `[limits]`"
            ),
            Self::Changed(path) => write!(f, "`{}` is not what its name says\nhint: upload the component again", path.display()),
            Self::Folder(path, error) => write!(f, "`{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for ComponentsError {}

impl Components {
    /// In this folder, which is made when something is kept.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keeping: Arc::default() }
    }

    /// Those of a tenant. Two tenants share none, also where theirs are the same.
    pub fn of(&self, tenant: &str) -> Self {
        let Self { folder, keeping } = self;
        let folder = if tenant == "default" { folder.clone() } else { folder.join("tenants").join(tenant) };
        Self { folder, keeping: keeping.clone() }
    }

    /// All that are here, by the names of their files, with their sizes in bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn all(&self) -> Result<BTreeMap<Digest, u64>, ComponentsError> {
        let failed = |error| ComponentsError::Folder(self.folder.clone(), error);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            other => other.map_err(failed)?,
        };
        let mut all = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let named = entry.file_name();
            let hex = named.to_str().and_then(|name| name.strip_prefix("sha256-")?.strip_suffix(".wasm"));
            let Some(digest) = hex.and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok()) else { continue };
            match entry.metadata() {
                Ok(metadata) => drop(all.insert(digest, metadata.len())),
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(all)
    }

    /// Removes one for ever, whatever its file is now. Who needs it is for others to know. Gives its bytes.
    ///
    /// # Errors
    /// It is not here, or the folder cannot be written.
    pub(crate) fn remove(&self, digest: Digest) -> Result<u64, ComponentsError> {
        let path = self.path(digest);
        let failed = |error| ComponentsError::Folder(path.clone(), error);
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ComponentsError::Unknown(digest)),
            other => other.map_err(failed)?.len(),
        };
        fs::remove_file(&path).map_err(failed)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(bytes)
    }

    /// An error where this one would be too much: what is there under its name is not counted, since it takes that one's place.
    pub(crate) fn has_room(&self, digest: Digest, bytes: u64, bytes_max: u64) -> Result<(), ComponentsError> {
        let taken = |bytes: u64| bytes.max(ROOM_BYTES_MIN);
        let others: u64 = self.all()?.iter().filter(|(other, _)| **other != digest).map(|(_, bytes)| taken(*bytes)).sum();
        let bytes = others.saturating_add(taken(bytes));
        if bytes > bytes_max { Err(ComponentsError::Quota { bytes, bytes_max }) } else { Ok(()) }
    }

    /// The size of a component that is here, whole. Bytes.
    pub(crate) fn size(&self, digest: Digest) -> Option<u64> {
        let mut hasher = Hasher::default();
        let mut file = File::open(self.path(digest)).ok()?;
        let (mut some, mut bytes) = (vec![0; 64 << 10], 0);
        loop {
            match file.read(&mut some).ok()? {
                0 => return (hasher.finish() == digest).then_some(bytes),
                read => {
                    hasher.update(&some[..read]);
                    bytes += read as u64;
                }
            }
        }
    }

    /// Begins to receive a component, whose digest is known at its end.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn receive(self) -> Result<Receiving, ComponentsError> {
        let made = self.make_folder().and_then(|()| self.partial());
        match made {
            Ok(file) => Ok(Receiving { components: self, file, hasher: Hasher::default() }),
            Err(error) => Err(ComponentsError::Folder(self.folder, error)),
        }
    }

    /// Whether there is a file of its name, whatever is in it.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn look_for(&self, digest: Digest) -> Result<(), ComponentsError> {
        if self.path(digest).is_file() { Ok(()) } else { Err(ComponentsError::Unknown(digest)) }
    }

    /// Whether a whole component of this digest is here.
    pub fn has(&self, digest: Digest) -> bool {
        fs::read(self.path(digest)).is_ok_and(|bytes| Digest::of(&bytes) == digest)
    }

    /// Keeps a component, durable when it returns. Gives its digest.
    ///
    /// # Errors
    /// It is too large, or the folder cannot be written.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, ComponentsError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(ComponentsError::TooLarge);
        }
        let digest = Digest::of(bytes);
        if !self.has(digest) {
            self.write(&self.path(digest), bytes).map_err(|error| ComponentsError::Folder(self.folder.clone(), error))?;
        }
        Ok(digest)
    }

    /// The component of this digest, hashed again.
    ///
    /// # Errors
    /// It is not here, or was changed.
    pub fn open(&self, digest: Digest) -> Result<Source, ComponentsError> {
        let path = self.path(digest);
        if !path.is_file() {
            return Err(ComponentsError::Unknown(digest));
        }
        let source = Source::file(&path).map_err(|error| ComponentsError::Folder(path.clone(), io::Error::other(error.to_string())))?;
        if source.digest() == digest { Ok(source) } else { Err(ComponentsError::Changed(path)) }
    }

    /// Removes what uploads left that a process was killed in, of every tenant. What cannot be removed now is tried again at the next start.
    pub(crate) fn remove_stale(&self) {
        let tenants = fs::read_dir(self.folder.join("tenants")).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in std::iter::once(self.folder.clone()).chain(tenants) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let is_partial = entry.file_name().to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(PARTIAL));
                let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed().unwrap_or_default());
                if is_partial && age.is_ok_and(|age| age > PARTIAL_AGE_MAX) {
                    drop(fs::remove_file(entry.path()));
                }
            }
        }
    }

    /// The file of a component, if it is here.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("sha256-{}.wasm", digest.hex()))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    fn partial(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(".").suffix(PARTIAL).tempfile_in(&self.folder)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.make_folder()?;
        let mut file = self.partial()?;
        file.write_all(bytes)?;
        self.put(file, path)
    }

    fn put(&self, file: NamedTempFile, path: &Path) -> io::Result<()> {
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.as_file().sync_all()?;
        // Renamed, not written in place: a crash leaves no file under this name, or the whole one.
        file.persist(path)?;
        File::open(&self.folder)?.sync_all()
    }
}

/// A component of which a part is here. Dropped, nothing of it is.
pub(crate) struct Receiving {
    components: Components,
    file: NamedTempFile,
    hasher: Hasher,
}

impl Receiving {
    /// The next part. How much there may be is counted by whoever receives it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&mut self, part: &[u8]) -> Result<(), ComponentsError> {
        self.hasher.update(part);
        self.file.write_all(part).map_err(|error| ComponentsError::Folder(self.components.folder.clone(), error))
    }

    /// The digest of what came so far.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Keeps it under that digest, durable when it returns, where those that are here take not more than so many bytes with it.
    ///
    /// # Errors
    /// They would take more, or the folder cannot be written.
    pub(crate) fn keep(self, bytes_max: u64) -> Result<(), ComponentsError> {
        let digest = self.digest();
        let Self { components, file, .. } = self;
        let failed = |error| ComponentsError::Folder(components.folder.clone(), error);
        let bytes = file.as_file().metadata().map_err(failed)?.len();
        // The slow part of keeping it, while others keep theirs.
        file.as_file().sync_all().map_err(failed)?;
        let lock = components.keeping.of(&components.folder);
        // A panic elsewhere leaves nothing half behind this lock.
        let _keeping = lock.lock().unwrap_or_else(PoisonError::into_inner);
        components.has_room(digest, bytes, bytes_max)?;
        components.put(file, &components.path(digest)).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_edited_is_no_component_until_it_is_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::at(folder.path().join("components"));
        let digest = components.keep(b"one").unwrap();
        assert!(components.has(digest) && components.open(digest).is_ok());
        fs::write(components.path(digest), b"two").unwrap();
        assert!(!components.has(digest));
        assert!(matches!(components.open(digest), Err(ComponentsError::Changed(_))));
        components.keep(b"one").unwrap();
        assert!(components.open(digest).is_ok());
        assert!(matches!(components.open(Digest::of(b"other")), Err(ComponentsError::Unknown(_))));
    }

    fn received(components: &Components, bytes: &[u8]) -> Receiving {
        let mut receiving = components.clone().receive().unwrap();
        receiving.write(bytes).unwrap();
        receiving
    }

    const MIN: usize = ROOM_BYTES_MIN as usize;

    #[test]
    fn a_tenant_keeps_as_much_as_it_may_and_not_one_byte_more() {
        let folder = tempfile::tempdir().unwrap();
        let all = Components::at(folder.path());
        let (ada, ben) = (all.of("ada"), all.of("ben"));
        let (first, second, bytes_max) = (vec![1; MIN + 4], vec![2; MIN + 6], 2 * ROOM_BYTES_MIN + 10);
        received(&ada, &first).keep(bytes_max).unwrap();
        received(&ada, &second).keep(bytes_max).unwrap();
        received(&ada, &first).keep(bytes_max).unwrap();
        let refused = received(&ada, b"1").keep(bytes_max).unwrap_err();
        let expected = 3 * ROOM_BYTES_MIN + 10;
        assert!(matches!(refused, ComponentsError::Quota { bytes, bytes_max: max } if (bytes, max) == (expected, bytes_max)), "{refused}");
        assert!(refused.to_string().contains("components remove"), "{refused}");
        let more = received(&ada, &[&first[..], b"1"].concat()).keep(bytes_max);
        assert!(more.is_err(), "another one, as large");
        received(&ben, &vec![3; 2 * MIN + 10]).keep(bytes_max).unwrap();
        assert!(received(&all.of("eve"), &vec![3; 2 * MIN + 11]).keep(bytes_max).is_err(), "one byte more");
        assert_eq!(ada.remove(Digest::of(&first)).unwrap(), first.len() as u64);
        assert!(matches!(ada.remove(Digest::of(&first)), Err(ComponentsError::Unknown(_))));
        received(&ada, b"1").keep(bytes_max).unwrap();
        assert_eq!(ada.all().unwrap(), [(Digest::of(b"1"), 1), (Digest::of(&second), second.len() as u64)].into());
        assert_eq!(all.all().unwrap().len(), 0, "those of tenants are theirs");
    }

    #[test]
    fn small_ones_take_more_room_than_their_bytes_so_that_their_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::at(folder.path());
        for byte in 0..3 {
            received(&components, &[byte]).keep(3 * ROOM_BYTES_MIN).unwrap();
        }
        assert!(matches!(received(&components, &[3]).keep(3 * ROOM_BYTES_MIN), Err(ComponentsError::Quota { .. })));
        assert_eq!(components.all().unwrap().len(), 3);
    }

    #[test]
    fn no_tenant_waits_until_another_one_has_kept_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let all = Components::at(folder.path());
        let (ada, ben) = (all.of("ada"), all.of("ben"));
        let lock = ada.keeping.of(&ada.folder);
        let _kept_by_ada = lock.lock().unwrap();
        // Alone in this test: were it one lock for all, this would never end.
        received(&ben, b"1").keep(1 << 20).unwrap();
        assert!(Arc::ptr_eq(&lock, &all.of("ada").keeping.of(&ada.folder)), "of one tenant there is one");
        assert_eq!(all.keeping.0.lock().unwrap().len(), 1, "who keeps nothing now is forgotten");
    }
}
