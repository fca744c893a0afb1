//! A plugin: an accepted offer, compiled and linked with its grants. Cheap to clone; its clones are one plugin.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock, Weak};

use plugwork_core::reach::Reach;
use plugwork_core::{Grants, InterfaceName, Limits, Manifest, Subject};
use wasmtime::Store;
use wasmtime::component::{Component, InstancePre};

use crate::account::Account;
use crate::capability::{Configured, Prepare};
use crate::dispatch::call_fresh;
use crate::engine::Profile;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::Facts;
use crate::interfaces::{lifecycle, wasi};
use crate::ledger::Spend;
use crate::log::{Log, Sink};
use crate::point::{Call, Point};
use crate::runtime::Shared;
use crate::session::{Live, Session};
use crate::state::{Prepared, State};
use crate::ticker::Ticker;

/// A plugin that may be called.
#[derive(Clone)]
pub struct Plugin(Arc<Generation>);

/// Each granted capability with its bounds, by name.
pub(crate) type ConfiguredByName = Vec<(String, Box<dyn Configured>)>;

/// One loaded version of a plugin.
pub(crate) struct Generation {
    pub(crate) subject: Arc<Subject>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) grants: Grants,
    pub(crate) reach: Vec<Reach>,
    pub(crate) limits: Limits,
    pub(crate) account: Arc<Account>,
    pub(crate) profile: Profile,
    pub(crate) component: Component,
    pub(crate) pre: InstancePre<State>,
    pub(crate) lifecycle: Option<lifecycle::GuestIndices>,
    /// Whether it imports anything of WASI.
    pub(crate) uses_wasi: bool,
    pub(crate) configuration: String,
    pub(crate) configured: ConfiguredByName,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) runtime: Weak<Shared>,
    pub(crate) indices: RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Generation {
    /// A store for one instance, with what its capabilities prepared.
    pub(crate) fn new_store(&self) -> Result<Store<State>> {
        let log = Arc::new(Log::new(self.subject.clone(), self.sink.clone(), self.account.clone()));
        let mut prepared = Prepared::default();
        // A WASI context seeds its random generators: most of a microsecond, which a plugin without WASI need not pay.
        let context = if self.uses_wasi || !self.configured.is_empty() {
            let mut context = wasi::inert_context(&log);
            for (name, configured) in &self.configured {
                configured.prepare(&mut Prepare { wasi: &mut context, prepared: &mut prepared, account: &self.account }).map_err(
                    |error| {
                        Error::new(ErrorKind::Io, format!("cannot prepare capability `{name}` for `{}`: {error:#}", self.subject))
                            .of(&self.subject)
                    },
                )?;
            }
            Some(context.build())
        } else {
            None
        };
        let state = State::new(self.subject.clone(), log, self.limits, self.account.clone(), context, prepared);
        let mut store = Store::new(self.pre.engine(), state);
        crate::call::arm_store(&mut store, &self.ticker);
        Ok(store)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {})", self.subject(), self.subject().digest.short())
    }
}

impl Plugin {
    pub(crate) fn new(generation: Generation) -> Self {
        Self(Arc::new(generation))
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.0
    }

    /// Whose it is.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Its manifest, where it has one.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.0.manifest.as_ref()
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        &self.0.grants
    }

    /// What it can reach, import by import: exactly what its linker was built from.
    pub fn reach(&self) -> &[Reach] {
        &self.0.reach
    }

    /// The limits that each of its instances keeps.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What all its instances hold and spend together, live.
    pub fn account(&self) -> &Arc<Account> {
        &self.0.account
    }

    /// The engine profile it runs in.
    pub fn profile(&self) -> Profile {
        self.0.profile
    }

    /// The points it exports.
    pub fn points(&self) -> impl Iterator<Item = &InterfaceName> {
        self.0.facts.points()
    }

    /// Whether it exports the point (or the lifecycle), on a compatible version track.
    pub fn has<P: Point>(&self) -> bool {
        let wanted: Result<InterfaceName, _> = P::INTERFACE.parse();
        wanted.is_ok_and(|wanted| self.0.facts.exports.iter().any(|export| wanted.is_satisfied_by(export)))
    }

    /// Starts a session: one instance, held until the session is dropped.
    pub async fn session<P: Point>(&self) -> Result<Session<P>> {
        let indices = self.indices::<P>()?;
        Session::<P>::start(self, &indices).await
    }

    /// Makes the point's main call in an instance of its own.
    pub async fn call<P: Call>(&self, input: &P::Input) -> Result<P::Output> {
        call_fresh::<P>(self, input, &mut Spend::default()).await
    }

    /// Checks that it starts (one instance, `init`), then attaches it to the points it exports, behind those already attached.
    pub async fn enable(&self) -> Result<&Self> {
        Live::start(self).await?.end().await;
        match self.0.runtime.upgrade() {
            Some(runtime) => {
                runtime.attach(self);
                Ok(self)
            }
            None => Err(Error::new(ErrorKind::Invalid, "its runtime was closed").of(self.subject())),
        }
    }

    /// Detaches it from its points. Calls under way finish.
    pub fn disable(&self) {
        if let Some(runtime) = self.0.runtime.upgrade() {
            runtime.detach(self);
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the point's exports are: found at the first use.
    pub(crate) fn indices<P: Point>(&self) -> Result<Arc<P::Indices>> {
        let known = self.0.indices.read().expect("no panic happens under this lock").get(&TypeId::of::<P>()).cloned();
        if let Some(indices) = known.and_then(|known| known.downcast::<P::Indices>().ok()) {
            return Ok(indices);
        }
        let indices = Arc::new(P::indices(&self.0.pre).map_err(|error| {
            let points: Vec<_> = self.points().map(|point| format!("`{point}`")).collect();
            let message = format!("`{}` is not a `{}`: {error:#}; it exports {}", self.subject(), P::INTERFACE, points.join(", "));
            Error::new(ErrorKind::Invalid, message).of(self.subject())
        })?);
        self.0.indices.write().expect("no panic happens under this lock").insert(TypeId::of::<P>(), indices.clone());
        Ok(indices)
    }
}
