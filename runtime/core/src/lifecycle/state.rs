//! The words: states, moves and actors, as they are written, shown and compared. Which of them go together is in `table.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where one instance of a plugin is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Found in a folder or a list, and nothing more: nobody consented, nothing of it ran.
    Discovered,
    /// Consented to and on record; not attached to any point.
    Installed,
    /// Being compiled, linked and initialised.
    Enabling,
    /// Attached: dispatches find it.
    Active,
    /// Enabled, but for now no call reaches it.
    Suspended {
        /// Why, for people: which breaker, which revocation, which limit.
        reason: String,
    },
    /// No new call reaches it; those under way finish or meet their deadline.
    Disabling,
    /// It could not be enabled, or cannot go on.
    Failed {
        /// What went wrong, in words.
        fault: String,
    },
    /// Gone, with its consent. Installing it again begins another life.
    Removed,
}

impl State {
    /// The state without what it says about itself.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Discovered => Stage::Discovered,
            Self::Installed => Stage::Installed,
            Self::Enabling => Stage::Enabling,
            Self::Active => Stage::Active,
            Self::Suspended { .. } => Stage::Suspended,
            Self::Disabling => Stage::Disabling,
            Self::Failed { .. } => Stage::Failed,
            Self::Removed => Stage::Removed,
        }
    }
}

impl fmt::Display for State {
    /// The stage; behind it, where there is one, the reason or the fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stage().fmt(f)?;
        match self {
            Self::Suspended { reason: why } | Self::Failed { fault: why } if !why.is_empty() => write!(f, ": {why}"),
            _ => Ok(()),
        }
    }
}

/// Makes an enum of plain words: each variant's text, all of them in order, and how it is shown.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// All of them, in the order in which they are written down.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word, as it stands in messages, records and `docs/lifecycle.md`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// A [`State`] without its data: what the table is about.
    Stage {
        /// See [`State::Discovered`].
        Discovered = "discovered",
        /// See [`State::Installed`].
        Installed = "installed",
        /// See [`State::Enabling`].
        Enabling = "enabling",
        /// See [`State::Active`].
        Active = "active",
        /// See [`State::Suspended`].
        Suspended = "suspended",
        /// See [`State::Disabling`].
        Disabling = "disabling",
        /// See [`State::Failed`].
        Failed = "failed",
        /// See [`State::Removed`].
        Removed = "removed",
    }
}

impl Stage {
    /// Whether a plugin may stay in it. Enabling and disabling are ways, not places: they are never recorded, so a host that is killed within one
    /// finds the state before it.
    pub fn settled(self) -> bool {
        !matches!(self, Self::Enabling | Self::Disabling)
    }
}

words! {
    /// What can be done to a plugin, or happen to it.
    Move {
        /// Its offer is accepted.
        Install = "install",
        /// It is to be attached: compiling and initialising begins.
        Enable = "enable",
        /// It is ready: attached to its points.
        Activate = "activate",
        /// No call reaches it until it is enabled again.
        Suspend = "suspend",
        /// Another version takes its place.
        Update = "update",
        /// It is to be detached: draining begins.
        Disable = "disable",
        /// The last call has ended: it is detached.
        Settle = "settle",
        /// It could not be enabled, or cannot go on.
        Fail = "fail",
        /// It is tried again after it failed.
        Recover = "recover",
        /// It goes, with its consent.
        Remove = "remove",
    }
}

words! {
    /// Who causes a move.
    Actor {
        /// A person, or the application on a person's behalf.
        Operator = "operator",
        /// The host itself: it starts what is enabled on record, and finishes what was begun.
        Host = "host",
        /// What the host observes while the plugin runs: a revocation, the breaker, the watch over a new version.
        Watch = "watch",
    }
}
