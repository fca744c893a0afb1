//! Where a component comes from: bytes or a file, with the digest, hashed once.
//!
//! A file is hashed as it streams by and not kept: with a warm cache its bytes are never needed again. Where they are (to read its facts, to
//! compile), it is read again, and bytes that no longer have the digest are an error: nothing is used but what was named.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugwork_core::sources::PackageSource;
use plugwork_core::{Digest, Hasher};

use tokio::runtime::Handle;

use crate::compile::{memory_file, seal};
use crate::error::{Error, ErrorKind, Result};

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
    Package(Arc<dyn PackageSource>),
}

impl Source {
    /// Hashes a file, at most 256 MiB. The file must stay as it is until the component is accepted.
    pub fn file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error: &std::io::Error| Error::io(format_args!("cannot read component `{}`", path.display()), error);
        let mut file = open(path).map_err(|error| failed(&error))?;
        let digest = digest_of(&mut file).map_err(|error| failed(&error))?;
        Ok(Self { digest, place: Place::File(path.to_owned()) })
    }

    /// Takes bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), place: Place::Memory(Arc::new(bytes)) }
    }

    /// A package of a source, fetched by its digest when it is needed: with a warm cache never.
    pub fn package(digest: Digest, packages: Arc<dyn PackageSource>) -> Self {
        Self { digest, place: Place::Package(packages) }
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The file it is read from.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory(_) | Place::Package(_) => None,
            Place::File(path) => Some(path),
        }
    }

    /// Whether its bytes have to be fetched from somewhere first.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.place, Place::Package(_))
    }

    /// The bytes, with this digest and no other. Blocks.
    pub(crate) fn load(&self) -> Result<Cow<'_, [u8]>> {
        let path = match &self.place {
            Place::Memory(bytes) => return Ok(Cow::Borrowed(bytes)),
            Place::Package(packages) => return self.fetch(packages).map(Cow::Owned),
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

    /// The bytes, with this digest and no other, in a memory file that cannot change any more. They are never in this process's own memory.
    pub(crate) fn sealed(&self) -> Result<File> {
        let failed = |error: &std::io::Error| match self.path() {
            Some(path) => Error::io(format_args!("cannot read component `{}`", path.display()), error),
            None => Error::io(format_args!("cannot copy component {}", self.digest), error),
        };
        let fetched = match &self.place {
            Place::Package(packages) => self.fetch(packages)?,
            Place::Memory(_) | Place::File(_) => Vec::new(),
        };
        let copy = || -> std::io::Result<File> {
            let mut memory = memory_file("plugwork-component")?;
            match &self.place {
                Place::Memory(bytes) => memory.write_all(bytes)?,
                Place::File(path) => _ = std::io::copy(&mut open(path)?, &mut memory)?,
                Place::Package(_) => memory.write_all(&fetched)?,
            }
            seal(memory)
        };
        let mut sealed = copy().map_err(|error| failed(&error))?;
        // Hashed after it was sealed: what has the digest is what will be read.
        let digest = digest_of(&mut sealed).and_then(|digest| sealed.rewind().map(|()| digest)).map_err(|error| failed(&error))?;
        if digest != self.digest {
            return Err(failed(&std::io::Error::other("it changed since it was offered")));
        }
        Ok(sealed)
    }
}

impl Source {
    /// The bytes of a package, with this digest and no other. Blocks: only on threads that may, which know the runtime that drives the fetch.
    fn fetch(&self, packages: &Arc<dyn PackageSource>) -> Result<Vec<u8>> {
        let failed = |why: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("cannot fetch component {}: {why}", self.digest));
        let handle = Handle::try_current().map_err(|_| failed(&"there is no tokio runtime here"))?;
        let bytes = handle.block_on(packages.fetch(self.digest)).map_err(|error| failed(&error))?;
        // Hashed here too: a source is somebody else's code.
        if Digest::of(&bytes) != self.digest {
            return Err(failed(&"its source gave another file"));
        }
        Ok(bytes)
    }
}

fn digest_of(file: &mut impl Read) -> std::io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&chunk[..read]),
        }
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
