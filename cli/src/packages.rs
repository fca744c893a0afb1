//! The component files of plugins that were added: `packages/sha256-….wasm` in the state folder, named by what is in them.
//!
//! Which of them are installed is in the records, not here: a file that no consent names is only a file. Nothing is believed because of its
//! name: whoever loads one compares its digest with the one that was consented to.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use plugwork::Source;
use plugwork_core::Digest;

use crate::exit::Failure;

/// The folder.
pub(crate) struct Packages(PathBuf);

impl Packages {
    /// That of a state folder. Nothing is made before something is kept.
    pub(crate) fn of(state: &Path) -> Self {
        Self(state.join("packages"))
    }

    /// Where the component with this digest is, if it is.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.0.join(format!("sha256-{}.wasm", digest.hex()))
    }

    /// Keeps a component; says whether it was not there before. Durable when it returns.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<bool, Failure> {
        let path = self.path(Digest::of(bytes));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(false);
        }
        self.write(&path, bytes)
            .map_err(|error| Failure::failed(format_args!("cannot keep the component as `{}`: {error}", path.display())))?;
        Ok(true)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        // A temporary is 0600 from the start.
        let mut file = tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(&self.0)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(0o600))?;
        file.as_file().sync_all()?;
        // Renamed, not written in place: a crash here leaves no file under this name, or the whole one.
        file.persist(path)?;
        fs::File::open(&self.0)?.sync_all()
    }

    /// The component with this digest, hashed again.
    pub(crate) fn open(&self, digest: Digest) -> Result<Source, Failure> {
        let path = self.path(digest);
        if !path.is_file() {
            return Err(Failure::not_found(format_args!("`{}` is gone\nhint: add the plugin again", path.display())));
        }
        let source = Source::file(&path)?;
        if source.digest() != digest {
            return Err(Failure::refused(format_args!(
                "`{}` is not what was consented to: it has digest {}\nhint: remove the file and add the plugin again",
                path.display(),
                source.digest()
            )));
        }
        Ok(source)
    }

    /// Removes a component; says whether there was one.
    pub(crate) fn remove(&self, digest: Digest) -> Result<bool, Failure> {
        match fs::remove_file(self.path(digest)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::failed(format_args!("cannot remove `{}`: {error}", self.path(digest).display()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_is_kept_is_private_whole_and_kept_once() {
        let state = tempfile::tempdir().unwrap();
        let packages = Packages::of(state.path());
        assert!(packages.keep(b"one").unwrap() && !packages.keep(b"one").unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&packages.0), mode(&packages.path(Digest::of(b"one")))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&packages.0).unwrap().count(), 1);
        assert!(packages.remove(Digest::of(b"one")).unwrap() && !packages.remove(Digest::of(b"one")).unwrap());
    }

    #[test]
    fn a_file_that_was_edited_is_refused_and_mended_by_keeping_it_again() {
        let state = tempfile::tempdir().unwrap();
        let packages = Packages::of(state.path());
        let digest = Digest::of(b"one");
        packages.keep(b"one").unwrap();
        fs::write(packages.path(digest), b"two").unwrap();
        assert!(packages.open(digest).err().unwrap().to_string().contains("not what was consented to"));
        assert!(packages.keep(b"one").unwrap());
        assert_eq!(packages.open(digest).unwrap().digest(), digest);
    }
}
