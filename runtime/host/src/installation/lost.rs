//! Replacing a version that cannot be loaded any more because its file is gone or broken: another takes its place by what stands on record of it.
//!
//! Not here: versions that can be loaded (`replace`). Easily got wrong: consent has to stand. A version that cannot be loaded because somebody took
//! consent back is not lost, and nothing takes its place without a new consent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork_core::consent::carried_over;
use plugwork_core::events::LifecycleTopic;
use plugwork_core::guard::GuardNames;
use plugwork_core::lifecycle::Stage;
use plugwork_core::record::{Consent, Event};
use plugwork_core::{Grants, Limits};
use semver::Version;
use tokio::sync::OwnedMutexGuard;

use super::hooks::Moment;
use super::load::is_passing;
use super::replace::NO_MORE;
use super::{Installation, Member, Offered, Replaced, Replacement};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::offer::Offer;
use crate::runtime::Runtime;

/// How long whoever replaces a version waits for its file, which a source of packages may not have for a moment.
const FETCHED_AGAIN_AFTER: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// What is known of a version without its file.
struct Lost {
    version: Option<Version>,
    grants: Grants,
    limits: Option<Limits>,
    expires_ms: Option<u64>,
    /// The record that its consent rests on.
    since: u64,
}

impl Member {
    /// Whether an error says that the version cannot be loaded whoever tries, and it takes no calls.
    pub(super) fn is_lost(&self, error: &Error) -> bool {
        let never_compiles = error.kind() == ErrorKind::Compile && !is_passing(error);
        let cannot_be_read = matches!(error.kind(), ErrorKind::Io | ErrorKind::Component | ErrorKind::Manifest);
        (never_compiles || cannot_be_read) && !error.is_of_records() && !self.is(Stage::Active)
    }

    /// Loads it, once more after a while where its file cannot be had now: one that is away for a moment is not lost.
    pub(super) async fn load_or_lose(self: &Arc<Self>, runtime: &Runtime) -> Result<Arc<Generation>> {
        for wait in FETCHED_AGAIN_AFTER {
            match self.load(runtime, &self.plan()).await {
                Err(error) if error.kind() == ErrorKind::Io => tokio::time::sleep(wait).await,
                loaded => return loaded,
            }
        }
        self.load(runtime, &self.plan()).await
    }
}

impl Installation {
    /// As [`Installation::replace`]. `why` the version before cannot be loaded is the error where its consent does not stand either.
    pub(super) async fn replace_lost(&self, one: OwnedMutexGuard<()>, offer: Offer, by: &str, why: Error) -> Result<Replacement> {
        let lost = self.lost(why).await?;
        let offer = self.fit(offer, lost.expires_ms, lost.limits)?.no_later_than(lost.expires_ms);
        let carried = carried_over(&lost.grants, offer.manifest());
        // What it asked for was in its file. What it was granted of that is known, and who guarded it is not.
        match Offered::beyond(offer, &GuardNames::new(), &lost.grants, &lost.grants, &carried) {
            Ok(offer) => self.take_place(one, lost, offer.by(by, NO_MORE), carried, by).await.map(Replacement::Done),
            Err(offered) => Ok(Replacement::Offered(offered)),
        }
    }

    /// As [`Installation::replace_with`].
    pub(super) async fn replace_lost_with(
        &self,
        one: OwnedMutexGuard<()>,
        offer: Offer,
        grants: Grants,
        by: &str,
        why: Error,
    ) -> Result<Replaced> {
        let lost = self.lost(why).await?;
        let offer = self.fit(offer, lost.expires_ms, lost.limits)?;
        self.take_place(one, lost, offer.by(by, "consent to another version"), grants, by).await
    }

    async fn lost(&self, why: Error) -> Result<Lost> {
        let member = &self.member;
        if let Some(kept) = member.recipe.load().kept() {
            let (grants, limits, expires_ms) = (kept.grants.clone(), kept.limits, kept.expires_ms);
            if expires_ms.is_some_and(|expires_ms| expires_ms <= self.runtime.shared().clock.now_ms()) {
                let message = format!("consent to `{}` is over (and it cannot be loaded: {why})", member.name);
                return Err(Error::new(ErrorKind::Refused, message).of(&member.subject()));
            }
            return Ok(Lost { version: None, grants, limits, expires_ms, since: kept.since });
        }
        match member.consent_on_record(&self.runtime).await? {
            Some((since, consent)) if consent.subject == *member.subject() => {
                let Consent { version, grants, limits, expires_ms, .. } = consent;
                Ok(Lost { version, grants, limits, expires_ms, since })
            }
            _ => Err(why),
        }
    }

    /// Everything that a version has to pass which takes the place of one that can be loaded, but for what takes both.
    async fn take_place(&self, one: OwnedMutexGuard<()>, lost: Lost, offer: Offer, grants: Grants, by: &str) -> Result<Replaced> {
        let (member, shared) = (&self.member, self.runtime.shared());
        let began = Instant::now();
        shared.make_room(offer.subject())?;
        let from = member.subject().digest;
        let change = offer.change(&grants, Some(from));
        shared.hooks.before(Moment::Update, &change).await?;
        let consent = offer.consent(&grants);
        let next = self.as_before(offer, lost.since).accept_only(grants).await?.generation().clone();
        next.still_has_consent()?;
        let settings = member.settings_of(None, &next)?;
        next.prove(Some(member.ran_before(&self.runtime, lost.version.as_ref()).await?)).await?;
        // Of one that is not called nothing is kept warm.
        next.end_all(next.take_warm().map(|(live, _)| live)).await;
        let prepared_in = began.elapsed();
        let (this, by) = (self.clone(), by.to_owned());
        let committed = shared.to_its_end(async move {
            let _one = one;
            let (member, shared) = (&this.member, this.runtime.shared());
            if member.recipe.load().is_recorded() {
                let granted = Event::Granted(Consent { grants: next.own.grants.clone(), ..consent });
                let replaced = Event::Replaced { subject: (*next.subject).clone(), from, by };
                member.hear(shared.rest_on_new_record(&next, Some(lost.since), lost.since, vec![granted, replaced]).await?);
            } else {
                next.still_has_consent()?;
            }
            let recipe = member.recipe.load().for_version(&next);
            member.settings.store(settings.into());
            // It was told which one ran before.
            member.updated_from(None);
            member.waits(shared, &next, recipe);
            member.happened(shared, LifecycleTopic::Replaced, Some(from), "");
            shared.tell(Moment::Update, &change).await;
            Ok(Replaced {
                from: lost.version,
                to: next.version().cloned(),
                digest: next.subject.digest,
                generation: member.generations(),
                handed_over_bytes: None,
                prepared_in,
            })
        });
        committed.await
    }
}
