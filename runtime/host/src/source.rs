//! Where a component comes from: bytes or a file, with the digest, hashed once.
//!
//! A file is hashed as it streams by and not kept: with a warm cache its bytes are never needed again. Where they are (to read its facts, to
//! compile), it is read again, and bytes that no longer have the digest are an error: nothing is used but what was named.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugwork_core::{Digest, Hasher};

use crate::error::{Error, Result};

/// Bytes that a component file may have.
const FILE_BYTES_MAX: u64 = 256 << 20;
const CHUNK_BYTES: usize = 256 << 10;

/// A component and its digest. Cheap to clone; offering it again does not hash it again.
#[derive(Clone)]
pub struct Source {
    digest: Digest,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<Vec<u8>>),
    File(PathBuf),
}

impl Source {
    /// Hashes a file, at most 256 MiB. The file must stay as it is until the component is accepted.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: &std::io::Error| Error::io(format_args!("cannot read component `{}`", path.display()), error);
        let mut file = open(path).map_err(|error| failed(&error))?;
        let mut hasher = Hasher::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut chunk).map_err(|error| failed(&error))? {
                0 => break,
                read => hasher.update(&chunk[..read]),
            }
        }
        Ok(Self { digest: hasher.finish(), place: Place::File(path.to_owned()) })
    }

    /// Takes bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), place: Place::Memory(Arc::new(bytes)) }
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file it is read from.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory(_) => None,
            Place::File(path) => Some(path),
        }
    }

    /// The bytes, with this digest and no other.
    pub(crate) fn load(&self) -> Result<Cow<'_, [u8]>> {
        let path = match &self.place {
            Place::Memory(bytes) => return Ok(Cow::Borrowed(bytes)),
            Place::File(path) => path,
        };
        let failed = |error: &std::io::Error| Error::io(format_args!("cannot read component `{}`", path.display()), error);
        let mut bytes = Vec::new();
        open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(|error| failed(&error))?;
        if Digest::of(&bytes) != self.digest {
            return Err(failed(&std::io::Error::other("it changed since it was offered")));
        }
        Ok(Cow::Owned(bytes))
    }
}

fn open(path: &Path) -> std::io::Result<std::io::Take<File>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other("not a file of at most 256 MiB"));
    }
    Ok(file.take(FILE_BYTES_MAX))
}
