//! Preparing: every plugin of an application running, beside whatever is served.
//!
//! Not here: what one plugin takes to run ([`Workshop::mount`]), and what becomes of it. Easily got wrong: one that was stopped is prepared anew under the name
//! of the one that is served, so that is closed first; whoever gives the preparation up has it opened again ([`Node::sweep`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::deployment::{ApplicationKey, Deployment};

use super::{DeployError, Inner, Node};
use crate::finding::issue;
use crate::live::Older;
use crate::mount::{Consent, Mount, Mounts, Workshop, label};

/// How many plugins are prepared at once.
const PREPARED_AT_ONCE: usize = 4;

/// An application whose plugins are ready.
pub(super) struct Prepared {
    pub(super) application: Arc<Application>,
    pub(super) mounts: BTreeMap<String, Arc<Mount>>,
    pub(super) older: Option<Older>,
}

impl Node {
    pub(super) async fn prepare_kept(&self, deployment: &Deployment, mounts: &mut Mounts) -> Result<Prepared, DeployError> {
        let application = deployment.application().map_err(|error| DeployError::Findings(error.issues))?;
        let findings = self.unchecked(&application);
        if !findings.is_empty() {
            return Err(DeployError::Findings(findings));
        }
        self.prepare(&deployment.key, application, &deployment.plugins, Consent::OnRecord, mounts).await
    }

    /// Every plugin of an application, running: those that run as they are, the others beside them.
    pub(super) async fn prepare(
        &self,
        key: &ApplicationKey,
        application: Application,
        plugins: &BTreeMap<String, Digest>,
        consent: Consent<'_>,
        mounts: &mut Mounts,
    ) -> Result<Prepared, DeployError> {
        let Inner { runtime, components, secrets, .. } = &*self.0;
        let workshop = Workshop { runtime, components, secrets, settings: &self.settings() };
        let mut ready = BTreeMap::new();
        let mut findings = Vec::new();
        let mut missing = Vec::new();
        for (name, declared) in &application.plugins {
            let Some(digest) = plugins.get(name) else {
                findings.push(issue(format!("plugin.{name}"), "it has no component", ""));
                continue;
            };
            let known = mounts.get(&(key.tenant.clone(), label(key, name, declared, *digest)));
            match known.filter(|mount| mount.is_active()) {
                Some(mount) => drop(ready.insert(name.clone(), mount.clone())),
                None => missing.push((name, declared, *digest, known.map(|stopped| stopped.requests.clone()))),
            }
            if let Some(stopped) = known.filter(|mount| !mount.is_active()) {
                // It was stopped, or its consent taken back. Preparing it anew must not let those be answered who still hold this one.
                stopped.close();
            }
        }
        for some in missing.chunks(PREPARED_AT_ONCE) {
            let workshop = &workshop;
            let mounting = some.iter().map(|(name, declared, digest, counted)| async move {
                workshop.mount(key, name, declared, *digest, consent, counted.clone()).await
            });
            for ((name, declared, digest, counted), mounted) in some.iter().zip(join_all(mounting).await) {
                match mounted {
                    Ok(mount) => {
                        mounts.insert(mount.known_as(), mount.clone());
                        ready.insert((*name).clone(), mount);
                    }
                    Err(wrong) => {
                        findings.extend(wrong);
                        // The one that was stopped may be started again, and then has its secrets.
                        if counted.is_none() {
                            secrets.forget(&key.tenant, &label(key, name, declared, *digest));
                        }
                    }
                }
            }
        }
        if findings.is_empty() {
            Ok(Prepared { application: Arc::new(application), mounts: ready, older: None })
        } else {
            Err(DeployError::Findings(findings))
        }
    }
}
