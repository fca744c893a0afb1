//! Components that are kept: which deployments name them, and removing one that is not needed.
//!
//! Easily got wrong: a deployment is never removed, so that what was ever deployed is named for ever. What an operator may give up is going back: a component that
//! only deployments name which are neither current nor share requests is removed where they say so, and has to be uploaded again for going back to those. And
//! since there are as many deployments as there ever were, they are read before anything is locked, and under the lock only those that came since.

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::Digest;
use plugwork_core::deployment::DeploymentsError;

use super::{DeployError, Node, to_its_end};
use crate::components::ComponentsError;

/// Deployments that are read at once: each may name 4,096 components.
const PAGE: u32 = 50;

/// How an application names a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Naming {
    /// By which deployments.
    pub(crate) numbers: BTreeSet<u64>,
    /// Those of them that are current, or share the requests with what is.
    pub(crate) needed: BTreeSet<u64>,
}

/// How the applications of a tenant name components, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Namings {
    /// By digest and application.
    by: BTreeMap<Digest, BTreeMap<String, BTreeSet<u64>>>,
    /// Of each application that has deployments.
    known: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The highest number that was read.
    number: u64,
    /// The deployments that are current, or share the requests with what is.
    needed: BTreeSet<u64>,
}

impl Namings {
    /// How applications name this one.
    pub(crate) fn of(&self, digest: Digest) -> BTreeMap<String, Naming> {
        let naming = |(application, numbers): (&String, &BTreeSet<u64>)| {
            let needed = self.known.get(application).map(|known| numbers & &known.needed).unwrap_or_default();
            (application.clone(), Naming { numbers: numbers.clone(), needed })
        };
        self.by.get(&digest).into_iter().flatten().map(naming).collect()
    }

    /// An error where a deployment names it that stands against removing it; with `old`, one that is needed.
    fn may_go(&self, digest: Digest, old: bool) -> Result<(), NotRemoved> {
        let naming = self.of(digest);
        let stands_against = naming.values().any(|naming| !old || !naming.needed.is_empty());
        if stands_against { Err(NotRemoved::Named(naming)) } else { Ok(()) }
    }
}

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
    /// How the applications of a tenant name components. Reads something of every deployment that the tenant ever had: not for many at once.
    ///
    /// # Errors
    /// Not all of them can be read.
    pub(crate) async fn namings(&self, tenant: &str) -> Result<Namings, DeploymentsError> {
        let mut namings = Namings::default();
        self.read_on(tenant, &mut namings).await?;
        Ok(namings)
    }

    /// Reads what was deployed since it was read last, and what is needed now.
    async fn read_on(&self, tenant: &str, namings: &mut Namings) -> Result<(), DeploymentsError> {
        let deployments = self.deployments();
        for last in deployments.last_moves(tenant).await? {
            let known = namings.known.entry(last.key.application.clone()).or_default();
            known.needed = std::iter::once(last.to).chain(self.shares_with(&last.key)).collect();
            loop {
                let page = deployments.named(&last.key, known.number, PAGE).await?;
                let Some(highest) = page.last() else { break };
                known.number = highest.number;
                for named in page {
                    for digest in named.components {
                        let by = namings.by.entry(digest).or_default();
                        by.entry(last.key.application.clone()).or_default().insert(named.number);
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes a component of a tenant; with `old` also one that deployments name which nobody needs but for going back. Gives its bytes. `namings` may have been
    /// read a while ago. What is `held` is so until it is done: this waits for what is being deployed, also where whoever asked went away.
    ///
    /// # Errors
    /// It is needed, or cannot be removed.
    pub(crate) async fn remove_component(
        &self,
        tenant: &str,
        (digest, old): (Digest, bool),
        mut namings: Namings,
        held: impl Send + 'static,
    ) -> Result<u64, NotRemoved> {
        namings.may_go(digest, old)?;
        let (this, tenant) = (self.clone(), tenant.to_owned());
        to_its_end(Box::pin(async move {
            let _held = held;
            // From here on nothing is deployed that would name it.
            let mounts = this.0.mounts.lock().await;
            this.read_on(&tenant, &mut namings).await?;
            namings.may_go(digest, old)?;
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
