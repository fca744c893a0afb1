//! What was decided and what happened, as records that cannot be edited unnoticed: each names the digest of the one before it
//! and is signed by the node's key.
//!
//! Pure: sealing and checking. Where records are kept is behind [`Records`]; [`Memory`] is here, SQLite is in `plugwork-store`.
//! What a reader may get wrong: a chain proves that nobody *without the key* changed it. Who has the key and the folder can write
//! another history; and a chain that lost its end is whole in itself, so its [`Head`] must be kept elsewhere too.

mod broken;
mod event;
mod key;
mod memory;
mod records;
mod settings;

pub use broken::{Broken, Why};
pub use event::{APPROVER_BYTES_MAX, BODY_BYTES_MAX, Consent, ConsentKey, Event, MESSAGE_BYTES_MAX};
pub use key::{Key, NotAKey, PublicKey, Signature};
pub use memory::Memory;
pub use records::{Chain, Current, Pending, Records, RecordsError, Verified};
pub use settings::{SETTINGS_POINTS_MAX, Settings};

use serde::{Deserialize, Serialize};

use crate::{Digest, Hasher};

/// Separates these hashes from every other use of SHA-256; the number changes when the encoding does.
const DOMAIN: &[u8] = b"plugwork record 1\0";
/// The same for the signature of a head that is kept beside the chain.
const HEAD_DOMAIN: &[u8] = b"plugwork head 1\0";

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// When, by the host's clock, in Unix milliseconds. Never checked against its neighbours: clocks step back.
    pub at_ms: u64,
    /// The JSON of the [`Event`], exactly as it was hashed. Never written anew: another version might order it otherwise.
    pub body: String,
    /// The digest of the record before it; of the first one, [`Record::beginning`].
    pub previous: Digest,
    /// SHA-256 over the fields above: see [`Record::content`].
    pub digest: Digest,
    /// Ed25519 over the digest, by the node's key.
    pub signature: Signature,
}

/// The end of a chain: what the next record follows, and what has to be kept elsewhere to notice a chain cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The sequence of the last record.
    pub sequence: u64,
    /// The digest of the last record.
    pub digest: Digest,
}

impl Record {
    /// What the first record names as its predecessor.
    pub fn beginning() -> Digest {
        Digest::of(b"plugwork: the record before the first")
    }

    /// The event. An error means that a later version of plugwork wrote it, provided that the record passed [`check`].
    pub fn event(&self) -> Result<Event, RecordsError> {
        serde_json::from_str(&self.body).map_err(|error| RecordsError::Event { sequence: self.sequence, why: error.to_string() })
    }

    /// The digest that the content gives: over a domain, then previous digest, sequence, time and body, each with its length in
    /// front (64-bit little endian), so that no two contents have one encoding.
    pub fn content(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(DOMAIN);
        for field in [self.previous.as_bytes().as_slice(), &self.sequence.to_le_bytes(), &self.at_ms.to_le_bytes(), self.body.as_bytes()] {
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field);
        }
        hasher.finish()
    }

    /// Whether it is by itself what the key signed. Says nothing of its place: an old record is genuine too; that is for [`check`].
    pub fn genuine(&self, key: &PublicKey) -> Result<(), Broken> {
        self.intact()?;
        if !key.signed_digest(&self.digest, &self.signature) {
            return Err(Broken { sequence: self.sequence, why: Why::Signature });
        }
        Ok(())
    }

    /// Whether its content gives its digest. Finds accidents and careless edits; who mends the digest too is found by
    /// [`Record::genuine`], or by a host that knows otherwise which digests it signed.
    pub fn intact(&self) -> Result<(), Broken> {
        let computed = self.content();
        if computed != self.digest {
            return Err(Broken { sequence: self.sequence, why: Why::Changed { stored: self.digest, computed } });
        }
        Ok(())
    }

    /// This record as the end of the chain.
    pub fn head(&self) -> Head {
        Head { sequence: self.sequence, digest: self.digest }
    }
}

impl Head {
    /// What is signed of a head that is kept beside the chain.
    fn message(&self) -> [u8; HEAD_DOMAIN.len() + 40] {
        let mut message = [0; HEAD_DOMAIN.len() + 40];
        let (domain, rest) = message.split_at_mut(HEAD_DOMAIN.len());
        domain.copy_from_slice(HEAD_DOMAIN);
        rest[..8].copy_from_slice(&self.sequence.to_le_bytes());
        rest[8..].copy_from_slice(self.digest.as_bytes());
        message
    }

    /// Signs the head, to be kept where the chain is not.
    pub fn sign(&self, key: &Key) -> Signature {
        key.sign(&self.message())
    }

    /// Whether this very head was signed by the key.
    pub fn is_signed(&self, signature: &Signature, key: &PublicKey) -> bool {
        key.signed(&self.message(), signature)
    }
}

/// Makes the record that follows `previous`. The message of [`Event::Faulted`], [`Event::Refused`] or [`Event::RolledBack`] is cut to [`MESSAGE_BYTES_MAX`],
/// since a plugin can make it long and must not escape the record by that; anything else too large is refused.
pub fn seal(previous: Option<&Head>, at_ms: u64, event: &Event, key: &Key) -> Result<Record, RecordsError> {
    let mut record = Record {
        sequence: previous.map_or(1, |head| head.sequence + 1),
        at_ms,
        body: event.body()?,
        previous: previous.map_or_else(Record::beginning, |head| head.digest),
        digest: Record::beginning(),
        signature: Signature::default(),
    };
    record.digest = record.content();
    record.signature = key.sign_digest(&record.digest);
    Ok(record)
}

/// Whether the record follows `previous`, has the content its digest names, and is signed by the key.
///
/// A body that is no event of this version is not an error here: [`Record::event`] tells that.
pub fn check(previous: Option<&Head>, record: &Record, key: &PublicKey) -> Result<Head, Broken> {
    let broken = |why| Err(Broken { sequence: record.sequence, why });
    let follows = previous.map_or(0, |head| head.sequence);
    if Some(record.sequence) != follows.checked_add(1) {
        return broken(Why::Order { follows });
    }
    record.genuine(key)?;
    if record.previous != previous.map_or_else(Record::beginning, |head| head.digest) {
        return broken(Why::Link { follows });
    }
    Ok(record.head())
}

#[cfg(test)]
mod tests;
