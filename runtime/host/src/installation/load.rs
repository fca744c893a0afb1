//! Loading: from what stands on record (or was kept) to a generation that takes calls. Many callers, one load.
//!
//! Easily got wrong: a load that failed for want of room says nothing about the plugin, so it stays active; one that failed because of what the
//! plugin is makes it `failed`, and is not tried again at every call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::lifecycle::{Actor, Move, Stage, State as LifeState};
use plugwork_core::limits::LOG_RECORD_BYTES_MAX;
use plugwork_core::record::Event;
use plugwork_core::{CompileFailure, Grants, Limits, Subject};

use super::Member;
use super::hooks::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::log::{Level, cut};
use crate::runtime::{Runtime, Shared};
use crate::source::Source;

/// How a plugin is loaded again after it was evicted, or in the first place.
pub(crate) enum Recipe {
    /// With the consent on record; its file comes from the packages.
    Recorded,
    /// With the consent on record; its file is known.
    RecordedFrom(Source),
    /// With consent that lasts as long as the process.
    Kept(Box<Kept>),
    /// Never: it is native.
    Native,
}

/// Consent that is on no record, and the file that it is for. Not in the recipe itself, which most plugins have without it.
pub(crate) struct Kept {
    pub(super) source: Source,
    pub(super) grants: Grants,
    pub(super) limits: Option<Limits>,
    /// The last record that there was when it was given.
    pub(super) since: u64,
    pub(super) expires_ms: Option<u64>,
}

/// Which file is loaded, and how: both as of one moment. Whoever holds `changing` finds them unchanged.
pub(super) struct Plan {
    subject: Arc<Subject>,
    recipe: Arc<Recipe>,
}

impl Recipe {
    /// How another version of the same plugin is loaded again.
    pub(super) fn for_version(&self, version: &Generation) -> Self {
        if self.is_recorded() { Self::RecordedFrom(version.source.clone()) } else { version.kept() }
    }

    /// Whether what happens to it is put on record.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self, Self::Recorded | Self::RecordedFrom(_))
    }
}

impl Member {
    /// The current version, loaded if it is not. An error where the installation takes no calls.
    pub(crate) async fn loaded(self: &Arc<Self>, runtime: &Runtime) -> Result<Arc<Generation>> {
        if self.native.is_some() {
            return Err(Error::new(ErrorKind::Invalid, format!("`{}` is native: there is nothing to load", self.name)).of(&self.subject()));
        }
        if let Some(generation) = self.open_current() {
            return Ok(generation);
        }
        if !self.is(Stage::Active) {
            return Err(self.unavailable());
        }
        runtime.shared().is_open(&self.subject())?;
        // In a task of its own: all who wait get it, also where whoever was first gives up, or is not polled for a while.
        let (this, theirs) = (self.clone(), runtime.clone());
        let loading = runtime.shared().to_its_end(async move { this.flight.fly(|| this.load_current(&theirs)).await });
        loading.await.map_err(|error| error.of(&self.subject()))
    }

    async fn load_current(self: &Arc<Self>, runtime: &Runtime) -> Result<Arc<Generation>> {
        let shared = runtime.shared();
        // Why the version before could not be loaded, where that was found to be updated.
        let mut before: Option<Error> = None;
        loop {
            // It may have been loaded between the look and the lead, or another version took its place during the load.
            if let Some(generation) = self.open_current() {
                return Ok(generation);
            }
            let plan = self.plan();
            let loaded = match self.is_updated() {
                true => self.load_updated(runtime, &plan).await,
                false => self.load_to_run(runtime, &plan).await,
            };
            let error = match loaded {
                Ok((generation, first)) => match self.run_from_here(shared, &generation, &plan) {
                    Ok(true) => {
                        self.receives_with(shared, &generation);
                        self.lasts_until(shared, generation.account.expires_ms());
                        shared.keep(self);
                        if first {
                            self.after_activation(runtime).await;
                        }
                        return Ok(generation);
                    }
                    not_it => {
                        // Nobody was sent to it.
                        shared.retire(generation);
                        not_it?;
                        continue;
                    }
                },
                Err(error) => error,
            };
            if self.is_another_by_now(runtime, &plan, &error).await? {
                before.get_or_insert(error);
                continue;
            }
            if let Some(before) = before {
                shared.complain(Level::Warn, &format!("`{}` was updated and cannot be loaded: {error} (before: {before})", self.name));
            }
            return Err(error);
        }
    }

    /// The version that takes calls now, where one is loaded.
    pub(super) fn open_current(&self) -> Option<Arc<Generation>> {
        self.current.load_full().filter(|generation| !generation.work.gate.is_closed())
    }

    /// After a load that failed: whether there is another version to load by now. Where there is none, and the next try would end no better, it fails.
    async fn is_another_by_now(self: &Arc<Self>, runtime: &Runtime, plan: &Plan, error: &Error) -> Result<bool> {
        if is_passing(error) && self.updated_to(runtime, plan).await?.is_none() {
            return Ok(!self.is_still(plan));
        }
        // Whoever replaces it at this moment has written so, and comes to its end first. Nobody who has this right waits for a load.
        let _one = self.changing.lock().await;
        if !self.is_still(plan) {
            return Ok(true);
        }
        // Its file is not the one that has consent any more: it was updated while it was not loaded.
        if let Some(subject) = self.updated_to(runtime, plan).await? {
            self.becomes(subject);
            // One that never ran is not what ran before.
            self.updated_from.lock().expect("no panic happens under this lock").get_or_insert(plan.subject.digest);
            return Ok(true);
        }
        if !is_passing(error) {
            self.fail(runtime, error);
        }
        Ok(false)
    }

    /// The file that has consent now, if that is another.
    async fn updated_to(&self, runtime: &Runtime, plan: &Plan) -> Result<Option<Subject>> {
        let Some(audit) = runtime.shared().audit.as_ref().filter(|_| plan.recipe.is_recorded()) else { return Ok(None) };
        let record = audit.records.consent(&self.key).await.map_err(Error::records)?;
        Ok(match record.map(|record| record.event()).transpose().map_err(Error::records)? {
            Some(Event::Granted(consent)) if consent.subject != *plan.subject => Some(consent.subject),
            _ => None,
        })
    }

    /// The version that an update brought, told which one ran before, and asked how it is.
    async fn load_updated(self: &Arc<Self>, runtime: &Runtime, plan: &Plan) -> Result<(Arc<Generation>, bool)> {
        let (generation, first) = self.load_to_run(runtime, plan).await?;
        self.prove(runtime, &generation).await?;
        let settings = self.settings_after(runtime, &generation).await?;
        let _one = self.changing.lock().await;
        // Whoever changed it meanwhile has written down what it is now.
        if self.is_still(plan) && self.is(Stage::Active) && self.is_updated() {
            let subject = (*generation.subject).clone();
            self.write(runtime, vec![Event::Enabled { subject, by: "host".to_owned(), settings: settings.clone() }]).await?;
            self.settings.store(Arc::new(settings));
            self.updated_from(None);
            runtime.shared().members.refresh();
        }
        Ok((generation, first))
    }

    /// As [`Member::load`]; asks the application where this is its first since it was attached, and says whether it was.
    async fn load_to_run(self: &Arc<Self>, runtime: &Runtime, plan: &Plan) -> Result<(Arc<Generation>, bool)> {
        let generation = self.load(runtime, plan).await?;
        if self.activated.load(Ordering::Relaxed) {
            return Ok((generation, false));
        }
        let (hooks, change) = (&runtime.shared().hooks, generation.change(None));
        hooks.before(Moment::Activate, &change).await?;
        self.activated.store(true, Ordering::Relaxed);
        Ok((generation, true))
    }

    /// Calls go to it from here on, unless something else was loaded, or is to be loaded, since the plan was read: says which.
    fn run_from_here(&self, shared: &Shared, generation: &Arc<Generation>, plan: &Plan) -> Result<bool> {
        let state = self.state.lock().expect("no panic happens under this lock");
        if state.stage() != Stage::Active {
            drop(state);
            return Err(self.unavailable());
        }
        // Under the lock that closing takes too: what is loaded past this line is found and drained by it.
        shared.is_open(&self.subject())?;
        if !self.is_still(plan) || self.open_current().is_some() {
            return Ok(false);
        }
        if let Some(left) = self.breaker_left.lock().expect("no panic happens under this lock").take()
            && left.0 == generation.subject.digest
        {
            generation.work.breaker.go_on(left.1);
        }
        self.current.store(Some(generation.clone()));
        self.count_generation();
        Ok(true)
    }

    /// What is to be loaded, as of now.
    pub(super) fn plan(&self) -> Plan {
        let _both = self.state.lock().expect("no panic happens under this lock");
        Plan { subject: self.subject(), recipe: self.recipe.load_full() }
    }

    /// Whether no other version took its place since that was read.
    pub(super) fn is_still(&self, plan: &Plan) -> bool {
        Arc::ptr_eq(&plan.recipe, &self.recipe.load())
    }

    /// A generation as planned, which nobody calls yet.
    pub(super) async fn load(self: &Arc<Self>, runtime: &Runtime, plan: &Plan) -> Result<Arc<Generation>> {
        let shared = runtime.shared();
        let Plan { subject, recipe } = plan;
        shared.is_open(subject)?;
        // Before anything is fetched; accepting it asks again.
        shared.make_room(subject)?;
        let source = match &**recipe {
            Recipe::Recorded => shared.package(subject.digest)?,
            Recipe::RecordedFrom(source) => source.clone(),
            Recipe::Kept(kept) => kept.source.clone(),
            Recipe::Native => return Err(Error::new(ErrorKind::Invalid, "a native plugin is not loaded")),
        };
        let settings = self.settings.load_full();
        let configuration = serde_json::Value::Object(settings.configuration.clone());
        // What has no manifest is called as it was when it was accepted: which file it is its digest says.
        let offer = runtime.offer(&source).await?.unless_named(subject.package.clone());
        let offer = offer.tenant(&subject.tenant).instance(&subject.instance).configuration(configuration);
        if offer.subject() != &**subject {
            let message = format!("the file of `{}` says that it is `{}`", self.name, offer.subject());
            return Err(Error::new(ErrorKind::Manifest, message).of(subject));
        }
        let plugin = match &**recipe {
            Recipe::Kept(kept) => {
                let offer = match kept.limits {
                    Some(limits) => offer.limits(limits),
                    None => offer,
                };
                // Not as of now: it may have been taken back meanwhile.
                offer.consented_at(kept.since, kept.expires_ms).accept_only(kept.grants.clone()).await?
            }
            _ => offer.resume().await?,
        };
        Ok(plugin.generation().clone())
    }

    /// Unloads it to make room. It stays active.
    pub(crate) fn evict(&self, shared: &Shared) {
        drop(self.ready.lock().expect("no panic happens under this lock").take());
        if let Some(generation) = self.current.swap(None) {
            let left = generation.work.breaker.left().map(|breaker| Box::new((generation.subject.digest, breaker)));
            *self.breaker_left.lock().expect("no panic happens under this lock") = left;
            shared.retire(generation);
        }
    }

    /// Bytes of machine code that are loaded for it.
    pub(crate) fn code_bytes(&self) -> u32 {
        let current = self.current.load_full();
        let loaded = current.or_else(|| self.ready.lock().expect("no panic happens under this lock").clone());
        let range = loaded.map(|generation| generation.component.image_range());
        range.map_or(0, |range| u32::try_from(range.end as usize - range.start as usize).unwrap_or(u32::MAX))
    }

    /// Consent was taken back by a record: what rests on an earlier one stops.
    pub(crate) fn consent_ended(self: &Arc<Self>, shared: &Shared, sequence: u64) {
        let enabling_since = self.enabling_since.load(Ordering::SeqCst);
        let rests_on_later = self.current.load().as_ref().map_or(enabling_since, |generation| generation.account.since()) >= sequence;
        if self.native.is_some() || rests_on_later {
            return;
        }
        let reason = "consent was taken back".to_owned();
        if self.advance(Move::Suspend, Actor::Watch, |_| LifeState::Suspended { reason }).is_ok() {
            self.leave(shared);
            shared.bus.abandon(&self.key);
            self.stopped(shared);
        }
    }

    /// It cannot run: it leaves its points until somebody enables it again.
    pub(super) fn fail(self: &Arc<Self>, runtime: &Runtime, error: &Error) {
        let fault = reason(error);
        let (by_move, state): (_, fn(String) -> LifeState) = match error.kind() {
            ErrorKind::Refused => (Move::Suspend, |reason| LifeState::Suspended { reason }),
            _ => (Move::Fail, |fault| LifeState::Failed { fault }),
        };
        if self.advance(by_move, Actor::Watch, |_| state(fault)).is_ok() {
            self.leave(runtime.shared());
            self.stopped(runtime.shared());
        }
    }
}

/// Whether the next try may well succeed: nothing is wrong with the plugin.
pub(super) fn is_passing(error: &Error) -> bool {
    // The compiler was busy, or lost its child: nothing was found out about the component.
    let did_not_compile_now = error.compile_failure().is_some_and(|failure| matches!(failure, CompileFailure::Busy { .. }));
    did_not_compile_now || matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Engine | ErrorKind::Io)
}

/// Why it does not run, as it is kept and shown: a plugin can make its words long.
pub(super) fn reason(error: &Error) -> String {
    cut(&error.to_string(), LOG_RECORD_BYTES_MAX).to_owned()
}
