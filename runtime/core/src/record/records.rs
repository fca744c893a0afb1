//! Where records are kept: the seam that a host and the command line program against, and what every implementation shares.
//!
//! What a reader may get wrong: [`Records::consent`] answers from an index for speed; only [`Records::verify`] recomputes the chain.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{Broken, ConsentKey, Event, Head, PublicKey, Record, Why, check};

/// What a method of [`Records`] gives: a future that may move between threads.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, RecordsError>> + Send + 'a>>;

/// An append-only chain of records, one for each node.
///
/// Every implementation passes the contract suite in `host-adapters/store/tests/it/contract.rs`.
pub trait Records: Send + Sync + 'static {
    /// Links, signs and keeps the events, all or none. They are durable when it resolves; dropping the future may or may not
    /// append them. Nothing to append is no error.
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>>;

    /// As [`Records::append`], where the chain still ends with the record of this sequence (0: is still empty): for whoever decided by what was read up
    /// to there. None where somebody appended meanwhile, in whichever process: then nothing is appended.
    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>>;

    /// The records after the one with this sequence (0: from the first), at most `limit`, in order.
    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>>;

    /// The end of the chain; none while it is empty.
    fn head(&self) -> Pending<'_, Option<Head>>;

    /// The latest record that granted, revoked or removed for this key; none if nothing ever did. Declining changes nothing.
    /// Whether a consent has expired is for the caller, who has a clock.
    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>>;

    /// The same for every key, in the order of keys.
    fn consents(&self) -> Pending<'_, Vec<Record>>;

    /// The latest record that enabled, disabled or removed this key; none if nothing ever did. Whether it may run is for its consent to say.
    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>>;

    /// The same for every key, in the order of keys: what a host reads when it starts.
    fn lifecycles(&self) -> Pending<'_, Vec<Record>>;

    /// Recomputes everything. A chain that does not hold is [`RecordsError::Broken`], naming the first bad record.
    fn verify(&self) -> Pending<'_, Verified>;

    /// What checks the signatures.
    fn public_key(&self) -> PublicKey;
}

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// Its end; none when empty.
    pub head: Option<Head>,
}

/// Checks records one after the other, so that a long chain need not be in memory; also follows what is current.
pub struct Chain {
    key: PublicKey,
    kept: Option<Head>,
    head: Option<Head>,
    current: Current,
}

/// What a whole chain says of each key: what an index of it has to say too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Current {
    /// The record that [`Records::consent`] gives.
    pub consents: BTreeMap<ConsentKey, u64>,
    /// The record that [`Records::lifecycle`] gives.
    pub lifecycles: BTreeMap<ConsentKey, u64>,
}

impl Current {
    /// Takes the next event, which has this place.
    pub fn follow(&mut self, event: &Event, sequence: u64) {
        if let Some(key) = event.changes_consent() {
            self.consents.insert(key, sequence);
        }
        if let Some(key) = event.changes_lifecycle() {
            self.lifecycles.insert(key, sequence);
        }
    }
}

impl Chain {
    /// Begins before the first record; `kept` is a head that was kept elsewhere, which the chain has to contain.
    pub fn new(key: PublicKey, kept: Option<Head>) -> Self {
        Self { key, kept, head: None, current: Current::default() }
    }

    /// Takes the next record. After an error this chain is of no use.
    pub fn push(&mut self, record: &Record) -> Result<(), RecordsError> {
        let head = check(self.head.as_ref(), record, &self.key)?;
        if self.kept.is_some_and(|kept| kept.sequence == head.sequence && kept.digest != head.digest) {
            return Err(Broken { sequence: head.sequence, why: Why::Head }.into());
        }
        self.current.follow(&record.event()?, record.sequence);
        self.head = Some(head);
        Ok(())
    }

    /// Whether it reaches the head that was kept. Longer is fine: a crash may come between the two.
    pub fn finish(self) -> Result<(Verified, Current), Broken> {
        let records = self.head.map_or(0, |head| head.sequence);
        match self.kept {
            Some(kept) if kept.sequence > records => Err(Broken { sequence: kept.sequence, why: Why::Missing { after: records } }),
            _ => Ok((Verified { records, head: self.head }, self.current)),
        }
    }
}

/// Why records could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordsError {
    /// The chain does not hold.
    Broken(Broken),
    /// An event is too large.
    TooLarge {
        /// Its bytes, or those of the part that is too large.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// The body of a record is no event that this version knows.
    Event {
        /// Which record; 0 for one that was not yet appended.
        sequence: u64,
        /// What the parser said.
        why: String,
    },
    /// Somebody else kept the records locked for too long; trying again later is sensible.
    Busy {
        /// How long it waited.
        waited_ms: u64,
    },
    /// They could not be read or written: the disk, the file, the permissions.
    Storage {
        /// What went wrong.
        what: String,
        /// What to do about it; may be empty.
        hint: String,
    },
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(broken) => broken.fmt(f),
            Self::TooLarge { bytes, bytes_max } => write!(f, "the record has {bytes} bytes where at most {bytes_max} are allowed"),
            Self::Event { sequence, why } => write!(f, "record {sequence} is not an event of this version: {why}"),
            Self::Busy { waited_ms } => {
                write!(f, "the records are locked by another process\nhint: waited {waited_ms} ms; try again, or end the other process")
            }
            Self::Storage { what, hint } if hint.is_empty() => f.write_str(what),
            Self::Storage { what, hint } => write!(f, "{what}\nhint: {hint}"),
        }
    }
}

impl std::error::Error for RecordsError {}

impl From<Broken> for RecordsError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}
