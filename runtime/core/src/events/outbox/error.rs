//! Why events could not be kept or read.

use std::fmt;

/// Why events could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxError {
    /// Somebody else kept it locked for too long; trying again later is sensible.
    Busy {
        /// How long it waited.
        waited_ms: u64,
    },
    /// It could not be read or written: the disk, the file, the permissions.
    Storage {
        /// What went wrong.
        what: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// So much of the tenant is on its way to it already that no more is taken; trying again later is sensible.
    Full {
        /// How many events wait to be kept.
        waiting: usize,
    },
    /// It was closed.
    Closed,
}

impl OutboxError {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "E-OUTBOX-BUSY",
            Self::Storage { .. } => "E-OUTBOX-STORAGE",
            Self::Full { .. } => "E-OUTBOX-FULL",
            Self::Closed => "E-OUTBOX-CLOSED",
        }
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { waited_ms } => {
                write!(f, "the outbox is locked by another process\nhint: waited {waited_ms} ms; try again, or end the other process")
            }
            Self::Storage { what, hint } if hint.is_empty() => f.write_str(what),
            Self::Storage { what, hint } => write!(f, "{what}\nhint: {hint}"),
            Self::Full { waiting } => {
                write!(f, "{waiting} events wait to be kept already\nhint: try again, and look at the disk where it stays so")
            }
            Self::Closed => f.write_str("the outbox is closed"),
        }
    }
}

impl std::error::Error for OutboxError {}
