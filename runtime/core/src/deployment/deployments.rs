//! Where deployments are kept: the seam that a server programs against, and what can go wrong with it.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{ApplicationKey, Conflict, Current, Deployment, Draft, Expected, Move, Rollback, RollbackRefused};
use crate::record::RecordsError;
use crate::{Digest, Issue};

/// Deployments and moves in one page; a deployment may have a megabyte.
pub const PAGE_DEPLOYMENTS_MAX: u32 = 100;

/// What a method of [`Deployments`] gives: a future that may move between threads.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, DeploymentsError>> + Send + 'a>>;

/// The deployments of all applications of a node, and which of each is current.
///
/// Every implementation passes the contract suite in `host-adapters/store/tests/it/deployments.rs`.
pub trait Deployments: Send + Sync + 'static {
    /// Numbers the draft, keeps it and makes it current, all in one transaction: durable when it resolves. Dropping the future may or may not do it.
    ///
    /// Prepare its plugins before: whatever is kept is served.
    fn deploy(&self, at_ms: u64, draft: Draft, expected: Expected) -> Pending<'_, Current>;

    /// Makes an old deployment current again. Nothing is deleted: numbers above it stay, and may be gone to again.
    fn roll_back(&self, at_ms: u64, rollback: Rollback, expected: Expected) -> Pending<'_, Current>;

    /// What is current of an application; none if nothing was deployed.
    fn current(&self, key: &ApplicationKey) -> Pending<'_, Option<Current>>;

    /// The same for all applications of a tenant (none: of every tenant), in the order of keys: what a server reads when it starts.
    /// One that cannot be read takes no other with it: it is left out, and is among [`Deployments::unreadable`].
    fn currents(&self, tenant: Option<&str>) -> Pending<'_, Vec<Current>>;

    /// The applications that [`Deployments::currents`] leaves out, and why. A server tells its operator.
    fn unreadable(&self, tenant: Option<&str>) -> Pending<'_, Vec<Unreadable>>;

    /// One deployment by number.
    fn deployment(&self, key: &ApplicationKey, number: u64) -> Pending<'_, Option<Deployment>>;

    /// The deployments with a number below `before` (none: from the last), the latest first; at most `limit` and at most
    /// [`PAGE_DEPLOYMENTS_MAX`]. The next page begins at the last number of this one.
    fn deployments(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Deployment>>;

    /// Which components the deployments with a number above `after` name, the first one first; at most `limit` and at most
    /// [`PAGE_DEPLOYMENTS_MAX`]. Their texts are not read, and so nothing of it is compared with their digests.
    fn named(&self, key: &ApplicationKey, after: u64, limit: u32) -> Pending<'_, Vec<Named>>;

    /// The moves of the pointer, by their sequence as [`Deployments::deployments`] by their number.
    fn moves(&self, key: &ApplicationKey, before: Option<u64>, limit: u32) -> Pending<'_, Vec<Move>>;

    /// The last move of each application of a tenant, in the order of keys. An error where one cannot be read.
    fn last_moves(&self, tenant: &str) -> Pending<'_, Vec<Move>>;
}

/// Which components a deployment names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The deployment's number.
    pub number: u64,
    /// The components of its plugins.
    pub components: BTreeSet<Digest>,
}

/// An application whose current deployment, or the move that leads to it, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which, as the row says it that cannot be read.
    pub key: ApplicationKey,
    /// Why.
    pub error: DeploymentsError,
}

/// Why a deployment could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeploymentsError {
    /// Somebody was faster; nothing was changed.
    Conflict(Conflict),
    /// It is wrong in itself; nothing was changed.
    Invalid(Vec<Issue>),
    /// It cannot be rolled back to; nothing was changed.
    Refused(RollbackRefused),
    /// A row is not what this node wrote.
    Changed {
        /// Which.
        what: String,
    },
    /// The records could not be read or written.
    Records(RecordsError),
}

impl DeploymentsError {
    /// Stable, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "E-DEPLOY-CONFLICT",
            Self::Invalid(_) => "E-DEPLOY-INVALID",
            Self::Refused(RollbackRefused::AlreadyCurrent { .. }) => "E-DEPLOY-CURRENT",
            Self::Refused(_) => "E-DEPLOY-UNKNOWN",
            Self::Changed { .. } => "E-DEPLOY-CHANGED",
            Self::Records(_) => "E-DEPLOY-RECORDS",
        }
    }
}

impl fmt::Display for DeploymentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Invalid(issues) => {
                f.write_str("it cannot be deployed:")?;
                issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
            }
            Self::Refused(refused) => refused.fmt(f),
            Self::Changed { what } => {
                write!(f, "{what} was changed by somebody else\nhint: restore the folder from a backup, all its files together")
            }
            Self::Records(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DeploymentsError {}

impl From<Conflict> for DeploymentsError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<RollbackRefused> for DeploymentsError {
    fn from(refused: RollbackRefused) -> Self {
        Self::Refused(refused)
    }
}

impl From<RecordsError> for DeploymentsError {
    fn from(error: RecordsError) -> Self {
        Self::Records(error)
    }
}
