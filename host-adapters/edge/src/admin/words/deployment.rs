//! Deployments, and wishes about them.

use std::collections::BTreeMap;

use plugwork_core::Digest;
use plugwork_core::deployment::{Current, Deployment};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wish to deploy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Deploy)]
pub struct DeployWords {
    /// The text of `plugwork.toml`. Its `name` is the application of the path.
    pub text: String,
    /// The component of each plugin, uploaded before: `sha256:` and 64 digits, by the name that routes use.
    #[schema(value_type = BTreeMap<String, String>)]
    pub plugins: BTreeMap<String, Digest>,
    /// Why.
    #[serde(default)]
    pub note: String,
    /// The number that is believed to be current, 0 for none; left out: whatever is.
    #[serde(default)]
    pub expected: Option<u64>,
}

/// A wish to go back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Rollback)]
pub struct RollbackWords {
    /// To which number; left out: to what was current before.
    #[serde(default)]
    pub to: Option<u64>,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// As in a deployment.
    #[serde(default)]
    pub expected: Option<u64>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Deployment)]
pub struct DeploymentWords {
    /// Whose.
    pub tenant: String,
    /// The application.
    pub application: String,
    /// Its number, from 1.
    pub number: u64,
    /// When. Unix milliseconds.
    pub created_ms: u64,
    /// Who deployed it.
    pub by: String,
    /// Why; may be empty.
    pub note: String,
    /// The component of each plugin.
    #[schema(value_type = BTreeMap<String, String>)]
    pub plugins: BTreeMap<String, Digest>,
}

/// A deployment with all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = DeploymentText)]
pub struct DeploymentTextWords {
    /// The deployment.
    pub deployment: DeploymentWords,
    /// The application in its one spelling.
    pub text: String,
}

/// What is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = Current)]
pub struct CurrentWords {
    /// The deployment.
    pub deployment: DeploymentWords,
    /// What was current before; null: nothing was.
    pub from: Option<u64>,
    /// `deployed` or `rolled-back`.
    pub moved: String,
    /// Since when. Unix milliseconds.
    pub since_ms: u64,
    /// Who moved it.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

impl DeploymentWords {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        Self {
            tenant: deployment.key.tenant.clone(),
            application: deployment.key.application.clone(),
            number: deployment.number,
            created_ms: deployment.created_ms,
            by: deployment.by.clone(),
            note: deployment.note.clone(),
            plugins: deployment.plugins.clone(),
        }
    }
}

impl CurrentWords {
    pub(crate) fn of(current: &Current) -> Self {
        Self {
            deployment: DeploymentWords::of(&current.deployment),
            from: current.moved.from,
            moved: current.moved.moved.as_str().to_owned(),
            since_ms: current.moved.at_ms,
            by: current.moved.by.clone(),
            reason: current.moved.reason.clone(),
        }
    }
}
