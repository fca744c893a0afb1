//! A stamp on what an index names: proof for this node itself that it signed the record, without checking the signature, which takes 40 µs.
//!
//! A keyed BLAKE3 over the record's digest, with a key that only who has `records.key` can derive. What a reader may get wrong: a stamp that is
//! missing or wrong is no complaint. Then the signature decides, as it would without stamps.

use plugwork_core::record::{Broken, PublicKey, Record};

/// What makes and checks stamps. Shown nowhere.
#[derive(Clone)]
pub(crate) struct Stamps([u8; 32]);

impl Stamps {
    /// Of the node's 32 secret bytes.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(blake3::derive_key("plugwork-store 2026-11 stamps of the indexes of records.db", secret))
    }

    /// The stamp of a record that this node signed just now.
    pub(super) fn make(&self, record: &Record) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, record.digest.as_bytes()).as_bytes()
    }

    /// Whether the record is genuine: by its digest and the stamp, or else by its digest and its signature.
    pub(super) fn check(&self, record: &Record, stamp: Option<&[u8]>, key: &PublicKey) -> Result<(), Broken> {
        // Compared in constant time: `blake3::Hash` does.
        let stamped = |stamp: &[u8]| blake3::Hash::from_slice(stamp).is_ok_and(|stamp| stamp == self.make(record));
        if stamp.is_some_and(stamped) { record.intact() } else { record.genuine(key) }
    }
}
