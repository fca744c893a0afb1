//! A stamp on what an index names: proof for this node itself that it signed the record, without checking the signature, which takes 40 µs. And, with a
//! key of its own, a stamp on rows that are no records, as the only proof.
//!
//! A keyed BLAKE3 over the record's digest, with a key that only who has `records.key` can derive. What a reader may get wrong: a stamp that is
//! missing or wrong is no complaint. Then the signature decides, as it would without stamps.

use plugwork_core::Digest;
use plugwork_core::record::{Broken, PublicKey, Record};

/// What makes and checks stamps. Shown nowhere.
#[derive(Clone)]
pub(crate) struct Stamps {
    index: [u8; 32],
    rows: [u8; 32],
}

impl Stamps {
    /// Of the node's 32 secret bytes.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            index: blake3::derive_key("plugwork-store 2026-11 stamps of the indexes of records.db", secret),
            rows: blake3::derive_key("plugwork-store 2026-11 stamps of deployments, moves and tokens in records.db", secret),
        }
    }

    /// The stamp of a row that is no record, by the digest of its content.
    pub(crate) fn of(&self, content: &Digest) -> [u8; 32] {
        *blake3::keyed_hash(&self.rows, content.as_bytes()).as_bytes()
    }

    /// Whether this node wrote a row with this content.
    pub(crate) fn is_of(&self, content: &Digest, stamp: &[u8]) -> bool {
        // Compared in constant time: `blake3::Hash` does.
        blake3::Hash::from_slice(stamp).is_ok_and(|stamp| stamp == self.of(content))
    }

    /// The stamp of a record that this node signed just now.
    pub(super) fn make(&self, record: &Record) -> [u8; 32] {
        *blake3::keyed_hash(&self.index, record.digest.as_bytes()).as_bytes()
    }

    /// Whether the record is genuine: by its digest and the stamp, or else by its digest and its signature.
    pub(super) fn check(&self, record: &Record, stamp: Option<&[u8]>, key: &PublicKey) -> Result<(), Broken> {
        // Compared in constant time: `blake3::Hash` does.
        let stamped = |stamp: &[u8]| blake3::Hash::from_slice(stamp).is_ok_and(|stamp| stamp == self.make(record));
        if stamp.is_some_and(stamped) { record.intact() } else { record.genuine(key) }
    }
}
