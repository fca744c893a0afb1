//! Replacing a version by another while calls go on: the new one is compiled, linked and proved beside the old one, then new calls go to it.
//!
//! The old version stays ready for as long as the new one is watched (`back`).
//! Easily got wrong: everything that can fail comes before the record, and the record before the swap, so a process that dies comes up with
//! exactly one of the two. State that the old version changes after its snapshot is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork_core::consent::{carried_over, to_ask};
use plugwork_core::difference::Difference;
use plugwork_core::events::LifecycleTopic;
use plugwork_core::guard::{GuardNames, loosened};
use plugwork_core::lifecycle::{Actor, Move, Stage};
use plugwork_core::record::{Consent, ConsentKey, Event};
use plugwork_core::{Digest, Grants, Limits};
use semver::Version;
use tokio::sync::OwnedMutexGuard;

use super::back::Watched;
use super::hooks::Moment;
use super::load::Recipe;
use super::{Installation, Member};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::interfaces::handover::SNAPSHOT_BYTES_MAX;
use crate::live::Live;
use crate::offer::Offer;
use crate::runtime::{Runtime, Shared};

/// What came of it.
#[derive(Debug)]
pub enum Replacement {
    /// New calls go to the new version.
    Done(Replaced),
    /// It asks for more than was granted. The old version keeps running; whoever may consent can go on with [`Installation::replace_with`].
    Offered(Box<Offered>),
}

/// A replacement that was made.
#[derive(Debug, Clone)]
pub struct Replaced {
    /// The version before; none without a manifest.
    pub from: Option<Version>,
    /// The version now.
    pub to: Option<Version>,
    /// The digest of the version now.
    pub digest: Digest,
    /// How many versions of it this process has loaded so far.
    pub generation: u64,
    /// Bytes of memory that the old version handed over; none where it did not.
    pub handed_over_bytes: Option<usize>,
    /// Compiling, linking and proving it.
    pub prepared_in: Duration,
}

/// A new version that needs somebody's consent.
#[derive(Debug)]
pub struct Offered {
    /// It, still an offer.
    pub offer: Offer,
    /// What it asks for beyond what was asked and granted.
    pub capabilities: Vec<String>,
    /// From what is granted to what it asks for.
    pub difference: Difference,
}

/// The consent that a version begins from which takes another's place.
struct Stands {
    /// Who guards it, by the manifest of that file.
    guards: GuardNames,
    /// What the file asked for to which it was given.
    asked: Grants,
    grants: Grants,
    limits: Option<Limits>,
    expires_ms: Option<u64>,
    /// Its record.
    since: u64,
}

/// Why consent is given to a version by nobody's word.
pub(super) const NO_MORE: &str = "a version that asks for no more";

impl Runtime {
    /// Replaces the version of an installation: see [`Installation::replace`].
    pub async fn replace(&self, key: &ConsentKey, offer: Offer, by: &str) -> Result<Replacement> {
        let installation = self.installation(key);
        let installation = installation.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("there is no plugin `{key}` here")))?;
        installation.replace(offer, by).await
    }
}

impl Installation {
    /// Replaces its version by another with the grants that it has; with fewer, where less is asked for. No call is lost, and none sees two versions.
    ///
    /// A version that asks for more is given back as an offer. One that does not have the points of the old one, does not start, refuses
    /// `migrate` or `restore`, or is not well, is an error; the old one keeps running in all these cases.
    pub async fn replace(&self, offer: Offer, by: &str) -> Result<Replacement> {
        let (one, latest) = self.to_replace().await;
        let before = match latest {
            Err(error) if self.member.is_lost(&error) => return self.replace_lost(one, offer, by, error).await,
            before => before?,
        };
        let stands = self.stands(&before).await?;
        // Nobody says anything new: it lasts no longer than what stands.
        let offer = self.fit(offer, stands.expires_ms, stands.limits)?.no_later_than(stands.expires_ms);
        let carried = carried_over(&stands.grants, offer.manifest());
        match Offered::beyond(offer, &stands.guards, &stands.asked, &stands.grants, &carried) {
            Ok(offer) => self.swap(one, &before, stands.since, offer.by(by, NO_MORE), carried, by).await.map(Replacement::Done),
            Err(offered) => Ok(Replacement::Offered(offered)),
        }
    }

    /// As [`Installation::replace`], with these grants: somebody consented to them.
    pub async fn replace_with(&self, offer: Offer, grants: Grants, by: &str) -> Result<Replaced> {
        let (one, latest) = self.to_replace().await;
        let before = match latest {
            Err(error) if self.member.is_lost(&error) => return self.replace_lost_with(one, offer, grants, by, error).await,
            before => before?,
        };
        let stands = self.stands(&before).await?;
        let offer = self.fit(offer, stands.expires_ms, stands.limits)?;
        self.swap(one, &before, stands.since, offer.by(by, "consent to another version"), grants, by).await
    }

    /// What another version may have without a word of anybody: what the version before has, or what is on record where somebody decided since.
    async fn stands(&self, before: &Generation) -> Result<Stands> {
        let (member, shared) = (&self.member, self.runtime.shared());
        let asked = before.manifest.as_ref().map_or_else(|| before.own.grants.clone(), Grants::all_asked);
        let since = before.account.since();
        let (grants, limits, expires_ms) = (before.own.grants.clone(), before.limits_given, before.account.expires_ms());
        let guards = before.manifest.as_ref().map(|manifest| manifest.guards.clone()).unwrap_or_default();
        let stands = Stands { guards, asked, grants, limits, expires_ms, since };
        let Some(audit) = shared.audit.as_ref().filter(|_| member.recipe.load().is_recorded()) else { return Ok(stands) };
        let record = audit.records.consent(&member.key).await.map_err(Error::records)?;
        let Some(record) = record.filter(|record| record.sequence != since) else { return Ok(stands) };
        match record.event().map_err(Error::records)? {
            Event::Granted(consent) if !consent.expired(shared.clock.now_ms()) => {
                // What another file asked for is not known here; what it was granted is.
                let asked = if consent.subject == *before.subject { stands.asked } else { consent.grants.clone() };
                let Consent { grants, limits, expires_ms, .. } = consent;
                Ok(Stands { guards: stands.guards, asked, grants, limits, expires_ms, since: record.sequence })
            }
            _ => {
                let message = format!("consent to `{}` was taken back or is over", member.name);
                Err(Error::new(ErrorKind::Refused, message).of(&member.subject()))
            }
        }
    }

    /// The right to change it, which nobody else has meanwhile, and the version that a replacement begins from, also where it takes no calls now.
    async fn to_replace(&self) -> (OwnedMutexGuard<()>, Result<Arc<Generation>>) {
        let member = &self.member;
        let mut loaded = None;
        loop {
            let one = member.changing.clone().lock_owned().await;
            if member.native.is_some() || !member.is(Stage::Active) {
                let latest = member.at_rest(&self.runtime).await;
                return (one, latest);
            }
            if let Some(current) = member.open_current() {
                return (one, Ok(current));
            }
            let plan = member.plan();
            match loaded.take() {
                // Where little fits it may be unloaded again by now: it is the version all the same.
                Some((before, result)) if member.is_still(&before) => return (one, result),
                _ => {}
            }
            // Not with this right in hand: a load needs it where it finds that the version was updated.
            drop(one);
            loaded = Some((plan, member.loaded(&self.runtime).await));
        }
    }

    /// The offer for this installation; an error where it is of another package.
    pub(super) fn fit(&self, offer: Offer, expires_ms: Option<u64>, limits_given: Option<Limits>) -> Result<Offer> {
        let member = &self.member;
        let settings = member.settings.load_full();
        if offer.subject().package != member.key.package {
            let message = format!("`{}` is no version of `{}`", offer.subject().package, member.key.package);
            return Err(Error::new(ErrorKind::Invalid, message).of(offer.subject()));
        }
        let configuration = serde_json::Value::Object(settings.configuration.clone());
        let offer = offer.tenant(&member.key.tenant).instance(&member.key.instance).configuration(configuration);
        let offer = offer.until(expires_ms);
        Ok(match limits_given {
            Some(limits) => offer.limits(limits),
            None => offer,
        })
    }

    /// The offer with the consent that the version before has, which rests on that record. On record it is not yet: that comes when nothing can fail any
    /// more, and looks for who took it back. Consent that is on no record stays as old as it is, or nobody who took it back meanwhile would end it.
    pub(super) fn as_before(&self, offer: Offer, since: u64) -> Offer {
        match self.member.recipe.load().is_recorded() {
            true => offer.unrecorded(),
            false => offer.consented_at(since, None),
        }
    }

    /// `one` is the right to change it, which nobody else has meanwhile; `decided` is the latest record about its consent, as far as it is on record.
    async fn swap(
        &self,
        one: OwnedMutexGuard<()>,
        before: &Arc<Generation>,
        decided: u64,
        offer: Offer,
        grants: Grants,
        by: &str,
    ) -> Result<Replaced> {
        let shared = self.runtime.shared();
        let began = Instant::now();
        before.account.end_if_expired(shared.clock.now_ms());
        before.still_has_consent()?;
        shared.make_room(offer.subject())?;
        let change = offer.change(&grants, Some(before.subject.digest));
        shared.hooks.before(Moment::Update, &change).await?;
        let consent = offer.consent(&grants);
        let offer = self.as_before(offer, before.account.since());
        let next = offer.accept_only(grants).await?.generation().clone();
        next.may_be_loaded_again()?;
        next.still_has_consent()?;
        before.is_followed_by(&next)?;
        let (old, new) = (before.clone(), next.clone());
        let from_version = self.member.ran_before(&self.runtime, before.version()).await?;
        let (live, handed_over_bytes) = next.asked_by_host(async move { start(&old, &new, &from_version).await }).await?;
        let prepared_in = began.elapsed();
        // From here on it comes to its end, also where the caller gives up: between the record and the swap nobody may stop it.
        let (this, before, by, change) = (self.clone(), before.clone(), by.to_owned(), change.clone());
        let committed = shared.to_its_end(async move {
            let _one = one;
            let replaced = Replaced {
                from: before.version().cloned(),
                to: next.version().cloned(),
                digest: next.subject.digest,
                generation: 0,
                handed_over_bytes,
                prepared_in,
            };
            this.commit(&before, &next, live, (decided, consent), &by).await?;
            let shared = this.runtime.shared();
            shared.tell(Moment::Update, &change).await;
            Ok(Replaced { generation: this.member.generations(), ..replaced })
        });
        committed.await
    }

    /// Puts it on record and sends new calls to it.
    async fn commit(
        &self,
        before: &Arc<Generation>,
        next: &Arc<Generation>,
        live: Box<Live>,
        (decided, consent): (u64, Consent),
        by: &str,
    ) -> Result<()> {
        let (member, shared) = (&self.member, self.runtime.shared());
        let settings = member.settings_of(Some(&before.facts), next)?;
        let active = member.is(Stage::Active);
        if member.recipe.load().is_recorded() {
            let mut events = vec![Event::Granted(Consent { grants: next.own.grants.clone(), ..consent })];
            if active {
                events.push(Event::Enabled { subject: (*next.subject).clone(), by: by.to_owned(), settings: settings.clone() });
            }
            events.push(Event::Replaced { subject: (*next.subject).clone(), from: before.subject.digest, by: by.to_owned() });
            let recorded = shared.rest_on_new_record(next, before.stands_since(), decided, events).await;
            match recorded {
                Ok(last) => member.hear(last),
                Err(error) => {
                    next.end_all([live]).await;
                    return Err(error);
                }
            }
        } else if let Err(error) = next.still_has_consent() {
            next.end_all([live]).await;
            return Err(error);
        }
        // Of one that is not called nothing is kept warm.
        let rest = if active { next.warm(live) } else { Some(live) };
        let recipe = member.recipe.load().for_version(next);
        member.settings.store(Arc::new(settings));
        // It was told which one ran before.
        member.updated_from(None);
        member.take_over(&self.runtime, next, before, recipe);
        member.happened(shared, LifecycleTopic::Replaced, Some(before.subject.digest), "");
        // Now, and not between the record and the step above: a guest may take its time to say goodbye.
        next.end_all(rest).await;
        Ok(())
    }
}

/// Starts a new version, and sees that it may take calls. Gives its first instance, and how much was handed over to it.
async fn start(before: &Generation, next: &Generation, from_version: &str) -> Result<(Box<Live>, Option<usize>)> {
    let mut live = Box::new(Live::start(next, &None).await?);
    let proved = match before.fits(next, &mut live) {
        Ok(()) => prove(&mut live, before, next, from_version).await,
        Err(error) => Err(error),
    };
    match proved {
        Ok(bytes) => Ok((live, bytes)),
        Err(error) => {
            live.end(next).await;
            Err(error)
        }
    }
}

/// Everything that a new version has to pass before it takes calls.
async fn prove(live: &mut Live, before: &Generation, next: &Generation, from_version: &str) -> Result<Option<usize>> {
    live.migrate(next, from_version).await?;
    live.health(next).await?;
    if !(before.handover && next.handover && before.reuses()) {
        return Ok(None);
    }
    // Last, so that little is lost of what the old version still does.
    let Some((mut old, history)) = before.take_warm() else { return Ok(None) };
    let snapshot = old.snapshot(before).await;
    if let Some(rest) = before.give_back(old, Some(history)) {
        rest.end(before).await;
    }
    let snapshot = snapshot?;
    if snapshot.len() > SNAPSHOT_BYTES_MAX {
        let message =
            format!("the snapshot of `{}` has {} bytes, at most {SNAPSHOT_BYTES_MAX} are allowed", before.subject, snapshot.len());
        return Err(Error::new(ErrorKind::Invalid, message).of(&before.subject));
    }
    let bytes = snapshot.len();
    live.restore(next, &snapshot, from_version).await?;
    Ok(Some(bytes))
}

impl Member {
    /// The version that a replacement begins from, where it takes no calls now.
    async fn at_rest(self: &Arc<Self>, runtime: &Runtime) -> Result<Arc<Generation>> {
        if self.native.is_some() {
            return Err(
                Error::new(ErrorKind::Invalid, format!("`{}` is native: it is replaced with its host", self.name)).of(&self.subject())
            );
        }
        lifecycle_allows(self)?;
        let ready = self.ready.lock().expect("no panic happens under this lock").clone();
        // What was kept may have lost its consent since: the records say why.
        match ready.filter(|generation| !generation.account.revoked()) {
            Some(generation) => Ok(generation),
            None => self.load_or_lose(runtime).await,
        }
    }

    /// It is this version from here on, which the next enabling begins with.
    pub(super) fn waits(&self, shared: &Shared, next: &Arc<Generation>, recipe: Recipe) {
        let _state = self.state.lock().expect("no panic happens under this lock");
        self.recipe.store(Arc::new(recipe));
        self.subject.store(next.subject.clone());
        *self.ready.lock().expect("no panic happens under this lock") = Some(next.clone());
        self.lasts_until(shared, next.account.expires_ms());
    }

    /// New calls go to the new version from here on.
    fn take_over(self: &Arc<Self>, runtime: &Runtime, next: &Arc<Generation>, before: &Arc<Generation>, recipe: Recipe) {
        let shared = runtime.shared();
        {
            // One step for whoever loads it at this moment, and for whoever takes consent back: see `load_current`.
            let state = self.state.lock().expect("no panic happens under this lock");
            self.recipe.store(Arc::new(recipe));
            self.subject.store(next.subject.clone());
            // A runtime that closes has drained what it found: nothing is attached after that.
            if state.stage() != Stage::Active || shared.is_open(&self.subject()).is_err() {
                *self.ready.lock().expect("no panic happens under this lock") = Some(next.clone());
                drop(state);
                return self.lasts_until(shared, next.account.expires_ms());
            }
            let gone = self.current.swap(Some(next.clone()));
            // The old version was unloaded and loaded again meanwhile.
            gone.filter(|gone| !Arc::ptr_eq(gone, before)).into_iter().for_each(|gone| shared.retire(gone));
        }
        self.count_generation();
        self.lasts_until(shared, next.account.expires_ms());
        shared.keep(self);
        shared.members.refresh();
        self.receives_with(shared, next);
        let watched = Watched { before: before.clone(), observed_before: before.work.observed.snapshot(), since_ms: shared.now_ms() };
        let earlier = self.watched.lock().expect("no panic happens under this lock").replace(watched);
        if let Some(earlier) = earlier
            && !Arc::ptr_eq(&earlier.before, before)
        {
            shared.retire(earlier.before);
        }
        shared.watch_member(self);
    }
}

fn lifecycle_allows(member: &Member) -> Result<()> {
    let stage = member.state().stage();
    plugwork_core::lifecycle::next(stage, Move::Update, Actor::Operator)
        .map(drop)
        .map_err(|denial| Error::refused(format!("`{}` cannot be replaced:", member.name), vec![denial]).of(&member.subject()))
}

impl Offered {
    /// The offer, where it asks for nothing beyond what was asked and granted; else what it asks for.
    ///
    /// One that has taken away a guard of what it exports asks for `guards`.
    pub(super) fn beyond(
        offer: Offer,
        guards_before: &GuardNames,
        asked_before: &Grants,
        granted: &Grants,
        carried: &Grants,
    ) -> Result<Offer, Box<Self>> {
        let mut capabilities = to_ask(asked_before, granted, carried, offer.manifest());
        let guards = offer.manifest().map(|manifest| manifest.guards.clone()).unwrap_or_default();
        capabilities.extend(loosened(guards_before, &guards).then(|| "guards".to_owned()));
        let refused = offer.reach(carried).into_iter().filter(|reach| reach.kind == plugwork_core::reach::Kind::Refused);
        capabilities.extend(refused.filter_map(|reach| reach.capability));
        capabilities.sort();
        capabilities.dedup();
        if capabilities.is_empty() {
            return Ok(offer);
        }
        let asked = offer.manifest().map(Grants::all_asked).unwrap_or_default();
        let then = asked.iter().filter(|grant| capabilities.contains(&grant.capability));
        let then = then.fold(carried.clone(), |grants, grant| grants.with(&grant.capability, grant.bounds));
        let difference = Difference::between(granted, &then);
        Err(Box::new(Self { offer, capabilities, difference }))
    }
}

impl Generation {
    /// The record that its consent rests on; none where it was ended.
    pub(super) fn stands_since(&self) -> Option<u64> {
        (!self.account.revoked()).then(|| self.account.since())
    }
}
