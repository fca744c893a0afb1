//! Consent that ends at a time: what runs with it stops at that time, and its installation is suspended, as after a revocation.
//!
//! Easily got wrong: consent may have been renewed on record meanwhile, which is heard of here and not before: then the next call loads the plugin anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::lifecycle::{Actor, Move, Stage, State as LifeState};
use plugwork_core::record::{Consent, Event};

use super::Member;
use super::load::Recipe;
use crate::error::{Error, Result};
use crate::log::Level;
use crate::runtime::{Runtime, Shared};

impl Member {
    /// Its consent lasts until then, or until somebody takes it back.
    pub(crate) fn lasts_until(&self, shared: &Shared, expires_ms: Option<u64>) {
        let expires_ms = expires_ms.unwrap_or(u64::MAX);
        self.expires_ms.store(expires_ms, Ordering::SeqCst);
        // Second: who resets the one looks at the other afterwards.
        shared.next_expiry_ms.fetch_min(expires_ms, Ordering::SeqCst);
    }

    /// The consent on record, where it is for the file that this is and not over.
    pub(super) async fn consent_on_record(&self, runtime: &Runtime) -> Result<Option<(u64, Consent)>> {
        let shared = runtime.shared();
        let Some(audit) = shared.audit.as_ref().filter(|_| self.recipe.load().is_recorded()) else { return Ok(None) };
        let Some(record) = audit.records.consent(&self.key).await.map_err(Error::records)? else { return Ok(None) };
        Ok(match record.event().map_err(Error::records)? {
            Event::Granted(consent) if !consent.expired(shared.clock.now_ms()) => Some((record.sequence, consent)),
            _ => None,
        })
    }

    /// Its consent is over: it is suspended, unless it was renewed.
    async fn expire(self: &Arc<Self>, runtime: &Runtime) {
        let shared = runtime.shared();
        let _one = self.changing.lock().await;
        if !self.is(Stage::Active) || self.expires_ms.load(Ordering::SeqCst) > shared.clock.now_ms() {
            return;
        }
        match self.consent_on_record(runtime).await {
            Ok(Some((_, renewed))) => {
                self.lasts_until(shared, renewed.expires_ms);
                shared.density.forget(self);
                return self.evict(shared);
            }
            Ok(None) => {}
            // What cannot be read renews nothing.
            Err(error) => shared.complain(Level::Error, &format!("cannot read whether consent to `{}` was renewed: {error}", self.name)),
        }
        let reason = "its consent is over".to_owned();
        if self.advance(Move::Suspend, Actor::Watch, |_| LifeState::Suspended { reason }).is_ok() {
            self.leave(shared);
            shared.bus.abandon(&self.key);
            self.stopped(shared);
        }
    }
}

impl Recipe {
    /// What is known of consent that is on no record.
    pub(super) fn kept(&self) -> Option<&super::load::Kept> {
        match self {
            Self::Kept(kept) => Some(kept),
            _ => None,
        }
    }
}

impl Runtime {
    /// Stops what runs with consent that is over, and suspends its installations.
    pub(crate) fn end_expired(&self) {
        let shared = self.shared();
        let now_ms = shared.clock.now_ms();
        shared.end_expired_accounts(now_ms);
        // Most of the time there is nothing to look for: a hundred thousand installations are not asked four times a second.
        if now_ms < shared.next_expiry_ms.load(Ordering::SeqCst) {
            return;
        }
        shared.next_expiry_ms.store(u64::MAX, Ordering::SeqCst);
        for member in shared.members.all() {
            let expires_ms = member.expires_ms.load(Ordering::SeqCst);
            if expires_ms > now_ms {
                shared.next_expiry_ms.fetch_min(expires_ms, Ordering::SeqCst);
            } else if member.is(Stage::Active) {
                let runtime = self.clone();
                shared.io.spawn(async move { member.expire(&runtime).await });
            }
        }
    }
}
