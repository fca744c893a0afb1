//! Deployments: an application at one moment, numbered and never changed, and which of them is current.
//!
//! Here are the rules: what may be deployed, which number is next, who wins a race, what may be rolled back to, how two share the requests. Where they are
//! kept is behind [`Deployments`]. What a reader may get wrong: rolling back makes no new deployment. It moves the pointer to an old one, and the move is
//! kept, as the one that deployed is.

#[cfg(feature = "records")]
mod deployments;
mod draft;
#[cfg(feature = "records")]
mod memory;
mod moves;
mod split;

#[cfg(feature = "records")]
pub use deployments::{Deployments, DeploymentsError, Named, PAGE_DEPLOYMENTS_MAX, Pending, Unreadable};
#[cfg(feature = "records")]
pub(crate) use draft::who_and_why;
pub use draft::{BY_BYTES_MAX, Draft, NOTE_BYTES_MAX};
#[cfg(feature = "records")]
pub use memory::Memory;
pub use moves::{Conflict, Current, Expected, Move, Moved, Rollback, RollbackRefused, next_number};
pub use split::{Split, SplitHeader, is_in_share};

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::application::{Application, ApplicationError};
use crate::{Digest, Hasher};

/// Separates these hashes from every other use of SHA-256; the number changes when the encoding does.
const DOMAIN: &[u8] = b"plugwork deployment 1\0";

/// Whose application. Nothing of one is ever seen in another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApplicationKey {
    /// On whose behalf; `default` where the server has one owner.
    pub tenant: String,
    /// The application's name.
    pub application: String,
}

impl fmt::Display for ApplicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant != "default" {
            write!(f, "{}/", self.tenant)?;
        }
        f.write_str(&self.application)
    }
}

/// One deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Whose.
    pub key: ApplicationKey,
    /// Its number within the application, from 1, never used again.
    pub number: u64,
    /// The application in its one spelling ([`Application::canonical`]).
    pub text: String,
    /// The component of each plugin, by the name that routes use.
    pub plugins: BTreeMap<String, Digest>,
    /// When, by the server's clock, in Unix milliseconds.
    pub created_ms: u64,
    /// Who deployed it.
    pub by: String,
    /// Why, in their words; may be empty.
    pub note: String,
    /// SHA-256 over all of the above: see [`Deployment::content`].
    pub digest: Digest,
}

impl Deployment {
    /// The digest that the content gives: over a domain, then every field with its length in front (64-bit little endian) and the number of plugins
    /// before them, so that no two contents have one encoding.
    pub fn content(&self) -> Digest {
        let mut content = Content::new(DOMAIN);
        content.text(&self.key.tenant).text(&self.key.application).number(self.number).text(&self.text).number(self.plugins.len() as u64);
        for (name, digest) in &self.plugins {
            content.text(name).field(digest.as_bytes());
        }
        content.number(self.created_ms).text(&self.by).text(&self.note).finish()
    }

    /// Whether its content gives its digest.
    pub fn is_intact(&self) -> bool {
        self.content() == self.digest
    }

    /// The application. An error means that another version of plugwork wrote it, provided that it is intact.
    ///
    /// # Errors
    /// What this version does not understand.
    pub fn application(&self) -> Result<Application, ApplicationError> {
        Application::parse(&self.text)
    }
}

/// Fields to be hashed, each with its length in front.
pub(crate) struct Content(Hasher);

impl Content {
    pub(crate) fn new(domain: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(domain);
        Self(hasher)
    }

    pub(crate) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.field(&number.to_le_bytes())
    }

    /// A number that may be none.
    pub(crate) fn optional(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.field(&[]),
        }
    }

    pub(crate) fn finish(&mut self) -> Digest {
        self.0.clone().finish()
    }
}
