//! What a record can say. Not who may say it: that is the host's and the command line's business.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::RecordsError;
use crate::{Grants, Limits, PackageName, Subject};

/// Bytes of a record's body. Grants carry values of options, which may have 64 KiB.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes that are kept of the message of a fault or a refusal; the rest is cut.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Bytes of an approver's name, and of a reason.
pub const APPROVER_BYTES_MAX: usize = 4 << 10;

/// Something that was decided, or that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "an event is written or read and gone; nobody keeps a list of them")]
pub enum Event {
    /// Somebody consented to an offer.
    Granted(Consent),
    /// Somebody declined an offer. An earlier consent stands.
    Declined {
        /// The offer's subject.
        subject: Subject,
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// A consent was taken back.
    Revoked {
        /// Whose.
        subject: Subject,
        /// Who took it back.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// The plugin was removed, and its consent with it.
    Removed {
        /// Which.
        subject: Subject,
        /// Who removed it.
        by: String,
    },
    /// The plugin failed.
    Faulted {
        /// Which.
        subject: Subject,
        /// The fault's stable code.
        code: String,
        /// In words, of the last one; at most [`MESSAGE_BYTES_MAX`].
        message: String,
        /// How many since the last such record.
        count: u64,
    },
    /// The plugin, or its package, was refused something.
    Refused {
        /// Which.
        subject: Subject,
        /// The denial's stable code.
        code: String,
        /// In words, of the last one; at most [`MESSAGE_BYTES_MAX`].
        message: String,
        /// How many since the last such record.
        count: u64,
    },
}

/// What somebody consented to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consent {
    /// Whose plugin, and by its digest exactly which.
    pub subject: Subject,
    /// Its version; none for a component without a manifest.
    pub version: Option<Version>,
    /// What it may do.
    pub grants: Grants,
    /// Who consented.
    pub approver: String,
    /// Why; may be empty.
    pub reason: String,
    /// Until when, in Unix milliseconds.
    pub expires_ms: Option<u64>,
    /// The limits it was given; none leaves them to the host.
    pub limits: Option<Limits>,
}

impl Consent {
    /// Whether it says the same as another, by whomever and for whatever reason.
    pub fn covers(&self, other: &Self) -> bool {
        let what = |consent: &Self| (consent.subject.clone(), consent.grants.clone(), consent.expires_ms, consent.limits);
        what(self) == what(other)
    }

    /// Whether it is over: the moment it names is already past it.
    pub fn expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| now_ms >= expires_ms)
    }
}

/// Whose consent: a [`Subject`] without the digest, since an update keeps the key and brings another file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConsentKey {
    /// On whose behalf.
    pub tenant: String,
    /// Which of several instances.
    pub instance: String,
    /// The package.
    pub package: PackageName,
}

impl From<&Subject> for ConsentKey {
    fn from(subject: &Subject) -> Self {
        Self { tenant: subject.tenant.clone(), instance: subject.instance.clone(), package: subject.package.clone() }
    }
}

impl fmt::Display for ConsentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.package)?;
        if !self.instance.is_empty() {
            write!(f, "#{}", self.instance)?;
        }
        Ok(())
    }
}

impl Event {
    /// Whom it is about.
    pub fn subject(&self) -> &Subject {
        match self {
            Self::Granted(Consent { subject, .. })
            | Self::Declined { subject, .. }
            | Self::Revoked { subject, .. }
            | Self::Removed { subject, .. }
            | Self::Faulted { subject, .. }
            | Self::Refused { subject, .. } => subject,
        }
    }

    /// The key whose current consent it changes. Declining changes none: an earlier consent stands.
    pub fn changes_consent(&self) -> Option<ConsentKey> {
        match self {
            Self::Granted(Consent { subject, .. }) | Self::Revoked { subject, .. } | Self::Removed { subject, .. } => Some(subject.into()),
            Self::Declined { .. } | Self::Faulted { .. } | Self::Refused { .. } => None,
        }
    }

    /// The body of its record.
    pub(super) fn body(&self) -> Result<String, RecordsError> {
        let mut event = self.clone();
        if let Self::Faulted { message, .. } | Self::Refused { message, .. } = &mut event {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        }
        for text in event.people() {
            if text.len() > APPROVER_BYTES_MAX {
                return Err(RecordsError::TooLarge { bytes: text.len(), bytes_max: APPROVER_BYTES_MAX });
            }
        }
        let body = serde_json::to_string(&event).map_err(|error| RecordsError::Event { sequence: 0, why: error.to_string() })?;
        if body.len() > BODY_BYTES_MAX {
            return Err(RecordsError::TooLarge { bytes: body.len(), bytes_max: BODY_BYTES_MAX });
        }
        Ok(body)
    }

    /// What people said in it.
    fn people(&self) -> impl Iterator<Item = &String> {
        match self {
            Self::Granted(Consent { approver: by, reason, .. }) | Self::Declined { by, reason, .. } | Self::Revoked { by, reason, .. } => {
                vec![by, reason]
            }
            Self::Removed { by, .. } => vec![by],
            Self::Faulted { code, .. } | Self::Refused { code, .. } => vec![code],
        }
        .into_iter()
    }
}
