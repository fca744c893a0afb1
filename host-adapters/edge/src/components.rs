//! The component files of deployments, each named by what is in it, in a folder of the server's own.
//!
//! Easily got wrong: nothing is believed because of its name. What is opened is hashed again, and what is not what its name says is an error.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use plugwork::Source;
use plugwork_core::{Digest, Hasher};
use tempfile::NamedTempFile;

/// The largest component, in bytes.
pub(crate) const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// The folder.
#[derive(Debug, Clone)]
pub struct Components(PathBuf);

/// Why a component could not be kept or opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ComponentsError {
    /// Larger than 64 MiB.
    TooLarge,
    /// It is not here.
    Unknown(Digest),
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
            Self::Changed(path) => write!(f, "`{}` is not what its name says\nhint: upload the component again", path.display()),
            Self::Folder(path, error) => write!(f, "`{}`: {error}", path.display()),
        }
    }
}

impl std::error::Error for ComponentsError {}

impl Components {
    /// In this folder, which is made when something is kept.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Those of a tenant. Two tenants share none, also where theirs are the same.
    pub fn of(&self, tenant: &str) -> Self {
        if tenant == "default" { self.clone() } else { Self(self.0.join("tenants").join(tenant)) }
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
            Err(error) => Err(ComponentsError::Folder(self.0, error)),
        }
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
            self.write(&self.path(digest), bytes).map_err(|error| ComponentsError::Folder(self.0.clone(), error))?;
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

    fn path(&self, digest: Digest) -> PathBuf {
        self.0.join(format!("sha256-{}.wasm", digest.hex()))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    fn partial(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(&self.0)
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
        File::open(&self.0)?.sync_all()
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
        self.file.write_all(part).map_err(|error| ComponentsError::Folder(self.components.0.clone(), error))
    }

    /// The digest of what came so far.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Keeps it under that digest, durable when it returns.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn keep(self) -> Result<(), ComponentsError> {
        let path = self.components.path(self.digest());
        let Self { components, file, .. } = self;
        components.put(file, &path).map_err(|error| ComponentsError::Folder(components.0, error))
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
}
