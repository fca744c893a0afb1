//! What is wished of a node, and why it came to nothing.
//!
//! Not here: whether a wish is granted. Easily got wrong: an error says what is served, which is what was served before; of what is on record
//! [`DeployError::Unknown`] says nothing.

use std::collections::BTreeMap;
use std::fmt;

use plugwork_core::deployment::{ApplicationKey, DeploymentsError, Expected};
use plugwork_core::{Digest, Issue};

/// A wish to deploy.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// On whose behalf.
    pub tenant: String,
    /// The text of `plugwork.toml`.
    pub text: String,
    /// The component of each plugin, by the name that routes use; each was kept before.
    pub plugins: BTreeMap<String, Digest>,
    /// Who deploys, and so consents to what the application grants.
    pub by: String,
    /// Why; may be empty.
    pub note: String,
    /// What is believed to be current.
    pub expected: Expected,
}

/// Why nothing was deployed. What was served before is served on; whether it is what is on record, [`DeployError::Unknown`] leaves open.
#[derive(Debug)]
#[non_exhaustive]
pub enum DeployError {
    /// Everything that is wrong with it.
    Findings(Vec<Issue>),
    /// It was not put on record.
    Deployments(DeploymentsError),
    /// Whether it was put on record cannot be told: putting it there failed, and so did looking. What was served before is served until the server
    /// starts again; then whatever is on record.
    Unknown(DeploymentsError),
    /// The server failed while it worked on it: a fault of the server's own, which its log has.
    Broken,
    /// The server stops.
    Stopping,
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Findings(issues) => {
                f.write_str("it cannot be served, and nothing was changed:")?;
                issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
            }
            Self::Deployments(error) => error.fmt(f),
            Self::Unknown(error) => {
                write!(f, "it is unknown whether this is on record: {error}\nhint: see what is current once the records can be read")
            }
            Self::Broken => f.write_str("the server failed while it worked on this\nhint: see what is current, and the server's log"),
            Self::Stopping => f.write_str("the server stops"),
        }
    }
}

impl std::error::Error for DeployError {}

impl From<DeploymentsError> for DeployError {
    fn from(error: DeploymentsError) -> Self {
        Self::Deployments(error)
    }
}

/// A deployment that should be served and could not be brought up.
#[derive(Debug)]
pub struct NotServed {
    /// Of which application.
    pub key: ApplicationKey,
    /// Its number; none where that cannot be read.
    pub number: Option<u64>,
    /// Whether it is the older one of two that share the requests. Then the current one is served, and has all of them.
    pub is_older: bool,
    /// Why.
    pub error: DeployError,
}
