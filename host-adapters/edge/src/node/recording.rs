//! Putting on record what a deployment rests on, and looking what is on record where that is not clear.
//!
//! Easily got wrong: an error of the records says that nothing was answered, not that nothing was written.

use std::sync::Arc;

use plugwork_core::deployment::{ApplicationKey, Current, DeploymentsError};

use super::preparing::Prepared;
use super::{DeployError, Node};
use crate::finding::{issue, of_error};
use crate::mount::Mount;

impl Node {
    /// Puts the consent of every plugin on record that was prepared without. Gives those for which it did; all or none.
    pub(super) async fn record(&self, prepared: &Prepared, by: &str, reason: &str) -> Result<Vec<Arc<Mount>>, DeployError> {
        let mut recorded = Vec::new();
        let mut findings = Vec::new();
        for (name, mount) in &prepared.mounts {
            // What was taken back since it was prepared is not given again by that.
            let is_active = mount.is_active();
            match mount.record(by, reason).await {
                Ok(true) => recorded.push(mount.clone()),
                Ok(false) if is_active => {}
                Ok(false) => {
                    findings.push(issue(format!("plugin.{name}"), "it was stopped while the deployment was prepared", "deploy again"))
                }
                Err(error) => findings.extend(of_error(name, &error)),
            }
        }
        if findings.is_empty() {
            return Ok(recorded);
        }
        self.take_back(&recorded).await;
        Err(DeployError::Findings(findings))
    }

    /// Takes consent back that was put on record for a deployment that is not.
    pub(super) async fn take_back(&self, recorded: &[Arc<Mount>]) {
        for mount in recorded {
            // Where that fails the records cannot be written at all, and the deployment said so.
            drop(self.0.runtime.revoke(&mount.installation.subject(), "plugwork serve", "its deployment came to nothing").await);
        }
    }

    /// What is on record after a move from the deployment `before`, also where putting it there failed in a way that leaves that open.
    pub(super) async fn settled(
        &self,
        key: &ApplicationKey,
        before: Option<u64>,
        put: Result<Current, DeploymentsError>,
        is_it: impl Fn(&Current) -> bool,
    ) -> Result<Current, DeployError> {
        let Err(error) = put else { return put.map_err(DeployError::from) };
        if matches!(error, DeploymentsError::Conflict(_) | DeploymentsError::Invalid(_) | DeploymentsError::Refused(_)) {
            return Err(error.into());
        }
        match self.0.deployments.current(key).await {
            Ok(Some(current)) if Some(current.deployment.number) != before && is_it(&current) => Ok(current),
            Ok(_) => Err(error.into()),
            Err(_) => Err(DeployError::Unknown(error)),
        }
    }
}
