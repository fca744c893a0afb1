//! What is wrong with a chain, naming the record. Deciding it is in the module above; this only says it.

use std::fmt;

use crate::Digest;

/// The first place where a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The record at which it was noticed.
    pub sequence: u64,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Its content does not give its digest.
    Changed {
        /// The digest it carries.
        stored: Digest,
        /// The digest its content gives.
        computed: Digest,
    },
    /// Its number is not the next one.
    Order {
        /// The record found before it; 0 at the beginning.
        follows: u64,
    },
    /// It names another predecessor than the one it has.
    Link {
        /// The record found before it; 0 at the beginning.
        follows: u64,
    },
    /// Its signature is not one of the node's key.
    Signature,
    /// It was the last one according to the head kept beside the chain; the chain ends earlier.
    Missing {
        /// The last record that is there; 0 when none is.
        after: u64,
    },
    /// It is there, and is not the one that the head kept beside the chain names.
    Head,
    /// The head kept beside the chain is not signed by the node's key, or cannot be read.
    HeadFile,
    /// It could not be read as a record at all.
    Unreadable(
        /// What could not be read.
        String,
    ),
    /// The index of current consents does not say what the chain says.
    Consents {
        /// Whose consent.
        of: String,
    },
    /// The index of what is enabled does not say what the chain says.
    Lifecycles {
        /// Whose.
        of: String,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sequence = self.sequence;
        match &self.why {
            Why::Changed { stored, computed } => {
                write!(f, "record {sequence} was changed: its digest is `{stored}`, its content gives `{computed}`")
            }
            Why::Order { follows: 0 } => write!(f, "record {sequence} stands first: the records before it are missing"),
            Why::Order { follows } => write!(f, "record {sequence} does not follow record {follows}"),
            Why::Link { follows: 0 } => write!(f, "record {sequence} stands first and names a predecessor"),
            Why::Link { follows } => write!(f, "record {sequence} names another predecessor than record {follows}"),
            Why::Signature => write!(f, "record {sequence} is not signed by this node's key"),
            Why::Missing { after } => write!(f, "records after {after} are missing: the chain once ended at record {sequence}"),
            Why::Head => write!(f, "record {sequence} is not the one that the head beside the chain names: the chain was replaced"),
            Why::HeadFile => f.write_str("the head beside the chain cannot be read, or is not signed by this node's key"),
            Why::Unreadable(what) => write!(f, "record {sequence} cannot be read: {what}"),
            Why::Consents { of } => {
                write!(f, "record {sequence} is not the consent that the chain gives for `{of}`: the index of consents was changed")
            }
            Why::Lifecycles { of } => write!(
                f,
                "record {sequence} is not the one that the chain gives for whether `{of}` is enabled: the index of what is enabled was changed"
            ),
        }
    }
}

impl std::error::Error for Broken {}
