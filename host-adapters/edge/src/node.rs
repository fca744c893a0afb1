//! Deploying: preparing beside what is served, putting on record, switching in one step, ending what nothing uses any more.
//!
//! One change is made at a time, and comes to its end also where whoever asked gives up. The order is the same everywhere: everything that can fail,
//! then the record, then what is served. Easily got wrong: a request holds the deployment that it began with, so what it uses is ended only after it.

mod checking;
mod ending;
mod keeping;
mod preparing;
mod recording;
mod sharing;
mod used;
mod wish;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use plugwork::Runtime;
use plugwork_core::application::Application;
use plugwork_core::deployment::{ApplicationKey, Current, Deployments, DeploymentsError, Draft, Expected, Rollback, Unreadable};
use tokio::sync::Mutex;

use crate::components::Components;
use crate::identity::Checks;
use crate::live::{Live, Serving};
use crate::metrics::Metrics;
use crate::mount::{Consent, Mounts};
use crate::secrets::DeclaredSecrets;
use crate::settings::Settings;
use crate::trace::Tracing;
use crate::usage::Books;

pub(crate) use keeping::{Naming, Namings, NotRemoved};
use preparing::Prepared;
pub(crate) use used::{Used, UsedBy};
pub use wish::{Deploy, DeployError, NotServed};

/// What deploys and knows what is served. Cheap to clone; its clones are one.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    deployments: Arc<dyn Deployments>,
    components: Components,
    secrets: DeclaredSecrets,
    settings: ArcSwap<Settings>,
    checks: ArcSwap<Checks>,
    live: ArcSwap<Live>,
    metrics: Metrics,
    books: Books,
    tracing: OnceLock<Tracing>,
    /// What runs. Whoever changes anything holds it.
    mounts: Mutex<Mounts>,
}

impl Node {
    /// A node that serves nothing yet.
    pub fn new(
        runtime: &Runtime,
        deployments: Arc<dyn Deployments>,
        components: Components,
        secrets: DeclaredSecrets,
        settings: Settings,
    ) -> Self {
        Self(Arc::new(Inner {
            runtime: runtime.clone(),
            deployments,
            components,
            secrets,
            settings: ArcSwap::from_pointee(settings),
            checks: ArcSwap::default(),
            live: ArcSwap::default(),
            metrics: Metrics::default(),
            books: Books::default(),
            tracing: OnceLock::new(),
            mounts: Mutex::default(),
        }))
    }

    /// Where component files are kept.
    pub fn components(&self) -> &Components {
        &self.0.components
    }

    /// Where deployments are kept.
    pub fn deployments(&self) -> &Arc<dyn Deployments> {
        &self.0.deployments
    }

    /// The limits of this server.
    pub fn settings(&self) -> Settings {
        **self.0.settings.load()
    }

    /// Changes the limits while it serves: those of connections hold for the next ones. The names of those that differ and cannot change are given
    /// back; they stay as they were.
    pub fn change_settings(&self, wanted: Settings) -> Vec<&'static str> {
        let (settings, fixed) = self.settings().changed_to(wanted);
        self.0.settings.store(Arc::new(settings));
        fixed
    }

    /// Records requests as spans from here on. Once: later ones change nothing. Whoever began it closes it.
    pub fn trace_with(&self, tracing: &Tracing) {
        self.0.tracing.get_or_init(|| tracing.clone());
    }

    pub(crate) fn tracing(&self) -> Option<&Tracing> {
        self.0.tracing.get()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn books(&self) -> &Books {
        &self.0.books
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        self.0.live.load_full()
    }

    /// Serves what is current of every application. What cannot be brought up is told, and the others are served.
    ///
    /// # Errors
    /// The deployments cannot be read.
    pub async fn start(&self) -> Result<Vec<NotServed>, DeployError> {
        let this = self.clone();
        to_its_end(Box::pin(async move {
            let mut mounts = this.0.mounts.lock().await;
            let components = this.0.components.clone();
            drop(tokio::task::spawn_blocking(move || components.remove_stale()).await);
            let deployments = &this.0.deployments;
            let unreadable = deployments.unreadable(None).await?.into_iter();
            let not_served =
                unreadable.map(|Unreadable { key, error }| NotServed { key, number: None, is_older: false, error: error.into() });
            let mut not_served: Vec<_> = not_served.collect();
            let mut served = Vec::new();
            for current in deployments.currents(None).await? {
                let (key, number) = (current.deployment.key.clone(), Some(current.deployment.number));
                match this.bring_up(current.clone(), &mut mounts).await {
                    Ok(current) => served.push(current),
                    Err(error) => {
                        this.keep_routes(current);
                        not_served.push(NotServed { key, number, is_older: false, error });
                    }
                }
            }
            // After all that are current: an older one must not stand in the way of another application's routes.
            for current in served {
                let key = current.deployment.key.clone();
                if let Err((number, error)) = this.bring_up_older(&current, &mut mounts).await {
                    not_served.push(NotServed { key, number, is_older: true, error });
                }
            }
            // What was brought up for an application of which something else was not.
            this.end_unused(&mut mounts).await;
            Ok(not_served)
        }))
        .await
    }

    async fn bring_up(&self, current: Current, mounts: &mut Mounts) -> Result<Arc<Current>, DeployError> {
        let prepared = self.prepare_kept(&current.deployment, mounts).await?;
        let (key, current) = (current.deployment.key.clone(), Arc::new(current));
        let live = self.live_with(&key, &prepared, Some(current.clone()))?;
        self.0.live.store(Arc::new(live));
        Ok(current)
    }

    /// Nobody else's routes answer for those of an application that could not be brought up.
    fn keep_routes(&self, current: Current) {
        // Where its text cannot be read nobody knows its routes.
        let Ok(application) = current.deployment.application() else { return };
        let prepared = Prepared { application: Arc::new(application), mounts: BTreeMap::new(), older: None };
        let key = current.deployment.key.clone();
        if let Ok(live) = self.live_with(&key, &prepared, Some(Arc::new(current))) {
            self.0.live.store(Arc::new(live));
        }
    }

    /// Deploys an application: prepared, on record and served when it resolves, or nothing was changed.
    ///
    /// # Errors
    /// What is wrong with it, or who was faster.
    pub async fn deploy(&self, wish: Deploy) -> Result<Current, DeployError> {
        let this = self.clone();
        to_its_end(Box::pin(async move {
            let mut mounts = this.0.mounts.lock().await;
            let done = this.deploy_now(wish, &mut mounts).await;
            this.sweep(&mut mounts, done.is_err()).await;
            this.0.metrics.changed(done.is_ok());
            done
        }))
        .await
    }

    async fn deploy_now(&self, mut wish: Deploy, mounts: &mut Mounts) -> Result<Current, DeployError> {
        // A megabyte of text takes its time: not on a thread that serves.
        let text = std::mem::take(&mut wish.text);
        let parsed = tokio::task::spawn_blocking(move || Application::parse(&text)).await.map_err(|_| DeployError::Broken)?;
        let application = parsed.map_err(|error| DeployError::Findings(error.issues))?;
        let draft = Draft::new(&wish.tenant, &application, wish.plugins, &wish.by, &wish.note);
        let draft = draft.map_err(|error| DeployError::Findings(error.issues))?;
        let mut findings = draft.issues();
        findings.extend(self.unchecked(&application));
        if !findings.is_empty() {
            return Err(DeployError::Findings(findings));
        }
        // Known early, so that nothing is compiled for what was overtaken; it counts where it is put on record.
        let current = self.0.deployments.current(&draft.key).await?;
        let number = current.as_ref().map(|current| current.deployment.number);
        wish.expected.check(number).map_err(DeploymentsError::from)?;
        let reason = format!("deployed as `{}`", draft.key);
        let consent = Consent::Given { by: &wish.by, reason: if wish.note.is_empty() { &reason } else { &wish.note } };
        let mut prepared = self.prepare(&draft.key, application, &draft.plugins, consent, mounts).await?;
        let key = draft.key.clone();
        prepared.older = self.older_for(&key, (&prepared.application, &draft.plugins), current.as_ref(), mounts).await?;
        // What can fail in switching fails here, before anything is on record.
        self.live_with(&key, &prepared, None)?;
        let recorded = self.record(&prepared, &wish.by, consent.reason()).await?;
        let wanted = (draft.text.clone(), draft.plugins.clone());
        let is_it = |current: &Current| (&current.deployment.text, &current.deployment.plugins) == (&wanted.0, &wanted.1);
        let put = self.0.deployments.deploy(now_ms(), draft, wish.expected).await;
        match self.settled(&key, number, put, is_it).await {
            Ok(recorded) => {
                // What is on record counts, also where somebody else wrote in between.
                prepared.older = prepared.older.filter(|_| recorded.moved.from == number);
                self.switch(&key, prepared, recorded)
            }
            Err(error) => {
                self.take_back(&recorded).await;
                Err(error)
            }
        }
    }

    /// Goes back (or forward) to a deployment by number: prepared, on record and served when it resolves, or nothing was changed.
    ///
    /// # Errors
    /// Why not.
    pub async fn roll_back(&self, wish: Rollback, expected: Expected) -> Result<Current, DeployError> {
        let this = self.clone();
        to_its_end(Box::pin(async move {
            let mut mounts = this.0.mounts.lock().await;
            let done = this.roll_back_now(wish, expected, &mut mounts).await;
            this.sweep(&mut mounts, done.is_err()).await;
            this.0.metrics.changed(done.is_ok());
            done
        }))
        .await
    }

    async fn roll_back_now(&self, wish: Rollback, expected: Expected, mounts: &mut Mounts) -> Result<Current, DeployError> {
        let current = self.0.deployments.current(&wish.key).await?.map(|current| current.deployment.number);
        expected.check(current).map_err(DeploymentsError::from)?;
        let target = self.0.deployments.deployment(&wish.key, wish.to).await?;
        wish.decide(current, target.is_some()).map_err(DeploymentsError::from)?;
        let Some(target) = target else {
            return Err(DeploymentsError::from(plugwork_core::deployment::RollbackRefused::Unknown { number: wish.to }).into());
        };
        let key = wish.key.clone();
        let prepared = self.prepare_kept(&target, mounts).await?;
        self.live_with(&key, &prepared, None)?;
        let to = wish.to;
        let put = self.0.deployments.roll_back(now_ms(), wish, expected).await;
        let current = self.settled(&key, current, put, |current| current.deployment.number == to).await?;
        self.switch(&key, prepared, current)
    }

    /// What would be served with it; an error where it cannot be served beside the other applications.
    fn live_with(&self, key: &ApplicationKey, prepared: &Prepared, current: Option<Arc<Current>>) -> Result<Live, DeployError> {
        let Prepared { application, mounts, older } = prepared;
        let (application, mounts, older) = (application.clone(), mounts.clone(), older.clone());
        let serving = Serving { key: key.clone(), application, mounts, current, older };
        self.0.live.load().with(serving, &self.settings(), &self.0.metrics).map_err(DeployError::Findings)
    }

    fn switch(&self, key: &ApplicationKey, prepared: Prepared, current: Current) -> Result<Current, DeployError> {
        let live = self.live_with(key, &prepared, Some(Arc::new(current.clone())))?;
        let before = self.0.live.swap(Arc::new(live));
        let this = self.clone();
        tokio::spawn(async move { this.retire(before).await });
        Ok(current)
    }
}

/// Behind a pointer: the types of what deploys are deeper than the compiler of whoever uses this crate goes.
async fn to_its_end<T, E>(work: Pin<Box<dyn Future<Output = Result<T, E>> + Send>>) -> Result<T, E>
where
    T: Send + 'static,
    E: From<DeployError> + Send + 'static,
{
    let ended = tokio::spawn(work).await;
    ended.unwrap_or_else(|ended| Err(if ended.is_panic() { DeployError::Broken } else { DeployError::Stopping }.into()))
}

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
