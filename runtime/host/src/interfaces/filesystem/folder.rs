//! The books of one granted folder: how many bytes and files lie below it, and who has what open.
//!
//! It is walked once, at the first change, and from then on counted by differences; when a change would not fit it is walked again, at most
//! once a second, because others may have tidied up. A file that was removed while open keeps its bytes until its last handle is closed: its
//! blocks are still on the disk.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use plugwork_core::Denial;
use plugwork_core::policy::filesystem::FilesystemBounds;
use plugwork_core::policy::{Access, Decision};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::account::{Account, Hold};

/// Files and folders below the root that one plugin may have open at once, over all its instances: each is a descriptor of the host.
pub const FILE_HANDLES_MAX: u32 = 128;
/// Entries of a folder that is listed: the engine's crate reads all of them before it gives the first.
const LISTED_ENTRIES_MAX: u64 = 100_000;
/// Bytes of the host for one of them, without its name.
const LISTED_ENTRY_BYTES: u64 = 128;
/// Entries that a walk looks at before it gives up.
const WALK_ENTRIES_MAX: u64 = 2_000_000;
const WALK_DEPTH_MAX: usize = 64;
const WALK_AGAIN: Duration = Duration::from_secs(1);

/// How much may lie below a folder: bytes of all files; files, folders and links.
struct Quota {
    bytes: u64,
    files: u64,
}

/// One granted folder, shared by all instances of its plugin.
pub struct Folder {
    path: PathBuf,
    bounds: FilesystemBounds,
    quota: Quota,
    account: Arc<Account>,
    /// Held while something changes: what is there is looked at, changed and booked in one go.
    pub(super) turn: tokio::sync::Mutex<()>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    walked_at: Option<Instant>,
    bytes: u64,
    files: u64,
    handles: u32,
    open: HashMap<Identity, Open>,
}

/// What `wasmtime-wasi` calls the metadata hash: the same for two names of one file.
pub(super) type Identity = (u64, u64);

struct Open {
    inode: (u64, u64),
    handles: u32,
    size: u64,
    linked: bool,
}

/// Why a change does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Bytes,
    Files,
    Handles,
    Listing,
    Unknown,
}

impl Folder {
    /// The folder at `path` as `bounds` grant it; what they leave open is the quota of the plugin's limits. What it holds is told to `account`.
    pub fn new(path: PathBuf, bounds: FilesystemBounds, account: Arc<Account>) -> Self {
        let limits = account.limits();
        let quota = Quota {
            // A bound only tightens the host's limit: what a plugin asks for cannot raise it.
            bytes: bounds.bytes.map_or(limits.storage_bytes, |bytes| bytes.min(limits.storage_bytes)),
            files: bounds.files.map_or(limits.storage_keys, |files| files.min(limits.storage_keys)),
        };
        Self { path, bounds, quota, account, turn: tokio::sync::Mutex::new(()), books: Mutex::default() }
    }

    /// Makes sure that it has been walked. Reads directories: for a thread that may block.
    pub(super) fn walk_once(&self) {
        if self.books().walked_at.is_none() {
            self.walk();
        }
    }

    /// Books a change before it happens.
    pub(super) fn grow(&self, bytes: u64, files: u64) -> Result<(), Full> {
        let mut books = self.books();
        self.fits(&books, bytes, files)?;
        books.bytes += bytes;
        books.files += files;
        self.tell(&books);
        Ok(())
    }

    /// Walks again, if that was not done a moment ago.
    pub(super) fn look_again(&self) {
        if self.books().walked_at.is_none_or(|at| at.elapsed() >= WALK_AGAIN) {
            self.walk();
        }
    }

    pub(super) fn shrink(&self, bytes: u64, files: u64) {
        let mut books = self.books();
        books.bytes = books.bytes.saturating_sub(bytes);
        books.files = books.files.saturating_sub(files);
        self.tell(&books);
    }

    /// Books that `identity` will reach at least to `end`; gives its size so far. No end: it grows by `length` where it ends.
    pub(super) fn extend(&self, identity: Identity, end: Option<u64>, length: u64) -> Result<u64, Full> {
        let mut books = self.books();
        let size = books.open.get(&identity).map_or(0, |open| open.size);
        let end = end.unwrap_or(size.saturating_add(length));
        self.fits(&books, end.saturating_sub(size), 0)?;
        books.resize(identity, end.max(size));
        self.tell(&books);
        Ok(size)
    }

    /// Books the size that a file has got.
    pub(super) fn set_size(&self, identity: Identity, size: u64) {
        let mut books = self.books();
        books.resize(identity, size);
        self.tell(&books);
    }

    pub(super) fn size(&self, identity: Identity) -> Option<u64> {
        self.books().open.get(&identity).map(|open| open.size)
    }

    /// Books that the last name of a file is gone.
    pub(super) fn unlinked(&self, identity: Identity, size: u64) {
        let mut books = self.books();
        match books.open.get_mut(&identity) {
            Some(open) => open.linked = false,
            None => books.bytes = books.bytes.saturating_sub(size),
        }
        self.tell(&books);
    }

    /// Takes the place of one handle.
    pub(super) fn handle(self: &Arc<Self>) -> Result<Handle, Full> {
        let mut books = self.books();
        if books.handles >= FILE_HANDLES_MAX {
            return Err(Full::Handles);
        }
        books.handles += 1;
        Ok(Handle { folder: self.clone(), file: None, memory: None })
    }

    /// Holds the memory that a listing will take. What it may not cost is a denial.
    pub(super) fn hold(&self, bytes: u64) -> Result<Hold, Denial> {
        self.account.hold(bytes)
    }

    /// The denial that says so, counted.
    pub(super) fn denial(&self, full: Full) -> Denial {
        let (code, rule, bound) = match full {
            Full::Bytes => ("E-CAP-FILESYSTEM-BYTES", format!("its folder may hold {} bytes", self.quota.bytes), "bytes"),
            Full::Files => ("E-CAP-FILESYSTEM-FILES", format!("its folder may hold {} files and folders", self.quota.files), "files"),
            Full::Handles => ("E-CAP-FILESYSTEM-HANDLES", format!("it has {FILE_HANDLES_MAX} files and folders open"), ""),
            Full::Listing => ("E-CAP-FILESYSTEM-LISTING", format!("a folder of more than {LISTED_ENTRIES_MAX} entries is not listed"), ""),
            Full::Unknown => ("E-CAP-FILESYSTEM-COUNT", "what its folder holds could not be counted".to_owned(), ""),
        };
        let enough = if bound == "bytes" { self.quota.bytes } else { self.quota.files }.saturating_mul(2);
        let hint = match bound {
            "" => "close what is not in use, or give it a smaller folder".to_owned(),
            bound => format!("add to the plugin's `filesystem` grant: {bound} = {enough}"),
        };
        self.counted(code, &rule, hint)
    }

    /// The denial for a device, or a pipe that would keep the host waiting for its other end; counted.
    pub(super) fn kind_denial(&self, path: &str) -> Denial {
        let rule = format!("`{}` is neither a file nor a folder", path.escape_debug());
        self.counted("E-CAP-FILESYSTEM-KIND", &rule, "put devices, pipes and sockets outside the granted folder".to_owned())
    }

    /// What policy says of a path by its letters: the second wall behind the handles, which see links and races.
    pub(super) fn judge(&self, path: &str, access: Access) -> Result<(), Denial> {
        let Decision::Deny { code, rule, hint } = self.bounds.decide_path(path, access) else { return Ok(()) };
        let hint = match hint.as_str() {
            "" => "nothing in a grant allows it: use paths below the folder".to_owned(),
            hint => format!("add to the plugin's `filesystem` grant: {hint}"),
        };
        Err(self.counted(code, &rule, hint))
    }

    fn counted(&self, code: &str, rule: &str, hint: String) -> Denial {
        let rule = format!("{rule} (plugin `{}`)", self.account.subject());
        let denial = Denial { code: code.to_owned(), permission: "filesystem".to_owned(), rule, hint };
        self.account.denied(&denial);
        denial
    }

    fn fits(&self, books: &Books, bytes: u64, files: u64) -> Result<(), Full> {
        if books.walked_at.is_none() {
            return Err(Full::Unknown);
        }
        // What lies there already may be past the quota; only growth is refused.
        if bytes > 0 && books.bytes.saturating_add(bytes) > self.quota.bytes {
            return Err(Full::Bytes);
        }
        if files > 0 && books.files.saturating_add(files) > self.quota.files {
            return Err(Full::Files);
        }
        Ok(())
    }

    fn walk(&self) {
        let open: HashMap<_, _> = self.books().open.values().map(|open| (open.inode, open.size)).collect();
        let mut walk = Walk { open, ..Walk::default() };
        let walked =
            rustix::fs::open(&self.path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).and_then(|root| walk.folder(&root, 0));
        let mut books = self.books();
        if walked.is_err() {
            // Not to be counted is to be full: it fails closed.
            books.walked_at = None;
            return;
        }
        let orphans: u64 = books.open.values().filter(|open| !open.linked).map(|open| open.size).sum();
        (books.bytes, books.files) = (walk.bytes.saturating_add(orphans), walk.files);
        books.walked_at = Some(Instant::now());
        self.tell(&books);
    }

    fn tell(&self, books: &Books) {
        self.account.storage("filesystem", books.bytes, books.files);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic happens under this lock")
    }
}

impl Books {
    fn resize(&mut self, identity: Identity, size: u64) {
        if let Some(open) = self.open.get_mut(&identity) {
            self.bytes = self.bytes.saturating_sub(open.size).saturating_add(size);
            open.size = size;
        }
    }
}

/// One open file or folder. All streams over it share it; when the last is gone it is closed in the books.
pub(super) struct Handle {
    pub(super) folder: Arc<Folder>,
    pub(super) file: Option<Identity>,
    /// For what a listing holds.
    pub(super) memory: Option<Hold>,
}

impl Handle {
    /// It turned out to be a file of this identity, inode and size.
    pub(super) fn is_file(&mut self, identity: Identity, inode: (u64, u64), size: u64) {
        let mut books = self.folder.books();
        books.open.entry(identity).or_insert(Open { inode, handles: 0, size, linked: true }).handles += 1;
        self.file = Some(identity);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut books = self.folder.books();
        books.handles -= 1;
        let Some(identity) = self.file else { return };
        let Some(open) = books.open.get_mut(&identity) else { return };
        open.handles -= 1;
        if open.handles == 0
            && let Some(open) = books.open.remove(&identity)
            && !open.linked
        {
            books.bytes = books.bytes.saturating_sub(open.size);
            self.folder.tell(&books);
        }
    }
}

/// The bytes that listing a folder will take, read once without keeping anything. None: more entries than are listed.
pub(super) fn listing_bytes(folder: &impl std::os::fd::AsFd) -> Result<Option<u64>, Errno> {
    let (mut bytes, mut entries) = (0, 0);
    for entry in Dir::read_from(folder)? {
        bytes += LISTED_ENTRY_BYTES + entry?.file_name().to_bytes().len() as u64;
        entries += 1;
        if entries > LISTED_ENTRIES_MAX {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// A walk over directory handles: a folder that is swapped for a link meanwhile is not followed.
#[derive(Default)]
struct Walk {
    bytes: u64,
    files: u64,
    /// Sizes that are booked for open files: a write under way may not be on the disk yet.
    open: HashMap<(u64, u64), u64>,
    seen: HashSet<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, folder: &impl std::os::fd::AsFd, depth: usize) -> Result<(), Errno> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.files += 1;
            if self.files > WALK_ENTRIES_MAX {
                return Err(Errno::OVERFLOW);
            }
            // Gone between listing and looking: not there.
            let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if depth >= WALK_DEPTH_MAX => return Err(Errno::LOOP),
                FileType::Directory => {
                    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    if let Ok(inner) = openat(folder, name, flags, Mode::empty()) {
                        self.folder(&inner, depth + 1)?;
                    }
                }
                FileType::RegularFile => {
                    let inode = (stat.st_dev, stat.st_ino);
                    // A file with two names has its bytes once.
                    if stat.st_nlink == 1 || self.seen.insert(inode) {
                        let size = u64::try_from(stat.st_size).unwrap_or(0);
                        self.bytes += self.open.get(&inode).copied().unwrap_or(0).max(size);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
