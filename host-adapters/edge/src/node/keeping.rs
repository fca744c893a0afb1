//! Components that are kept: which deployments name them, and removing one that is not needed.
//!
//! Easily got wrong: a deployment is never removed, so that what was ever deployed is named for ever. What an operator may give up is going back: a component that
//! only deployments name which are neither current nor share requests is removed where they say so, and has to be uploaded again for going back to those.

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::Digest;
use plugwork_core::deployment::DeploymentsError;

use super::{DeployError, Node, to_its_end};
use crate::components::ComponentsError;

/// Deployments that are read at once: each has its text.
const PAGE: u32 = 50;

/// How an application names a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    /// By which deployments.
    pub(crate) numbers: BTreeSet<u64>,
    /// Those of them that are current, or share the requests with what is.
    pub(crate) needed: BTreeSet<u64>,
}

/// How applications name components, by digest and application.
pub(crate) type Namings = BTreeMap<Digest, BTreeMap<String, Naming>>;

/// Why a component was not removed.
#[derive(Debug)]
pub(crate) enum NotRemoved {
    /// These applications name it.
    Named(BTreeMap<String, Naming>),
    /// It runs, for what was replaced a moment ago.
    Running,
    /// It is not here, or cannot be removed.
    Components(ComponentsError),
    /// Who names it cannot be told, or the server stops.
    Deploy(DeployError),
}

impl From<DeployError> for NotRemoved {
    fn from(error: DeployError) -> Self {
        Self::Deploy(error)
    }
}

impl From<DeploymentsError> for NotRemoved {
    fn from(error: DeploymentsError) -> Self {
        Self::Deploy(error.into())
    }
}

impl Node {
    /// How the applications of a tenant name components.
    ///
    /// # Errors
    /// Not all of its deployments can be read.
    pub(crate) async fn namings(&self, tenant: &str) -> Result<Namings, DeploymentsError> {
        let deployments = self.deployments();
        if let Some(unreadable) = deployments.unreadable(Some(tenant)).await?.pop() {
            return Err(unreadable.error);
        }
        let mut namings = Namings::new();
        for current in deployments.currents(Some(tenant)).await? {
            let key = &current.deployment.key;
            let needed = [Some(current.deployment.number), self.shares_with(key)];
            let mut before = None;
            loop {
                let page = deployments.deployments(key, before, PAGE).await?;
                let Some(last) = page.last() else { break };
                before = Some(last.number);
                for deployment in &page {
                    for digest in deployment.plugins.values() {
                        let naming = namings.entry(*digest).or_default().entry(key.application.clone()).or_default();
                        naming.numbers.insert(deployment.number);
                        if needed.contains(&Some(deployment.number)) {
                            naming.needed.insert(deployment.number);
                        }
                    }
                }
            }
        }
        Ok(namings)
    }

    /// Removes a component of a tenant; with `old` also one that deployments name which nobody needs but for going back. Gives its bytes.
    ///
    /// # Errors
    /// It is needed, or cannot be removed.
    pub(crate) async fn remove_component(&self, tenant: &str, digest: Digest, old: bool) -> Result<u64, NotRemoved> {
        let (this, tenant) = (self.clone(), tenant.to_owned());
        to_its_end(Box::pin(async move {
            // Nothing is deployed meanwhile that would name it.
            let mounts = this.0.mounts.lock().await;
            let naming = this.namings(&tenant).await?.remove(&digest).unwrap_or_default();
            let stands_against = naming.values().any(|naming| !old || !naming.needed.is_empty());
            if stands_against {
                return Err(NotRemoved::Named(naming));
            }
            if mounts.values().any(|mount| mount.key.tenant == tenant && mount.installation.subject().digest == digest) {
                return Err(NotRemoved::Running);
            }
            let components = this.components().of(&tenant);
            let removed = tokio::task::spawn_blocking(move || components.remove(digest)).await;
            removed.map_err(|_| DeployError::Broken)?.map_err(NotRemoved::Components)
        }))
        .await
    }
}
