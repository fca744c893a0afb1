//! Install, enable, disable, remove: each a legal move, asked of the hooks, put on record, and then carried out.
//!
//! The order is the same everywhere: first everything that can fail, then the record, then memory. So a process that dies at any moment leaves the
//! state before or the state after. Easily got wrong: states that pass (`enabling`, `disabling`) are never on record, and a change comes to its end
//! also where its caller gives up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::events::LifecycleTopic;
use plugwork_core::lifecycle::{self, Actor, Move, Stage, State as LifeState};
use plugwork_core::record::{Event, Settings};
use plugwork_core::{Grants, Subject};

use super::hooks::{Change, Moment};
use super::load::{Kept, Recipe, is_passing, reason};
use super::{Installation, Member};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::live::Live;
use crate::native::AnyNative;
use crate::offer::Offer;
use crate::plugin::Plugin;
use crate::runtime::{Runtime, Shared};

/// A passing state, put back to what it was unless the change comes to its end.
pub(super) struct Passing<'a> {
    member: &'a Arc<Member>,
    before: Option<LifeState>,
}

impl<'a> Passing<'a> {
    pub(super) fn begin(member: &'a Arc<Member>, by_move: Move, who: Actor) -> Result<Self> {
        let before = member.advance(by_move, who, super::plain)?;
        Ok(Self { member, before: Some(before) })
    }

    /// The change is done, by a move of the host's own, to a state of that stage.
    pub(super) fn end(mut self, by_move: Move, state: impl FnOnce(Stage) -> LifeState) -> Result<()> {
        self.member.advance(by_move, Actor::Host, state)?;
        self.before = None;
        Ok(())
    }

    /// The change is done, and the state is what it should be.
    fn done(mut self) {
        self.before = None;
    }

    /// The change came to nothing because of what the plugin is.
    pub(super) fn fail(self, error: &Error) {
        let why = reason(error);
        let ended = match error.kind() {
            ErrorKind::Refused => self.end(Move::Suspend, |_| LifeState::Suspended { reason: why }),
            _ => self.end(Move::Fail, |_| LifeState::Failed { fault: why }),
        };
        // Suspended meanwhile: that says more.
        drop(ended);
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else { return };
        let mut state = self.member.state.lock().expect("no panic happens under this lock");
        // What happened to it meanwhile (consent was taken back) stands.
        if !state.stage().settled() {
            *state = before;
        }
    }
}

impl Runtime {
    /// Installs a plugin: consent to the offer with these grants, and its place in this runtime. Nothing of it runs before [`Installation::enable`].
    ///
    /// An error of kind `Invalid` where the same tenant, instance and package is installed already: that would be [`Runtime::replace`].
    pub async fn install(&self, offer: Offer, grants: Grants, settings: Settings) -> Result<Installation> {
        let shared = self.shared();
        let subject = offer.subject().clone();
        shared.is_open(&subject)?;
        let Some(_installing) = shared.members.begin(&(&subject).into()) else {
            let message = format!("`{subject}` is installed already\nhint: replace it, or remove it first");
            return Err(Error::new(ErrorKind::Invalid, message).of(&subject));
        };
        let change = offer.change(&grants, None);
        shared.hooks.before(Moment::Install, &change).await?;
        let offer = offer.configuration(serde_json::Value::Object(settings.configuration.clone()));
        let plugin = offer.accept_only(grants).await?;
        let installation = self.admit(&plugin, settings)?;
        shared.tell(Moment::Install, &change).await;
        Ok(installation)
    }

    /// Makes an installation of an accepted plugin, or gives the one that it has.
    pub(crate) fn admit(&self, plugin: &Plugin, mut settings: Settings) -> Result<Installation> {
        let generation = plugin.generation();
        generation.may_be_loaded_again()?;
        if settings.points.is_empty() {
            settings.points = generation.facts.points().cloned().collect();
        }
        let fresh = || {
            let member = Member::new((*generation.subject).clone(), settings, generation.recipe(self.shared()), None);
            if generation.recorded {
                // It begins with that consent: that the one before it was removed, which may not have been read yet, is no word about this one.
                member.hear(generation.account.since());
            }
            member
        };
        let member = self.shared().members.get_or_insert(&(&*generation.subject).into(), fresh);
        if member.is(Stage::Discovered) {
            member.advance(Move::Install, Actor::Operator, super::plain)?;
            member.happened(self.shared(), LifecycleTopic::Installed, None, "");
        }
        let current = member.current.load();
        // What is active goes on as it is: whoever enables this one is told so.
        if *member.subject() == *generation.subject && current.is_none() && !member.is(Stage::Active) {
            *member.ready.lock().expect("no panic happens under this lock") = Some(generation.clone());
            // It may wait long to be enabled, so it makes room like any other.
            self.shared().keep(&member);
        }
        drop(current);
        Ok(Installation::new(self, &member))
    }

    /// Registers a native plugin, active from now on.
    pub(crate) fn admit_native(&self, subject: Subject, native: AnyNative, weight: i32) -> Result<()> {
        let key = (&subject).into();
        let points = native.interface.parse().into_iter().collect();
        let settings = Settings { weight, points, ..Settings::default() };
        if self.shared().members.contains(&key) {
            return Err(Error::new(ErrorKind::Invalid, format!("two plugins are called `{subject}`")).of(&subject));
        }
        let fresh = || Member::new(subject.clone(), settings, Recipe::Native, Some(native));
        let member = self.shared().members.get_or_insert(&key, fresh);
        *member.state.lock().expect("no panic happens under this lock") = LifeState::Active;
        member.native.iter().for_each(|native| native.activate(self.shared().breaker));
        self.shared().members.join(&member);
        Ok(())
    }
}

impl Installation {
    /// Starts one instance to see that it does (`init`, `health`), then attaches it to the points it exports. What is enabled is on record, and is
    /// enabled again at the next start. An error of kind `Fault` or `Refusal` says why it is `failed` now.
    pub async fn enable(&self, by: &str) -> Result<()> {
        let (this, by) = (self.clone(), by.to_owned());
        self.runtime.shared().to_its_end(async move { this.enable_now(&by).await }).await
    }

    async fn enable_now(&self, by: &str) -> Result<()> {
        let member = &self.member;
        let _one = member.changing.lock().await;
        if member.is(Stage::Active) {
            return Ok(());
        }
        member.enable(&self.runtime, Actor::Operator, Some(by)).await
    }

    /// Takes it from its points. Calls under way finish; sessions may go on until the time to drain is over. It is on record, and stays so until
    /// somebody enables it.
    pub async fn disable(&self, by: &str, reason: &str) -> Result<()> {
        let (this, by, reason) = (self.clone(), by.to_owned(), reason.to_owned());
        self.runtime.shared().to_its_end(async move { this.disable_now(&by, &reason).await }).await
    }

    async fn disable_now(&self, by: &str, reason: &str) -> Result<()> {
        let member = &self.member;
        let _one = member.changing.lock().await;
        let passing = Passing::begin(member, Move::Disable, Actor::Operator)?;
        let (subject, settings) = ((*member.subject()).clone(), (*member.settings.load_full()).clone());
        let event = Event::Disabled { subject, by: by.to_owned(), reason: reason.to_owned(), settings };
        member.write(&self.runtime, vec![event]).await?;
        // What it was granted a moment ago, too.
        self.runtime.shared().bus.begun(&member.key).await;
        member.leave(self.runtime.shared());
        passing.end(Move::Settle, super::plain)?;
        member.happened(self.runtime.shared(), LifecycleTopic::Disabled, None, reason);
        Ok(())
    }

    /// Removes it: consent ends, and nothing of it is called any more. What it kept in its stores stays.
    pub async fn remove(&self, by: &str) -> Result<()> {
        let (this, by) = (self.clone(), by.to_owned());
        self.runtime.shared().to_its_end(async move { this.remove_now(&by).await }).await
    }

    async fn remove_now(&self, by: &str) -> Result<()> {
        let member = &self.member;
        let shared = self.runtime.shared();
        let _one = member.changing.lock().await;
        // What runs is disabled on its way out.
        let runs = matches!(member.state().stage(), Stage::Active | Stage::Suspended);
        if !runs {
            lifecycle::next(member.state().stage(), Move::Remove, Actor::Operator).map_err(|denial| member.refused(denial))?;
        }
        let change = member.change_on_record(&self.runtime).await?;
        shared.hooks.before(Moment::Remove, &change).await?;
        let subject = (*member.subject()).clone();
        let removed = vec![Event::Removed { subject, by: by.to_owned() }];
        let passing = if runs { Some(Passing::begin(member, Move::Disable, Actor::Operator)?) } else { None };
        // Known before it is on record: whoever reads the record leaves calls under way to us.
        let leaving = shared.leaving(&member.key);
        member.write(&self.runtime, removed).await?;
        leaving.after(shared, if runs { member.depart(shared) } else { Vec::new() });
        if let Some(passing) = passing {
            passing.end(Move::Settle, super::plain)?;
        }
        member.advance(Move::Remove, Actor::Operator, super::plain)?;
        shared.bus.forget(&member.key);
        // Before anybody can install it again: what is kept is not for who comes then.
        shared.bus.abandoned(&member.key).await;
        shared.members.remove(&member.key);
        shared.circles.forget(&member.key);
        member.happened(shared, LifecycleTopic::Removed, None, "");
        shared.tell(Moment::Remove, &change).await;
        Ok(())
    }
}

impl Member {
    /// Enables it, by whatever moves lead there from where it is. The caller holds `changing`.
    pub(super) async fn enable(self: &Arc<Self>, runtime: &Runtime, who: Actor, by: Option<&str>) -> Result<()> {
        let passing = match self.state().stage() {
            Stage::Failed => Passing::begin(self, Move::Recover, who)?,
            // Whatever suspended it is looked at again when it is loaded.
            Stage::Suspended => {
                Passing::begin(self, Move::Disable, who)?.end(Move::Settle, super::plain)?;
                Passing::begin(self, Move::Enable, who)?
            }
            _ => Passing::begin(self, Move::Enable, who)?,
        };
        match self.activate(runtime, by).await {
            Ok(()) => {
                passing.done();
                self.after_activation(runtime).await;
                Ok(())
            }
            // The application said no: nothing is wrong with the plugin, which stays what it was.
            Err(error) if error.denials().iter().any(|denial| denial.code.starts_with("E-HOOK")) => Err(error),
            // Nor where there was no room for it, or nobody to compile it.
            Err(error) if error.kind() == ErrorKind::Unavailable || (error.compile_failure().is_some() && is_passing(&error)) => Err(error),
            Err(error) => {
                passing.fail(&error);
                // What `init` subscribed to.
                runtime.shared().bus.forget(&self.key);
                self.stopped(runtime.shared());
                Err(error)
            }
        }
    }

    /// Says that it failed, or was suspended, and why.
    pub(super) fn stopped(&self, shared: &Shared) {
        match self.state() {
            LifeState::Failed { fault } => self.happened(shared, LifecycleTopic::Failed, None, &fault),
            LifeState::Suspended { reason } => self.happened(shared, LifecycleTopic::Suspended, None, &reason),
            _ => {}
        }
    }

    /// Everything that enabling does but for the state: hooks, one instance, the record, its points.
    pub(super) async fn activate(self: &Arc<Self>, runtime: &Runtime, by: Option<&str>) -> Result<()> {
        let shared = runtime.shared();
        shared.is_open(&self.subject())?;
        if let Some(native) = &self.native {
            let change = self.change();
            shared.hooks.before(Moment::Activate, &change).await?;
            self.advance(Move::Activate, Actor::Host, super::plain)?;
            native.activate(shared.breaker);
            shared.members.join(self);
            self.happened(shared, LifecycleTopic::Enabled, None, "");
            return Ok(());
        }
        let ready = self.ready.lock().expect("no panic happens under this lock").take();
        // What was kept may have lost its consent since: the records say why.
        let generation = match ready.filter(|generation| !generation.account.revoked()) {
            Some(generation) => generation,
            None => self.load(runtime, &self.plan()).await?,
        };
        // Before anything of it runs: consent on no record ends without a word that loading could find.
        generation.still_has_consent()?;
        self.enabling_since.store(generation.account.since(), Ordering::SeqCst);
        let change = generation.change(None);
        shared.hooks.before(Moment::Activate, &change).await?;
        let was_updated = self.prove(runtime, &generation).await?;
        let settings = self.settings.load_full();
        if was_updated {
            self.settings.store(Arc::new(self.settings_after(runtime, &generation).await?));
        } else if settings.points.is_empty() {
            let points = generation.facts.points().cloned().collect();
            self.settings.store(Arc::new(Settings { points, ..(*settings).clone() }));
        }
        self.activated.store(true, Ordering::Relaxed);
        if let Some(by) = by.or(was_updated.then_some("host")) {
            let (subject, settings) = ((*generation.subject).clone(), (*self.settings.load_full()).clone());
            self.write(runtime, vec![Event::Enabled { subject, by: by.to_owned(), settings }]).await?;
        }
        self.updated_from(None);
        self.attach(runtime, &generation)?;
        shared.bus.begun(&self.key).await;
        Ok(())
    }

    /// Sees that a version starts and is well, telling it which one ran before where it is an update; says whether it is.
    pub(super) async fn prove(&self, runtime: &Runtime, generation: &Arc<Generation>) -> Result<bool> {
        let updated_from = *self.updated_from.lock().expect("no panic happens under this lock");
        let from_version = match updated_from {
            Some(digest) => runtime.version_of(&generation.subject, digest).await?,
            None => None,
        };
        generation.prove(from_version).await?;
        Ok(updated_from.is_some())
    }

    /// The last step of enabling: its state, its version and its points at once, or none of them. An error where consent was taken back in the middle,
    /// or the runtime closes.
    fn attach(self: &Arc<Self>, runtime: &Runtime, generation: &Arc<Generation>) -> Result<()> {
        let shared = runtime.shared();
        {
            let mut state = self.state.lock().expect("no panic happens under this lock");
            shared.is_open(&self.subject())?;
            let next = lifecycle::next(state.stage(), Move::Activate, Actor::Host);
            let next =
                next.map_err(|denial| Error::refused(format!("`{}` stays {state}:", self.name), vec![denial]).of(&self.subject()))?;
            if generation.account.revoked() {
                return Err(Error::new(ErrorKind::Refused, format!("consent to `{}` was taken back", self.name)).of(&self.subject()));
            }
            *state = super::plain(next);
            self.current.store(Some(generation.clone()));
        }
        self.count_generation();
        self.lasts_until(shared, generation.account.expires_ms());
        shared.keep(self);
        shared.members.join(self);
        self.receives_with(shared, generation);
        self.happened(shared, LifecycleTopic::Enabled, None, "");
        Ok(())
    }

    pub(super) async fn after_activation(self: &Arc<Self>, runtime: &Runtime) {
        let (shared, change) = (runtime.shared(), self.change());
        shared.tell(Moment::Activate, &change).await;
    }

    /// Takes it from its points and lets its generations drain.
    pub(crate) fn leave(self: &Arc<Self>, shared: &Shared) {
        self.depart(shared).into_iter().for_each(|generation| shared.retire(generation));
    }

    /// Takes it from its points; gives the generations that have to drain.
    pub(super) fn depart(self: &Arc<Self>, shared: &Shared) -> Vec<Arc<Generation>> {
        shared.members.part(self);
        shared.bus.forget(&self.key);
        if let Some(native) = &self.native {
            native.deactivate().into_iter().for_each(|service| shared.retire_native(service));
        }
        shared.density.forget(self);
        let watched = self.watched.lock().expect("no panic happens under this lock").take();
        // Enabled again it begins anew.
        drop(self.breaker_left.lock().expect("no panic happens under this lock").take());
        self.activated.store(false, Ordering::Relaxed);
        let current = {
            // A load that is about to end sees that this happened, or is seen here.
            let _state = self.state.lock().expect("no panic happens under this lock");
            self.current.swap(None)
        };
        [current, watched.map(|watched| watched.before)].into_iter().flatten().collect()
    }

    /// Puts events on record, where this installation is on record at all.
    pub(super) async fn write(&self, runtime: &Runtime, events: Vec<Event>) -> Result<()> {
        if self.recipe.load().is_recorded() {
            self.hear(runtime.shared().record(events).await?);
        }
        Ok(())
    }

    /// What hooks are told of it, also where it is not loaded.
    async fn change_on_record(&self, runtime: &Runtime) -> Result<Change> {
        let change = self.change();
        let is_known = self.native.is_some() || change.version.is_some() || !change.grants.is_empty();
        let Some(audit) = runtime.shared().audit.as_ref().filter(|_| !is_known && self.recipe.load().is_recorded()) else {
            return Ok(change);
        };
        let record = audit.records.consent(&self.key).await.map_err(Error::records)?;
        match record.map(|record| record.event()).transpose().map_err(Error::records)? {
            Some(Event::Granted(consent)) => Ok(Change { version: consent.version, grants: consent.grants, ..change }),
            _ => Ok(change),
        }
    }

    pub(super) fn change(&self) -> Change {
        let current = self.current.load_full().or_else(|| self.ready.lock().expect("no panic happens under this lock").clone());
        match (current, &**self.recipe.load()) {
            (Some(generation), _) => generation.change(None),
            (None, Recipe::Kept(kept)) => {
                Change { subject: (*self.subject()).clone(), version: None, grants: kept.grants.clone(), from: None }
            }
            (None, _) => Change { subject: (*self.subject()).clone(), version: None, grants: Grants::none(), from: None },
        }
    }
}

impl Generation {
    /// How it is loaded again.
    pub(crate) fn recipe(&self, shared: &Shared) -> Recipe {
        match (self.recorded, shared.packages.is_some()) {
            // With a source of packages a file need not be kept in memory.
            (true, true) if self.source.path().is_none() => Recipe::Recorded,
            (true, _) => Recipe::RecordedFrom(self.source.clone()),
            (false, _) => self.kept(),
        }
    }

    /// An error where its consent was taken back or is over.
    pub(super) fn still_has_consent(&self) -> Result<()> {
        match self.account.revoked() {
            false => Ok(()),
            true => {
                let message = format!("consent to `{}` was taken back or is over", self.subject);
                Err(Error::new(ErrorKind::Refused, message).of(&self.subject))
            }
        }
    }

    /// How it is loaded again with consent that nobody recorded.
    pub(super) fn kept(&self) -> Recipe {
        let (since, expires_ms) = (self.account.since(), self.account.expires_ms());
        let (source, grants) = (self.source.clone(), self.own.grants.clone());
        Recipe::Kept(Box::new(Kept { source, grants, limits: self.limits_given, since, expires_ms }))
    }

    pub(super) fn change(&self, from: Option<&Self>) -> Change {
        Change {
            subject: (*self.subject).clone(),
            version: self.version().cloned(),
            grants: self.own.grants.clone(),
            from: from.map(|from| from.subject.digest),
        }
    }

    /// Starts one instance, tells it which version ran before, if another did, and asks it how it is; keeps it warm where it may be used again.
    pub(crate) async fn prove(self: &Arc<Self>, from_version: Option<String>) -> Result<()> {
        let this = self.clone();
        self.asked_by_host(async move { this.prove_here(from_version.as_deref()).await }).await
    }

    async fn prove_here(&self, from_version: Option<&str>) -> Result<()> {
        let mut live = Box::new(Live::start(self, &None).await?);
        let proved = async {
            if let Some(from_version) = from_version {
                live.migrate(self, from_version).await?;
            }
            live.health(self).await
        };
        match proved.await {
            Ok(_) => {
                if let Some(live) = self.warm(live) {
                    live.end(self).await;
                }
                Ok(())
            }
            Err(error) => {
                live.end(self).await;
                Err(error)
            }
        }
    }
}
