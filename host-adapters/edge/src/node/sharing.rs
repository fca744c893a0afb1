//! The older deployment of two that share the requests of an application: brought up beside the current one, or told where it cannot be.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugwork_core::Digest;
use plugwork_core::application::Application;
use plugwork_core::deployment::{ApplicationKey, Current, Deployment};

use super::preparing::Prepared;
use super::{DeployError, Node};
use crate::finding::issue;
use crate::live::{Older, Serving};
use crate::mount::Mounts;
use crate::share::{Before, Share, older};

impl Node {
    /// Gives the older side of an application that is served its share again.
    pub(super) async fn bring_up_older(&self, current: &Arc<Current>, mounts: &mut Mounts) -> Result<(), (Option<u64>, DeployError)> {
        let key = &current.deployment.key;
        let Some(served) = self.0.live.load().serving.get(key).cloned() else { return Ok(()) };
        let Some(from) = Before::of(current, &served.application) else { return Ok(()) };
        let own = (&*served.application, &current.deployment.plugins);
        let found = older(&*self.0.deployments, key, own, from).await.map_err(|error| (None, error.into()))?;
        let Some(found) = found else { return Ok(()) };
        let tell = |error| (Some(found.number), error);
        let older = self.prepare_older(&found, &served.application, mounts).await.map_err(tell)?;
        let serving = Serving { older, ..served };
        let live =
            self.0.live.load().with(serving, &self.settings(), &self.0.metrics).map_err(|issues| tell(DeployError::Findings(issues)))?;
        self.0.live.store(Arc::new(live));
        Ok(())
    }

    /// What is to share the requests of an application that is deployed now, after `before`; none where nothing is.
    pub(super) async fn older_for(
        &self,
        key: &ApplicationKey,
        own: (&Application, &BTreeMap<String, Digest>),
        before: Option<&Current>,
        mounts: &mut Mounts,
    ) -> Result<Option<Older>, DeployError> {
        let Some(before) = before.filter(|_| own.0.split.is_some()) else { return Ok(None) };
        let Some(found) = older(&*self.0.deployments, key, own, Before::next(before)).await? else { return Ok(None) };
        self.prepare_older(&found, own.0, mounts).await.map_err(|error| not_shared(found.number, &error))
    }

    /// A deployment that gets what `application` leaves of the requests; none where that shares none.
    async fn prepare_older(
        &self,
        deployment: &Deployment,
        application: &Application,
        mounts: &mut Mounts,
    ) -> Result<Option<Older>, DeployError> {
        let Some(split) = &application.split else { return Ok(None) };
        let share = Arc::new(Share::new(split, &deployment.key));
        let Prepared { application, mounts, .. } = self.prepare_kept(deployment, mounts).await?;
        Ok(Some(Older { number: deployment.number, application, mounts, share }))
    }

    /// The deployment that the current one of an application shares its requests with; none where all are the current one's.
    pub fn shares_with(&self, key: &ApplicationKey) -> Option<u64> {
        self.0.live.load().serving.get(key).and_then(|serving| serving.older.as_ref()).map(|older| older.number)
    }
}

fn not_shared(number: u64, error: &DeployError) -> DeployError {
    let what = format!("deployment {number}, which would have the other requests, cannot be prepared: {error}");
    DeployError::Findings(vec![issue("split", what, "no `[split]`: all requests to this deployment")])
}
