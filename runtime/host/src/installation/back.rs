//! Going back: a new version is watched for a while, and the one before takes its place again by itself where calls fail or take too long.
//!
//! When, is decided in `core::rollback`. Easily got wrong: nothing is compiled or proved for it, the version before is still there; and its consent is
//! put on record again, unless somebody decided about that meanwhile.

use std::sync::Arc;

use plugwork_core::events::LifecycleTopic;
use plugwork_core::lifecycle::{Actor, Move, Stage};
use plugwork_core::record::{Consent, Event};
use plugwork_core::rollback::{self, Observed, Verdict, Why};

use super::Member;
use crate::error::Result;
use crate::generation::Generation;
use crate::log::Level;
use crate::runtime::Runtime;

/// A new version under watch.
pub(crate) struct Watched {
    pub(super) before: Arc<Generation>,
    pub(super) observed_before: Observed,
    pub(super) since_ms: u64,
}

impl Member {
    /// Looks at a new version; says whether it has to be looked at again.
    pub(crate) async fn look_after(self: &Arc<Self>, runtime: &Runtime) -> bool {
        let shared = runtime.shared();
        let current = self.current.load_full();
        let why = {
            let mut watched = self.watched.lock().expect("no panic happens under this lock");
            let Some(watch) = &*watched else { return false };
            let elapsed_ms = shared.now_ms().saturating_sub(watch.since_ms);
            // Of one that was unloaded nothing is seen; its time passes all the same.
            let observed = current.as_ref().map(|current| current.work.observed.snapshot()).unwrap_or_default();
            match rollback::verdict(&shared.rollback, &watch.observed_before, &observed, elapsed_ms) {
                Verdict::Wait => return true,
                Verdict::Keep => {
                    if let Some(watch) = watched.take() {
                        shared.retire(watch.before);
                    }
                    return false;
                }
                Verdict::Back(why) => why,
            }
        };
        // Somebody changes it at this moment: that counts more.
        let (Ok(_one), Some(current)) = (self.changing.try_lock(), current) else { return true };
        // Somebody changed it since it was judged.
        if self.current.load().as_ref().is_none_or(|now| !Arc::ptr_eq(now, &current)) {
            return self.is_watched();
        }
        if let Err(error) = self.go_back(runtime, &current, &why).await {
            // Not tried again: what stands against it (other consent, a runtime that closes) will not go away by itself.
            shared.complain(Level::Error, &format!("`{}` should go back to the version before ({why}), and cannot: {error}", self.name));
            if let Some(watched) = self.watched.lock().expect("no panic happens under this lock").take() {
                shared.retire(watched.before);
            }
        }
        false
    }

    fn is_watched(&self) -> bool {
        self.watched.lock().expect("no panic happens under this lock").is_some()
    }

    /// The version before takes its place again.
    async fn go_back(self: &Arc<Self>, runtime: &Runtime, current: &Arc<Generation>, why: &Why) -> Result<()> {
        let shared = runtime.shared();
        let before = match &*self.watched.lock().expect("no panic happens under this lock") {
            Some(watched) => watched.before.clone(),
            None => return Ok(()),
        };
        shared.is_open(&self.subject())?;
        // It was renewed for the version that runs, or for nobody: what is over for the one before stays over.
        before.account.end_if_expired(shared.clock.now_ms());
        before.still_has_consent()?;
        self.advance(Move::Update, Actor::Watch, super::plain)?;
        let settings = self.settings_of(Some(&current.facts), &before)?;
        if self.recipe.load().is_recorded() {
            let (subject, reason) = ((*before.subject).clone(), format!("rolled back: {why}"));
            let events = vec![
                Event::Granted(before.consent_again("host", &reason)),
                Event::Enabled { subject: subject.clone(), by: "host".to_owned(), settings: settings.clone() },
                Event::RolledBack { subject, from: current.subject.digest, why: why.to_string() },
            ];
            // Where somebody consented to something else meanwhile that is no business of a watch.
            self.hear(shared.rest_on_new_record(&before, current.stands_since(), current.account.since(), events).await?);
        }
        let recipe = self.recipe.load().for_version(&before);
        self.watched.lock().expect("no panic happens under this lock").take();
        self.settings.store(Arc::new(settings));
        {
            let state = self.state.lock().expect("no panic happens under this lock");
            self.recipe.store(Arc::new(recipe));
            self.subject.store(before.subject.clone());
            // A runtime that closes has drained what it found, and nothing is attached after that.
            if state.stage() != Stage::Active || shared.is_open(&self.subject()).is_err() {
                shared.retire(before.clone());
                return Ok(());
            }
            self.current.store(Some(before.clone()));
        }
        self.count_generation();
        self.lasts_until(shared, before.account.expires_ms());
        shared.keep(self);
        shared.members.refresh();
        self.receives_with(shared, &before);
        shared.retire(current.clone());
        // Where both say the same version, or none, only the digests tell them apart.
        let told_apart = current.version().is_some() && current.version() != before.version();
        let version = |generation: &Generation| match generation.version().filter(|_| told_apart) {
            Some(version) => version.to_string(),
            None => generation.subject.digest.short().to_string(),
        };
        let message = format!("`{}` {} was rolled back to {}: {why}", self.name, version(current), version(&before));
        *self.rolled_back.lock().expect("no panic happens under this lock") = Some(message.clone());
        shared.complain(Level::Warn, &message);
        self.happened(shared, LifecycleTopic::RolledBack, Some(current.subject.digest), &why.to_string());
        Ok(())
    }
}

impl Generation {
    /// The consent that it runs with, to be put on record again.
    pub(super) fn consent_again(&self, by: &str, reason: &str) -> Consent {
        Consent {
            subject: (*self.subject).clone(),
            version: self.version().cloned(),
            grants: self.own.grants.clone(),
            approver: by.to_owned(),
            reason: reason.to_owned(),
            expires_ms: self.account.expires_ms(),
            limits: self.limits_given,
        }
    }
}
