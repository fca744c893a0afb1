//! What a record can say. Not who may say it: that is the host's and the command line's business.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{RecordsError, Settings};
use crate::limits::OPTIONS_BYTES_MAX;
use crate::{Digest, Grants, Limits, PackageName, Subject};

/// Bytes of a record's body. Grants carry values of options, which may have 64 KiB.
pub const BODY_BYTES_MAX: usize = 256 << 10;
/// Bytes that are kept of the message of a fault or a refusal; the rest is cut.
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Bytes of an approver's name, and of a reason.
pub const APPROVER_BYTES_MAX: usize = 4 << 10;

/// Something that was decided, or that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
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
    /// The plugin is to run: a host that starts loads it.
    Enabled {
        /// Which.
        subject: Subject,
        /// Who enabled it.
        by: String,
        /// How it is to run.
        settings: Settings,
    },
    /// The plugin is not to run, and stays installed.
    Disabled {
        /// Which.
        subject: Subject,
        /// Who disabled it.
        by: String,
        /// Why; may be empty.
        reason: String,
        /// How it would run if it were enabled again.
        settings: Settings,
    },
    /// Another version took the place of one that runs. The consent to it is a record of its own.
    Replaced {
        /// The one that runs now.
        subject: Subject,
        /// The component file that ran before.
        from: Digest,
        /// Who replaced it.
        by: String,
    },
    /// A version went back by itself to the one before it.
    RolledBack {
        /// The one that runs again.
        subject: Subject,
        /// The component file that went back.
        from: Digest,
        /// What was seen of it, in words; at most [`MESSAGE_BYTES_MAX`].
        why: String,
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
            | Self::Enabled { subject, .. }
            | Self::Disabled { subject, .. }
            | Self::Replaced { subject, .. }
            | Self::RolledBack { subject, .. }
            | Self::Faulted { subject, .. }
            | Self::Refused { subject, .. } => subject,
        }
    }

    /// The key whose current consent it changes. Declining changes none: an earlier consent stands.
    pub fn changes_consent(&self) -> Option<ConsentKey> {
        match self {
            Self::Granted(Consent { subject, .. }) | Self::Revoked { subject, .. } | Self::Removed { subject, .. } => Some(subject.into()),
            _ => None,
        }
    }

    /// The key of which it says whether and how the plugin is to run. Removing does: a plugin that is installed again is not enabled because it
    /// once was. Revoking does not: whether it runs is then a matter of consent, and it goes on as it was when consent is given anew.
    pub fn changes_lifecycle(&self) -> Option<ConsentKey> {
        match self {
            Self::Enabled { subject, .. } | Self::Disabled { subject, .. } | Self::Removed { subject, .. } => Some(subject.into()),
            _ => None,
        }
    }

    /// How the plugin is to run, where it says so.
    pub fn settings(&self) -> Option<&Settings> {
        match self {
            Self::Enabled { settings, .. } | Self::Disabled { settings, .. } => Some(settings),
            _ => None,
        }
    }

    /// The body of its record.
    pub(super) fn body(&self) -> Result<String, RecordsError> {
        let mut event = self.clone();
        if let Self::Faulted { message, .. } | Self::Refused { message, .. } | Self::RolledBack { why: message, .. } = &mut event {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        }
        for text in event.people() {
            if text.len() > APPROVER_BYTES_MAX {
                return Err(RecordsError::TooLarge { bytes: text.len(), bytes_max: APPROVER_BYTES_MAX });
            }
        }
        if let Some(bytes) = event.settings().map(Settings::configuration_bytes).filter(|bytes| *bytes > OPTIONS_BYTES_MAX) {
            return Err(RecordsError::TooLarge { bytes, bytes_max: OPTIONS_BYTES_MAX });
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
            Self::Granted(Consent { approver: by, reason, .. })
            | Self::Declined { by, reason, .. }
            | Self::Revoked { by, reason, .. }
            | Self::Disabled { by, reason, .. } => vec![by, reason],
            Self::Removed { by, .. } | Self::Enabled { by, .. } | Self::Replaced { by, .. } => vec![by],
            Self::RolledBack { .. } => vec![],
            Self::Faulted { code, .. } | Self::Refused { code, .. } => vec![code],
        }
        .into_iter()
    }
}
