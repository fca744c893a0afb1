//! Where a component comes from: bytes with their digest, hashed once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugwork_core::Digest;

use crate::error::{Error, Result};

/// The bytes of a component and their digest. Cheap to clone; offering it again does not hash it again.
#[derive(Clone)]
pub struct Source {
    // Not `Arc<[u8]>`: making one of a `Vec` copies it, which for a Python component costs as much as hashing it.
    bytes: Arc<Vec<u8>>,
    digest: Digest,
    path: Option<PathBuf>,
}

impl Source {
    /// Reads a file, at most 256 MiB.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: &std::io::Error| Error::io(format_args!("cannot read component `{}`", path.display()), error);
        let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
        if !metadata.is_file() || metadata.len() > 256 << 20 {
            return Err(failed(&std::io::Error::other("not a file of at most 256 MiB")));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        Ok(Self { path: Some(path.to_owned()), ..Self::bytes(bytes) })
    }

    /// Takes bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), bytes: Arc::new(bytes), path: None }
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file it was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
