//! Loading: from what stands on record (or was kept) to a generation that takes calls. Many callers, one load.
//!
//! Easily got wrong: a load that failed for want of room says nothing about the plugin, so it stays active; one that failed because of what the
//! plugin is makes it `failed`, and is not tried again at every call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::lifecycle::{Actor, Move, Stage, State as LifeState};
use plugwork_core::limits::LOG_RECORD_BYTES_MAX;
use plugwork_core::record::Event;
use plugwork_core::{CompileFailure, Grants, Limits};

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
        if let Some(generation) = self.current.load_full()
            && !generation.work.gate.is_closed()
        {
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
        // It may have been loaded between the look and the lead.
        if let Some(generation) = self.current.load_full()
            && !generation.work.gate.is_closed()
        {
            return Ok(generation);
        }
        let recipe = self.recipe.load_full();
        let loaded = match self.load_to_run(runtime).await {
            // Its file is not the one that has consent any more: it was updated while it was not loaded.
            Err(error) if recipe.is_recorded() && self.follow_consent(runtime).await? => self.load_updated(runtime).await.map_err(|next| {
                runtime
                    .shared()
                    .complain(Level::Warn, &format!("`{}` was updated and cannot be loaded: {next} (before: {error})", self.name));
                next
            }),
            loaded => loaded,
        };
        let recipe = self.recipe.load_full();
        match loaded {
            Ok((generation, first)) => {
                if let Some(newer) = self.run_from_here(runtime, &generation, &recipe)? {
                    return Ok(newer);
                }
                self.lasts_until(runtime.shared(), generation.account.expires_ms());
                runtime.shared().keep(self);
                if first {
                    self.after_activation(runtime).await;
                }
                Ok(generation)
            }
            Err(error) => {
                if !is_passing(&error) {
                    self.fail(runtime, &error);
                }
                Err(error)
            }
        }
    }

    /// Takes the file that has consent now, if that is another; says whether it is.
    async fn follow_consent(&self, runtime: &Runtime) -> Result<bool> {
        let Some(audit) = &runtime.shared().audit else { return Ok(false) };
        let record = audit.records.consent(&self.key).await.map_err(Error::records)?;
        let before = self.subject();
        match record.map(|record| record.event()).transpose().map_err(Error::records)? {
            Some(Event::Granted(consent)) if consent.subject != *before => {
                self.becomes(consent.subject);
                self.updated_from(Some(before.digest));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The version that an update brought, told which one ran before, and asked how it is.
    async fn load_updated(self: &Arc<Self>, runtime: &Runtime) -> Result<(Arc<Generation>, bool)> {
        let (generation, first) = self.load_to_run(runtime).await?;
        self.prove(runtime, &generation).await?;
        let settings = self.settings_after(runtime, &generation).await?;
        let subject = (*generation.subject).clone();
        self.write(runtime, vec![Event::Enabled { subject, by: "host".to_owned(), settings: settings.clone() }]).await?;
        self.settings.store(Arc::new(settings));
        self.updated_from(None);
        runtime.shared().members.refresh();
        Ok((generation, first))
    }

    /// As [`Member::load`]; asks the application where this is its first since it was attached, and says whether it was.
    async fn load_to_run(self: &Arc<Self>, runtime: &Runtime) -> Result<(Arc<Generation>, bool)> {
        let generation = self.load(runtime).await?;
        if self.activated.load(Ordering::Relaxed) {
            return Ok((generation, false));
        }
        let (hooks, change) = (&runtime.shared().hooks, generation.change(None));
        hooks.before(Moment::Activate, &change).await?;
        self.activated.store(true, Ordering::Relaxed);
        Ok((generation, true))
    }

    /// Calls go to it from here on, unless another version took its place since the recipe was read: gives that one.
    fn run_from_here(&self, runtime: &Runtime, generation: &Arc<Generation>, recipe: &Arc<Recipe>) -> Result<Option<Arc<Generation>>> {
        let state = self.state.lock().expect("no panic happens under this lock");
        if state.stage() != Stage::Active {
            drop(state);
            return Err(self.unavailable());
        }
        // Under the lock that closing takes too: what is loaded past this line is found and drained by it.
        runtime.shared().is_open(&self.subject())?;
        if !Arc::ptr_eq(recipe, &self.recipe.load())
            && let Some(newer) = self.current.load_full()
        {
            return Ok(Some(newer));
        }
        if let Some(left) = self.breaker_left.lock().expect("no panic happens under this lock").take()
            && left.0 == generation.subject.digest
        {
            generation.work.breaker.go_on(left.1);
        }
        self.current.store(Some(generation.clone()));
        self.count_generation();
        Ok(None)
    }

    /// A generation as the recipe says, which nobody calls yet.
    pub(super) async fn load(self: &Arc<Self>, runtime: &Runtime) -> Result<Arc<Generation>> {
        let shared = runtime.shared();
        let subject = self.subject();
        shared.is_open(&subject)?;
        // Before anything is fetched; accepting it asks again.
        shared.make_room(&subject)?;
        let recipe = self.recipe.load_full();
        let source = match &*recipe {
            Recipe::Recorded => shared.package(subject.digest)?,
            Recipe::RecordedFrom(source) => source.clone(),
            Recipe::Kept(kept) => kept.source.clone(),
            Recipe::Native => return Err(Error::new(ErrorKind::Invalid, "a native plugin is not loaded")),
        };
        let settings = self.settings.load_full();
        let configuration = serde_json::Value::Object(settings.configuration.clone());
        let offer = runtime.offer(&source).await?.tenant(&subject.tenant).instance(&subject.instance).configuration(configuration);
        if offer.subject() != &*subject {
            let message = format!("the file of `{}` says that it is `{}`", self.name, offer.subject());
            return Err(Error::new(ErrorKind::Manifest, message).of(&subject));
        }
        let plugin = match &*recipe {
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
