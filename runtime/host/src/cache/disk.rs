//! Cache entries on disk: `0600` files in a `0700` folder, each a header, a keyed MAC, and the payload.
//!
//! An entry is read only when the folder and the file are ours alone, the header is exactly the one asked for, and the MAC over header
//! and payload is right. wasmtime accepts 97 of 100 files with a flipped bit, so the MAC is what stands between a broken disk and our
//! process. Entries are written beside their name, synced, and renamed: a crash leaves the old one or the new one.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugwork_core::Digest;
use rustix::fs::{MemfdFlags, OFlags, SealFlags};
use rustix::process::geteuid;

use crate::engine::{Profile, Variant};
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"PWCACHE1";
const MAC_BYTES: usize = 32;
const HEADER_BYTES_MAX: usize = 4096;
const PAYLOAD_BYTES_MAX: u64 = 2 << 30;
const CHUNK_BYTES: usize = 256 << 10;
/// No write takes so long.
const STAGED_AGE_MAX: Duration = Duration::from_secs(3_600);

/// A folder of cache entries and the key that vouches for them.
pub struct Disk {
    folder: PathBuf,
    key: [u8; 32],
}

/// Which entry: its file name and the header that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: String,
    header: String,
}

impl Entry {
    pub(crate) fn code(digest: Digest, variant: Variant, compatibility: u64) -> Self {
        let variant = word(variant);
        Self {
            name: format!("{}.{variant}", digest.hex()),
            header: format!("code {digest} {variant} engine:{compatibility:016x} plugwork:{}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Why there is no code. Another engine may compile what this one could not, so its number belongs to it as to the code.
    pub(crate) fn refusal(digest: Digest, variant: Variant, compatibility: u64) -> Self {
        let variant = word(variant);
        Self {
            name: format!("{}.{variant}.refusal", digest.hex()),
            header: format!("refusal {digest} {variant} engine:{compatibility:016x} plugwork:{}", env!("CARGO_PKG_VERSION")),
        }
    }

    pub(crate) fn facts(digest: Digest) -> Self {
        Self { name: format!("{}.facts", digest.hex()), header: format!("facts {digest} plugwork:{}", env!("CARGO_PKG_VERSION")) }
    }
}

fn word(variant: Variant) -> &'static str {
    match (variant.profile, variant.fuel) {
        (Profile::Hardened, false) => "hardened",
        (Profile::Hardened, true) => "hardened-fuel",
        (Profile::Full, false) => "full",
        (Profile::Full, true) => "full-fuel",
    }
}

/// Why an entry was not used.
#[derive(Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// The folder or file belongs to somebody else, or others may write or read it.
    NotOurs(String),
    /// Made by another version, for another engine, or for another component.
    Foreign,
    /// Cut short, too long, or not an entry.
    Malformed,
    /// Somebody or something changed a byte.
    Forged,
    /// It could not be read or written.
    Io(std::io::Error),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs(what) => write!(f, "{what} is not ours alone"),
            Self::Foreign => f.write_str("made for another version, engine or component"),
            Self::Malformed => f.write_str("not a whole cache entry"),
            Self::Forged => f.write_str("its authentication code is wrong"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<std::io::Error> for Rejection {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Rejection {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// What a folder holds, for people.
#[derive(Debug, Clone)]
pub struct Listed {
    /// File name.
    pub name: String,
    /// Size on disk.
    pub bytes: u64,
    /// What it claims to be; not verified.
    pub header: String,
    /// When it was written.
    pub modified: Option<std::time::SystemTime>,
}

impl Disk {
    /// Opens the cache below a state folder (`STATE/cache`, key in `STATE/cache.key`), making both where they are missing.
    pub fn open(state: &Path) -> Result<Self> {
        let failed = |doing: &str, path: &Path, error: &std::io::Error| Error::io(format_args!("{doing} `{}`", path.display()), error);
        let folder = state.join("cache");
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        make.map_err(|error| failed("cannot make the cache folder", &folder, &error))?;
        let key_path = state.join("cache.key");
        let key = key(&key_path).map_err(|error| failed("cannot use the cache key", &key_path, &error))?;
        let disk = Self { folder, key };
        if disk.is_ours() {
            disk.sweep();
        }
        Ok(disk)
    }

    /// Where the entries are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every entry, by name.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let failed = |error: std::io::Error| Error::io(format_args!("cannot list `{}`", self.folder.display()), &error);
        let mut listed = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(failed)? {
            let file = file.map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if !metadata.is_file() {
                continue;
            }
            let header = File::open(file.path()).ok().and_then(|mut file| header(&mut file).ok());
            listed.push(Listed {
                name: file.file_name().to_string_lossy().into_owned(),
                bytes: metadata.len(),
                header: header.unwrap_or_else(|| "not a cache entry".to_owned()),
                modified: metadata.modified().ok(),
            });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// Removes every entry; says how many and how many bytes. Running plugins keep their code.
    pub fn clear(&self) -> Result<(usize, u64)> {
        let listed = self.list()?;
        for entry in &listed {
            let path = self.folder.join(&entry.name);
            fs::remove_file(&path).map_err(|error| Error::io(format_args!("cannot remove `{}`", path.display()), &error))?;
        }
        Ok((listed.len(), listed.iter().map(|entry| entry.bytes).sum()))
    }

    /// The payload of an entry; `None` where there is none.
    pub(crate) fn read(&self, entry: &Entry) -> Result<Option<Vec<u8>>, Rejection> {
        let Some((mut file, mac, length)) = self.open_entry(entry)? else { return Ok(None) };
        let mut payload = Vec::new();
        (&mut file).take(length).read_to_end(&mut payload)?;
        if payload.len() as u64 != length {
            return Err(self.reject(entry, Rejection::Malformed));
        }
        let mut hasher = self.hasher(entry);
        hasher.update(&payload);
        // `blake3::Hash` compares in constant time.
        if hasher.finalize() != blake3::Hash::from_bytes(mac) {
            return Err(self.reject(entry, Rejection::Forged));
        }
        Ok(Some(payload))
    }

    /// The payload of an entry in a sealed memory file of our own: what was verified cannot change any more.
    pub(crate) fn read_sealed(&self, entry: &Entry) -> Result<Option<File>, Rejection> {
        let Some((mut file, mac, length)) = self.open_entry(entry)? else { return Ok(None) };
        let memory = rustix::fs::memfd_create("plugwork-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut memory = File::from(memory);
        memory.set_len(length)?;
        if std::io::copy(&mut (&mut file).take(length), &mut memory)? != length {
            return Err(self.reject(entry, Rejection::Malformed));
        }
        rustix::fs::fcntl_add_seals(&memory, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let mut hasher = self.hasher(entry);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < length {
            let read = std::os::unix::fs::FileExt::read_at(&memory, &mut chunk, at)?;
            if read == 0 {
                break;
            }
            hasher.update(&chunk[..read]);
            at += read as u64;
        }
        if hasher.finalize() != blake3::Hash::from_bytes(mac) {
            return Err(self.reject(entry, Rejection::Forged));
        }
        Ok(Some(memory))
    }

    /// Writes an entry in one piece or not at all.
    pub(crate) fn write(&self, entry: &Entry, payload: &[u8]) -> Result<(), Rejection> {
        self.write_from(entry, &mut std::io::Cursor::new(payload))
    }

    /// As [`Disk::write`], from a file that does not change meanwhile: it is read twice, for the MAC comes before the payload.
    pub(crate) fn write_from(&self, entry: &Entry, payload: &mut (impl Read + Seek)) -> Result<(), Rejection> {
        self.check_folder()?;
        let mut hasher = self.hasher(entry);
        payload.rewind()?;
        std::io::copy(payload, &mut hasher)?;
        payload.rewind()?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| std::io::Error::other(error.to_string()))?;
        let staged = self.folder.join(format!(".{}.{:016x}", entry.name, u64::from_le_bytes(nonce)));
        let mut write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
            file.write_all(MAGIC)?;
            file.write_all(&u32::try_from(entry.header.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            file.write_all(entry.header.as_bytes())?;
            file.write_all(hasher.finalize().as_bytes())?;
            std::io::copy(payload, &mut file)?;
            file.sync_all()?;
            fs::rename(&staged, self.folder.join(&entry.name))
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&staged);
            error.into()
        })
    }

    /// Removes an entry, whether or not there is one.
    pub(crate) fn remove(&self, entry: &Entry) {
        let _ = fs::remove_file(self.folder.join(&entry.name));
    }

    /// Removes what crashes left half written: entries that nobody has finished within the hour.
    fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.folder) else { return };
        for file in files.flatten().filter(|file| file.file_name().as_encoded_bytes().starts_with(b".")) {
            let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
            if modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|age| age > STAGED_AGE_MAX) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Opens an entry, checks everything but its MAC, and stands at the payload: file, MAC, payload length.
    fn open_entry(&self, entry: &Entry) -> Result<Option<(File, [u8; MAC_BYTES], u64)>, Rejection> {
        self.check_folder()?;
        let path = self.folder.join(&entry.name);
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
        let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.reject(entry, error.into())),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.uid() != geteuid().as_raw() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(self.reject(entry, Rejection::NotOurs(format!("`{}`", path.display()))));
        }
        match header(&mut file) {
            Ok(found) if found == entry.header => {}
            Ok(_) => return Err(self.reject(entry, Rejection::Foreign)),
            Err(_) => return Err(self.reject(entry, Rejection::Malformed)),
        }
        let mut mac = [0; MAC_BYTES];
        if file.read_exact(&mut mac).is_err() {
            return Err(self.reject(entry, Rejection::Malformed));
        }
        let head_bytes = (MAGIC.len() + 4 + entry.header.len() + MAC_BYTES) as u64;
        match metadata.len().checked_sub(head_bytes) {
            Some(length) if length <= PAYLOAD_BYTES_MAX => Ok(Some((file, mac, length))),
            _ => Err(self.reject(entry, Rejection::Malformed)),
        }
    }

    /// Whether the folder is ours alone; where it is not, nothing is read or written.
    pub(crate) fn is_ours(&self) -> bool {
        self.check_folder().is_ok()
    }

    fn check_folder(&self) -> Result<(), Rejection> {
        let metadata = fs::symlink_metadata(&self.folder)?;
        if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(Rejection::NotOurs(format!("folder `{}` (expected mode 0700)", self.folder.display())));
        }
        Ok(())
    }

    /// Removes an entry that will never be good, so that it is written anew.
    fn reject(&self, entry: &Entry, rejection: Rejection) -> Rejection {
        let _ = fs::remove_file(self.folder.join(&entry.name));
        rejection
    }

    fn hasher(&self, entry: &Entry) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(entry.header.len() as u64).to_le_bytes());
        hasher.update(entry.header.as_bytes());
        hasher
    }
}

fn header(file: &mut File) -> std::io::Result<String> {
    let malformed = || std::io::Error::other("not a cache entry");
    let mut magic = [0; 8];
    let mut length = [0; 4];
    file.read_exact(&mut magic)?;
    file.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if &magic != MAGIC || length > HEADER_BYTES_MAX {
        return Err(malformed());
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header)?;
    String::from_utf8(header).map_err(|_| malformed())
}

/// The key: read, or made and kept, `0600`. A key that others can read or that has a wrong size is replaced; its entries are then forged.
fn key(path: &Path) -> std::io::Result<[u8; 32]> {
    for _ in 0..8 {
        match read_key(path) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => fs::remove_file(path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
        let staged = path.with_extension(format!("key.{}", std::process::id()));
        let _ = fs::remove_file(&staged);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        file.write_all(&key)?;
        file.sync_all()?;
        // Linked, not renamed: of two processes that start at once the first one's key stays, and the other reads it.
        let linked = fs::hard_link(&staged, path);
        fs::remove_file(&staged)?;
        match linked {
            Ok(()) => return Ok(key),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("it changes while it is read"))
}

fn read_key(path: &Path) -> std::io::Result<Option<[u8; 32]>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::CLOEXEC).bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() != 32 || metadata.uid() != geteuid().as_raw() || metadata.permissions().mode() & 0o077 != 0 {
        return Ok(None);
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(Some(key))
}
