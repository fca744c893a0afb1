//! Which deployment is current: the latest move. The decisions about moving, each a pure function of what is known inside the store's transaction.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::draft::who_and_why;
use super::{ApplicationKey, Content, Deployment, Split};
use crate::application::Application;
use crate::{Digest, Issue};

const DOMAIN: &[u8] = b"plugwork deployment move 1\0";

/// Why the pointer moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moved {
    /// To a new deployment.
    Deployed,
    /// Back to an old one (or forward again to one that had been left).
    RolledBack,
}

impl Moved {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// One move of the pointer of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Whose.
    pub key: ApplicationKey,
    /// Its place among the moves of the application, from 1, without gaps.
    pub sequence: u64,
    /// What was current before; none: nothing was.
    pub from: Option<u64>,
    /// What is current since.
    pub to: u64,
    /// How.
    pub moved: Moved,
    /// When, by the server's clock, in Unix milliseconds. Never checked against its neighbours: clocks step back.
    pub at_ms: u64,
    /// Who.
    pub by: String,
    /// Why, in their words; may be empty.
    pub reason: String,
}

impl Move {
    /// A digest of all of it, as [`Deployment::content`].
    pub fn content(&self) -> Digest {
        let mut content = Content::new(DOMAIN);
        content.text(&self.key.tenant).text(&self.key.application).number(self.sequence).optional(self.from).number(self.to);
        content.text(self.moved.as_str()).number(self.at_ms).text(&self.by).text(&self.reason).finish()
    }

    /// The move that follows `last` (none: the first one).
    pub fn following(last: Option<&Self>, key: ApplicationKey, to: u64, moved: Moved, at_ms: u64, by: String, reason: String) -> Self {
        let (sequence, from) = last.map_or((1, None), |last| (last.sequence + 1, Some(last.to)));
        Self { key, sequence, from, to, moved, at_ms, by, reason }
    }
}

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The deployment.
    pub deployment: Deployment,
    /// The move that made it current.
    pub moved: Move,
}

impl Current {
    /// With which deployment it shares the requests, and how. None after a rollback, whatever its text says: who rolls back wants nothing more of what
    /// was current.
    pub fn split<'a>(&self, application: &'a Application) -> Option<(u64, &'a Split)> {
        let split = application.split.as_ref()?;
        match self.moved.moved {
            Moved::Deployed => self.moved.from.map(|before| (before, split)),
            Moved::RolledBack => None,
        }
    }
}

/// What somebody who wants to move the pointer believes to be current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Does not care: the last one wins.
    Anything,
    /// Nothing was deployed yet.
    Nothing,
    /// This one is, whatever was current meanwhile: deployed over and rolled back to, it is this one again.
    Number(u64),
}

impl Expected {
    /// Whether it is so.
    ///
    /// # Errors
    /// Somebody was faster.
    pub fn check(self, current: Option<u64>) -> Result<(), Conflict> {
        let holds = match self {
            Self::Anything => true,
            Self::Nothing => current.is_none(),
            Self::Number(number) => current == Some(number),
        };
        if holds { Ok(()) } else { Err(Conflict { expected: self, current }) }
    }
}

/// Another deployment or rollback came first; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// What was believed.
    pub expected: Expected,
    /// What is current.
    pub current: Option<u64>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.current {
            Some(current) => write!(f, "deployment {current} is current")?,
            None => f.write_str("nothing is deployed")?,
        }
        match self.expected {
            Expected::Number(number) => write!(f, ", not {number}"),
            Expected::Nothing => f.write_str(", where nothing was expected"),
            Expected::Anything => Ok(()),
        }?;
        f.write_str("\nhint: look at what changed, then try again with the number that is current")
    }
}

impl std::error::Error for Conflict {}

/// The number of the next deployment, if `last` is the highest there ever was.
pub fn next_number(last: Option<u64>) -> u64 {
    last.map_or(1, |last| last + 1)
}

/// A wish to roll back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Whose.
    pub key: ApplicationKey,
    /// To which number.
    pub to: u64,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Rollback {
    /// What is wrong with its words.
    pub fn issues(&self) -> Vec<Issue> {
        who_and_why(&self.by, "reason", &self.reason).collect()
    }

    /// Whether it may be done; `exists` says whether there is a deployment of that number.
    ///
    /// # Errors
    /// Why not; nothing is changed.
    pub fn decide(&self, current: Option<u64>, exists: bool) -> Result<(), RollbackRefused> {
        match current {
            None => Err(RollbackRefused::NothingDeployed),
            Some(current) if current == self.to => Err(RollbackRefused::AlreadyCurrent { number: current }),
            Some(_) if !exists => Err(RollbackRefused::Unknown { number: self.to }),
            Some(_) => Ok(()),
        }
    }
}

/// Why something cannot be rolled back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackRefused {
    /// The application has no deployment.
    NothingDeployed,
    /// It is what is current.
    AlreadyCurrent {
        /// Its number.
        number: u64,
    },
    /// There is no such deployment.
    Unknown {
        /// The number asked for.
        number: u64,
    },
}

impl fmt::Display for RollbackRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingDeployed => f.write_str("nothing was deployed"),
            Self::AlreadyCurrent { number } => write!(f, "deployment {number} is current already"),
            Self::Unknown { number } => write!(f, "there is no deployment {number}"),
        }
    }
}

impl std::error::Error for RollbackRefused {}
