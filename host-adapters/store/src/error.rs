//! What can go wrong with the files of a node, and what to do about it. Broken chains are [`plugwork_core::record::Broken`].

use std::fmt;
use std::path::{Path, PathBuf};

use plugwork_core::Issue;
use plugwork_core::record::{Broken, RecordsError};

use crate::values::QuotaExceeded;

/// A result of this crate.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why something could not be kept or read.
#[derive(Debug, Clone)]
pub struct StoreError(Box<StoreErrorKind>);

/// The kinds, for branching.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// A file or folder belongs to somebody else, is open to others, or is not what it has to be.
    NotOurs {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// The key is missing although records, deployments or tokens exist, or is no key.
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The SQLite that was linked is older than [`crate::SQLITE_FLOOR`], and can corrupt a database in WAL mode.
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// A later version of plugwork wrote the database.
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The schema this version knows.
        known: i64,
    },
    /// The file is a database, but not the one it should be.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was replaced by another while it was open.
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged, or no database.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
    /// Somebody else held a lock for too long.
    Busy {
        /// The file.
        path: PathBuf,
        /// How long it waited.
        waited_ms: u64,
    },
    /// The disk is full, or a quota of the system is used up.
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
    /// Reading or writing failed otherwise.
    Io {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite said.
        what: String,
    },
    /// There is a file of that name, which is not replaced.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is no backup, or not whole.
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store was closed.
    Closed,
    /// The chain of records does not hold.
    Broken(Broken),
    /// A record was refused before anything was written.
    Records(RecordsError),
    /// An outbox would keep nothing.
    Retention(Issue),
    /// The values would exceed their quota; nothing was changed.
    Quota(QuotaExceeded),
    /// A key or a value is too long.
    TooLong {
        /// Which of the two.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// Incrementing what is no 64-bit decimal number, or past the range of one; nothing was changed.
    NotANumber,
}

impl StoreError {
    pub(crate) fn new(kind: StoreErrorKind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        let (path, what) = (path.to_owned(), error.to_string());
        Self::new(match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full { path, what }
            }
            _ => StoreErrorKind::Io { path, what },
        })
    }

    /// What SQLite's result code means; `waited_ms` is how long it was told to wait for locks.
    pub(crate) fn sql(path: &Path, waited_ms: u64, error: &sqlx::Error) -> Self {
        let (path, what) = (path.to_owned(), error.to_string());
        // The low byte is the primary code: the rest tells details that nobody branches on.
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
        Self::new(match (code.map(|code| code & 0xff), error) {
            (Some(5 | 6), _) | (_, sqlx::Error::PoolTimedOut) => StoreErrorKind::Busy { path, waited_ms },
            (Some(13), _) => StoreErrorKind::Full { path, what },
            (Some(11 | 26), _) => StoreErrorKind::Damaged { path, what },
            (_, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => StoreErrorKind::Damaged { path, what },
            (_, sqlx::Error::PoolClosed) => StoreErrorKind::Closed,
            _ => StoreErrorKind::Io { path, what },
        })
    }

    /// For branching.
    pub fn kind(&self) -> &StoreErrorKind {
        &self.0
    }

    /// What to do about it; empty where only the cause can be mended.
    pub fn hint(&self) -> String {
        match &*self.0 {
            StoreErrorKind::NotOurs { hint, .. } => hint.clone(),
            StoreErrorKind::Key { .. } => {
                "restore the key together with the records, or move the whole folder away and begin anew".to_owned()
            }
            StoreErrorKind::OldSqlite { .. } => format!("build with SQLite {} or later", crate::floor_text()),
            StoreErrorKind::NewerSchema { .. } => "use the newer plugwork, or a folder of its own for this one".to_owned(),
            StoreErrorKind::Foreign { .. } | StoreErrorKind::Replaced { .. } | StoreErrorKind::Damaged { .. } => {
                "restore the folder from a backup, all its files together".to_owned()
            }
            StoreErrorKind::Busy { .. } => "try again, or end the other process".to_owned(),
            StoreErrorKind::Full { .. } => "make room; what was acknowledged is kept, and nothing else was changed".to_owned(),
            StoreErrorKind::Exists { .. } => "give another name, or move it away".to_owned(),
            StoreErrorKind::NotABackup { .. } => "give a file that `plugwork state backup` made".to_owned(),
            StoreErrorKind::Io { .. } => "look at the disk: it may be full, read-only or failing".to_owned(),
            _ => String::new(),
        }
    }
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs { path, why, .. } => write!(f, "will not use `{}`: {why}", path.display()),
            Self::Key { path, why } => write!(f, "cannot use the key `{}`: {why}", path.display()),
            Self::OldSqlite { found } => write!(f, "SQLite {found} can corrupt a database that two connections write"),
            Self::NewerSchema { path, found, known } => {
                write!(f, "`{}` has schema {found}, and this plugwork knows up to {known}", path.display())
            }
            Self::Foreign { path } => write!(f, "`{}` is a database of something else", path.display()),
            Self::Replaced { path } => write!(f, "`{}` was replaced by another file while it was open", path.display()),
            Self::Damaged { path, what } => write!(f, "`{}` is damaged: {what}", path.display()),
            Self::Busy { path, waited_ms } => write!(f, "`{}` is locked by another process (waited {waited_ms} ms)", path.display()),
            Self::Full { path, what } => write!(f, "no room for `{}`: {what}", path.display()),
            Self::Io { path, what } => write!(f, "cannot use `{}`: {what}", path.display()),
            Self::Exists { path } => write!(f, "`{}` is there already", path.display()),
            Self::NotABackup { path, why } => write!(f, "`{}` is no backup: {why}", path.display()),
            Self::Closed => f.write_str("the store is closed"),
            Self::Broken(broken) => broken.fmt(f),
            Self::Records(error) => error.fmt(f),
            Self::Retention(issue) => write!(f, "an outbox would keep nothing: {issue}"),
            Self::Quota(exceeded) => exceeded.fmt(f),
            Self::TooLong { what, bytes, bytes_max } => write!(f, "the {what} has {bytes} bytes where at most {bytes_max} are allowed"),
            Self::NotANumber => f.write_str("the value is not a 64-bit decimal number, or the sum would not be one"),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let hint = self.hint();
        if hint.is_empty() { Ok(()) } else { write!(f, "\nhint: {hint}") }
    }
}

impl std::error::Error for StoreError {}

impl From<Broken> for StoreError {
    fn from(broken: Broken) -> Self {
        Self::new(StoreErrorKind::Broken(broken))
    }
}

impl From<RecordsError> for StoreError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Broken(broken) => broken.into(),
            error => Self::new(StoreErrorKind::Records(error)),
        }
    }
}

impl From<StoreError> for RecordsError {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        match *error.0 {
            StoreErrorKind::Broken(broken) => Self::Broken(broken),
            StoreErrorKind::Records(error) => error,
            StoreErrorKind::Busy { waited_ms, .. } => Self::Busy { waited_ms },
            kind => Self::Storage { what: kind.to_string(), hint },
        }
    }
}
