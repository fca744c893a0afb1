//! The JSON of the admin API, for both sides of it. Fields are added, never changed.
//!
//! Easily got wrong: a program that reads an answer must bear fields that it does not know; the server bears none in what it is sent.

mod application;
mod deployment;
mod server;
mod token;
mod usage;

pub use application::{ApplicationWords, PluginWords, RouteWords};
pub use deployment::{CurrentWords, DeployWords, DeploymentTextWords, DeploymentWords, RollbackWords};
pub use server::{ComponentWords, KeptComponentWords, LimitsWords, NamingWords, ServerWords};
pub use token::{IssueWords, IssuedWords, RevocationWords, TokenWords};
pub use usage::{UsageHourWords, UsageWords};

use plugwork_core::Issue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

/// Why something was not done (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Problem)]
pub struct ProblemWords {
    /// `about:blank`: the code says which problem it is.
    #[serde(default)]
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// Stable, for machines: `E-DEPLOY-CONFLICT`.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// What would help; may be empty.
    #[serde(default)]
    pub hint: String,
    /// Everything that is wrong with what was sent, by place.
    #[serde(default)]
    pub findings: Vec<FindingWords>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingWords {
    /// Where; may be empty.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What would have been right; may be empty.
    pub expected: String,
}

impl FindingWords {
    pub(crate) fn of(issue: &Issue) -> Self {
        Self { at: issue.at.clone(), what: issue.what.clone(), expected: issue.expected.clone() }
    }
}
