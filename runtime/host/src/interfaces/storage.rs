//! What the interfaces that keep something share: whose it is, how much of it there may be, and why there is no answer.
//!
//! Nothing here keeps anything: back ends are in `plugwork-capabilities`. Easy to get wrong: the digest is no part of an [`Owner`], so what
//! a plugin kept is still there after an update.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use plugwork_core::policy::Decision;
use plugwork_core::{Denial, Issue, PackageName, Subject};

/// Whose values or objects: the namespace that the host puts in front, which no key can name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The tenant.
    pub tenant: String,
    /// Which of several instances of one package; may be empty.
    pub instance: String,
    /// The package, whatever its version.
    pub package: PackageName,
}

impl From<&Subject> for Owner {
    fn from(subject: &Subject) -> Self {
        Self { tenant: subject.tenant.clone(), instance: subject.instance.clone(), package: subject.package.clone() }
    }
}

/// How much one owner may keep in one capability, over all of its stores or containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of names and contents together.
    pub bytes: u64,
    /// Keys or objects.
    pub entries: u64,
}

impl Quota {
    /// The smaller of each: what a plugin asks for cannot raise what the host allows.
    pub(crate) fn tightened(self, bytes: Option<u64>, entries: Option<u64>) -> Self {
        Self {
            bytes: bytes.map_or(self.bytes, |bytes| bytes.min(self.bytes)),
            entries: entries.map_or(self.entries, |entries| entries.min(self.entries)),
        }
    }
}

/// What one owner keeps in one capability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Bytes of names and contents together.
    pub bytes: u64,
    /// Keys or objects.
    pub entries: u64,
}

impl Kept {
    /// This much and more of it. The error says which part of the quota it would pass.
    pub fn with(self, more: Self, quota: Quota) -> Result<Self, StorageError> {
        let after = Self { bytes: self.bytes.saturating_add(more.bytes), entries: self.entries.saturating_add(more.entries) };
        // What shrinks or stays may always be done: a quota that was lowered must not lock a plugin out of its own deletes.
        if more.bytes > 0 && after.bytes > quota.bytes {
            return Err(StorageError::Full(Full { bound: "bytes", limit: quota.bytes, asked: after.bytes }));
        }
        if more.entries > 0 && after.entries > quota.entries {
            return Err(StorageError::Full(Full { bound: "entries", limit: quota.entries, asked: after.entries }));
        }
        Ok(after)
    }

    /// This much and less of it.
    pub fn without(self, less: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(less.bytes), entries: self.entries.saturating_sub(less.entries) }
    }
}

/// A quota that would have been passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// `bytes` or `entries`.
    pub bound: &'static str,
    /// What it is.
    pub limit: u64,
    /// What there would have been.
    pub asked: u64,
}

/// Why a store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// Policy said no.
    Denied(Denial),
    /// The quota said no. Back ends answer this; who asked them turns it into a denial with a hint.
    Full(Full),
    /// What was given is wrong.
    Invalid(Issue),
    /// There is no such thing; it says what was looked for.
    Absent(String),
    /// The back end failed.
    Unavailable(String),
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => denial.fmt(f),
            Self::Full(Full { bound, limit, asked }) => write!(f, "the quota of {limit} {bound} would be passed: {asked}"),
            Self::Invalid(issue) => issue.fmt(f),
            Self::Absent(what) => write!(f, "there is no {what}"),
            Self::Unavailable(reason) => write!(f, "unavailable: {reason}"),
        }
    }
}

impl std::error::Error for StorageError {}

/// An answer under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Turns decisions and full quotas into denials with a plugin and a hint.
#[derive(Debug, Clone)]
pub(super) struct Decider {
    pub(super) capability: &'static str,
    /// The beginning of its codes, such as `E-CAP-KV`.
    pub(super) codes: &'static str,
    /// How its grants call entries: `keys`, `objects`.
    pub(super) entries: &'static str,
    pub(super) plugin: String,
}

impl Decider {
    /// Allowing costs nothing; only a denial makes text.
    #[inline]
    pub(super) fn obey(&self, decision: Decision) -> Result<(), StorageError> {
        match decision {
            Decision::Allow => Ok(()),
            Decision::Deny { code, rule, hint } => Err(StorageError::Denied(self.denial(code.to_owned(), &rule, &hint))),
        }
    }

    /// The same error, with a full quota worded as a denial.
    pub(super) fn word(&self, error: StorageError) -> StorageError {
        match error {
            StorageError::Full(full) => {
                let bound = if full.bound == "entries" { self.entries } else { full.bound };
                let code = format!("{}-QUOTA", self.codes);
                let rule = format!("{} {bound} would be kept where {} are granted", full.asked, full.limit);
                StorageError::Denied(self.denial(code, &rule, &format!("{bound} = {}", full.asked)))
            }
            other => other,
        }
    }

    fn denial(&self, code: String, rule: &str, hint: &str) -> Denial {
        Denial {
            code,
            permission: self.capability.to_owned(),
            rule: format!("{rule} (plugin `{}`)", self.plugin),
            hint: if hint.is_empty() { String::new() } else { format!("add to the plugin's `{}` grant: {hint}", self.capability) },
        }
    }
}

/// The error of something given that is too large or malformed.
pub(super) fn invalid(at: &str, what: String, expected: String) -> StorageError {
    StorageError::Invalid(Issue { what, at: at.to_owned(), expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { bytes: 10, entries: 2 };

    #[test]
    fn a_quota_can_be_filled_and_not_passed() {
        let full = Kept { bytes: 10, entries: 2 };
        assert_eq!(Kept { bytes: 4, entries: 1 }.with(Kept { bytes: 6, entries: 1 }, QUOTA).unwrap(), full);
        let past = Kept { bytes: 4, entries: 1 }.with(Kept { bytes: 7, entries: 0 }, QUOTA).unwrap_err();
        assert_eq!(past, StorageError::Full(Full { bound: "bytes", limit: 10, asked: 11 }));
        let past = full.with(Kept { bytes: 0, entries: 1 }, QUOTA).unwrap_err();
        assert_eq!(past, StorageError::Full(Full { bound: "entries", limit: 2, asked: 3 }));
        assert!(Kept::default().with(Kept { bytes: u64::MAX, entries: 0 }, QUOTA).is_err());
    }

    #[test]
    fn nothing_more_is_possible_where_the_quota_was_lowered_below_what_is_kept() {
        assert!(Kept { bytes: 50, entries: 5 }.with(Kept::default(), QUOTA).is_ok());
    }
}
