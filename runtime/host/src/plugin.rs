//! A plugin: an accepted offer, compiled and linked with its grants. Cheap to clone; its clones are one plugin.
//!
//! It is one version and stays that version. What follows a plugin through its versions is an [`crate::Installation`].

use std::fmt;
use std::sync::Arc;

use plugwork_core::reach::Reach;
use plugwork_core::{Grants, InterfaceName, Limits, Manifest, Subject};

use crate::account::Account;
use crate::engine::Profile;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::{Entered, Generation};
use crate::ledger::Spend;
use crate::point::{Call, Point};
use crate::session::Session;
use crate::threads::GuestThreads;

/// One version of a plugin, that may be called.
#[derive(Clone)]
pub struct Plugin(Arc<Generation>);

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plugin({} {})", self.subject(), self.subject().digest.short())
    }
}

impl Plugin {
    pub(crate) fn new(generation: Arc<Generation>) -> Self {
        Self(generation)
    }

    pub(crate) fn generation(&self) -> &Arc<Generation> {
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
        &self.0.own.grants
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
        self.0.has::<P>()
    }

    /// Starts a session: one instance, held until the session ends or is dropped.
    pub async fn session<P: Point>(&self) -> Result<Session<P>> {
        let entered = self.enter()?;
        self.0
            .on_guest_thread(Box::pin(async move {
                entered.is_allowed(P::INTERFACE, None, &None).await?;
                Session::<P>::start(entered, None, &None).await
            }))
            .await
    }

    /// Makes the point's main call: in an instance of its own, or in a warm one where it was granted reuse.
    pub async fn call<P: Call>(&self, input: &P::Input) -> Result<P::Output> {
        let entered = self.enter()?;
        if GuestThreads::is_here() {
            entered.is_allowed(P::INTERFACE, None, &None).await?;
            return entered.call::<P>(input, &None, &mut Spend::default()).await;
        }
        let input = input.clone();
        self.0
            .on_guest_thread(Box::pin(async move {
                entered.is_allowed(P::INTERFACE, None, &None).await?;
                entered.call::<P>(&input, &None, &mut Spend::default()).await
            }))
            .await
    }

    /// Begins a call. A version that was replaced, or whose plugin was disabled, takes none.
    pub(crate) fn enter(&self) -> Result<Entered> {
        self.0.enter().ok_or_else(|| {
            let message = format!("this version of `{}` is closed: it was replaced, disabled or removed", self.subject());
            Error::new(ErrorKind::Unavailable, message).of(self.subject())
        })
    }
}
