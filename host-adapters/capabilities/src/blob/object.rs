//! One object as a file: its bytes, then its name, then a trailer of 20 bytes (when it was written, the length of the name, what it is).
//!
//! The name stands behind the bytes because an object is written before it is named. Easy to get wrong: a file is read by the handle that was
//! opened, so an object that is replaced or removed meanwhile can still be read to its end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use plugwork::interfaces::blob::{Listed, Object};
use plugwork::interfaces::storage::{Kept, StorageError};
use plugwork_core::Digest;
use plugwork_core::limits::BLOB_CHUNK_BYTES_MAX;
use plugwork_core::policy::KEY_BYTES_MAX;

use super::folder::failed;

/// What the file is, and the version of this layout.
const MAGIC: [u8; 8] = *b"pwblob\0\x01";
/// Seconds, length of the name, magic.
const TRAILER_BYTES: u64 = 20;

/// An object that was opened.
pub(super) struct ObjectFile {
    file: File,
    size_bytes: u64,
    created_s: u64,
    pub(super) name: String,
}

impl ObjectFile {
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StorageError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open an object", &error)),
        };
        let length = file.metadata().map_err(|error| failed("look at an object", &error))?.len();
        let trailer_at = length.checked_sub(TRAILER_BYTES).ok_or_else(damaged)?;
        let mut trailer = [0; TRAILER_BYTES as usize];
        file.read_exact_at(&mut trailer, trailer_at).map_err(|error| failed("read an object", &error))?;
        let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, magic @ ..] = trailer;
        let (created_s, name_bytes) = (u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]), u32::from_le_bytes([n0, n1, n2, n3]));
        let size_bytes = trailer_at.checked_sub(name_bytes.into()).filter(|_| magic == MAGIC && name_bytes as usize <= KEY_BYTES_MAX);
        let size_bytes = size_bytes.ok_or_else(damaged)?;
        let mut name = vec![0; name_bytes as usize];
        file.read_exact_at(&mut name, size_bytes).map_err(|error| failed("read an object", &error))?;
        let name = String::from_utf8(name).map_err(|_| damaged())?;
        Ok(Some(Self { file, size_bytes, created_s, name }))
    }
}

impl Object for ObjectFile {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn created_s(&self) -> u64 {
        self.created_s
    }

    fn read_at(&self, offset: u64, bytes: usize) -> Result<Bytes, StorageError> {
        let left = self.size_bytes.saturating_sub(offset);
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(bytes).min(BLOB_CHUNK_BYTES_MAX)];
        self.file.read_exact_at(&mut chunk, offset).map_err(|error| failed("read an object", &error))?;
        Ok(chunk.into())
    }
}

pub(super) fn damaged() -> StorageError {
    StorageError::Unavailable("the object's file is damaged".to_owned())
}

/// Ends a file that has an object's bytes.
pub(super) fn finish(file: &mut File, name: &str) -> io::Result<()> {
    let mut end = Vec::with_capacity(name.len() + TRAILER_BYTES as usize);
    end.extend_from_slice(name.as_bytes());
    end.extend_from_slice(&seconds(Ok(SystemTime::now())).to_le_bytes());
    end.extend_from_slice(&u32::try_from(name.len()).map_err(io::Error::other)?.to_le_bytes());
    end.extend_from_slice(&MAGIC);
    file.write_all(&end)?;
    file.sync_data()
}

/// What a file of this length counts: the bytes of the object and of its name.
pub(super) fn counted(file_bytes: u64) -> Kept {
    Kept { bytes: file_bytes.saturating_sub(TRAILER_BYTES), entries: 1 }
}

pub(super) fn seconds(time: io::Result<SystemTime>) -> u64 {
    time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

/// Where an object of this name lies in its container.
pub(super) fn place(name: &str) -> PathBuf {
    let hex = Digest::of(name.as_bytes()).hex();
    let (first, rest) = hex.split_at(2);
    Path::new(first).join(rest)
}

/// The entries of a folder that are ours, by name: hexadecimal of this length.
fn entries(folder: &Path, length: usize) -> Result<Vec<String>, StorageError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list objects", &error)),
    };
    let mut names = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| failed("list objects", &error))?;
        names.extend(entry.file_name().into_string().ok().filter(|name| name.len() == length && is_hex(name)));
    }
    names.sort_unstable();
    Ok(names)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Every object's file in a container.
pub(super) fn files(container: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let mut files = Vec::new();
    for shard in entries(container, 2)? {
        let shard = container.join(shard);
        files.extend(entries(&shard, 62)?.iter().map(|name| shard.join(name)));
    }
    Ok(files)
}

/// Containers of an owner.
pub(super) fn containers(owner: &Path) -> Result<Vec<PathBuf>, StorageError> {
    Ok(entries(owner, 64)?.iter().map(|name| owner.join(name)).collect())
}

/// Objects behind a place, in the order of their places.
pub(super) fn list(container: &Path, after: Option<&str>, limit: usize) -> Result<Vec<Listed>, StorageError> {
    let (after_shard, after_name) = after.and_then(|place| place.split_once('/')).unwrap_or_default();
    let mut listed = Vec::new();
    for shard in entries(container, 2)?.into_iter().filter(|shard| shard.as_str() >= after_shard) {
        for name in entries(&container.join(&shard), 62)? {
            if listed.len() == limit {
                return Ok(listed);
            }
            if shard == after_shard && name.as_str() <= after_name {
                continue;
            }
            // One that was removed since it was listed is simply not there.
            if let Some(object) = ObjectFile::open(&container.join(&shard).join(&name))? {
                listed.push(Listed { place: format!("{shard}/{name}"), name: object.name });
            }
        }
    }
    Ok(listed)
}
