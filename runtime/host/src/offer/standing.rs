//! Consent to an offer and the records: what stands there, what is put there, and whether it still stands when the plugin is ready.
//!
//! What a reader may get wrong: between reading a consent and running by it lie seconds of compiling. So the plugin's account rests on the record that
//! was read, and the records are looked at again once whoever takes consent back can find that account.

use plugwork_core::consent::EVERY_INSTANCE;
use plugwork_core::record::{Consent, ConsentKey, Event, Record};
use plugwork_core::{CompileFailure, Denial, Digest, Grants, Standing};

use super::{Approval, Offer};
use crate::audit::Audit;
use crate::error::{Error, ErrorKind, Result};
use crate::installation::Change;
use crate::plugin::Plugin;

impl Offer {
    /// What stands on record for this package in this tenant and instance. `None` also where the runtime keeps no records.
    pub async fn standing(&self) -> Result<Standing> {
        Ok(self.standing_since().await?.0)
    }

    /// What stands, and the record that says so.
    async fn standing_since(&self) -> Result<(Standing, Option<u64>)> {
        let runtime = self.runtime.shared();
        let Some(audit) = &runtime.audit else { return Ok((Standing::None, None)) };
        let Some(latest) = self.latest(audit).await? else { return Ok((Standing::None, None)) };
        let event = latest.event().map_err(Error::records)?;
        Ok((Standing::of(Some(&event), self.digest(), runtime.clock.now_ms()), Some(latest.sequence)))
    }

    /// The record that decides: the latest of its own, or of every instance of its package where that was taken back later.
    async fn latest(&self, audit: &Audit) -> Result<Option<Record>> {
        let own = ConsentKey::from(&self.subject);
        let every = ConsentKey { instance: EVERY_INSTANCE.to_owned(), ..own.clone() };
        let own = audit.records.consent(&own).await.map_err(Error::records)?;
        let every = audit.records.consent(&every).await.map_err(Error::records)?;
        Ok(own.into_iter().chain(every).max_by_key(|record| record.sequence))
    }

    /// Puts on record that somebody looked at it and said no. Nothing of it stays; an earlier consent to another file stands.
    pub async fn decline(self) -> Result<()> {
        let Approval { by, reason, .. } = self.approval;
        self.runtime.shared().record(vec![Event::Declined { subject: self.subject, by, reason }]).await.map(drop)
    }

    /// Accepts it with the grants that are on record for exactly this file, and with no others. An error of kind `Refused` says why there
    /// are none: never given, given to another file, expired, revoked.
    pub async fn resume(mut self) -> Result<Plugin> {
        // Both of one look: a revocation between two would be the record that this rests on.
        let (standing, since) = self.standing_since().await?;
        let consent = standing
            .consent(&self.subject.to_string(), self.digest())
            .map_err(|denial| Error::refused(format!("cannot load `{}`:", self.subject), vec![denial]).of(&self.subject))?;
        self.limits = self.limits.or(consent.limits);
        self.approval.expires_ms = consent.expires_ms;
        let grants = consent.grants.clone();
        // The account rests on that record, whatever is appended while this compiles.
        self.approval.rests_on = since;
        self.approval.resumes = true;
        self.unrecorded().accept_only(grants).await
    }

    /// What would be put on record.
    pub(crate) fn consent(&self, grants: &Grants) -> Consent {
        Consent {
            subject: self.subject.clone(),
            version: self.manifest.as_ref().map(|manifest| manifest.version.clone()),
            grants: grants.clone(),
            approver: self.approval.by.clone(),
            reason: self.approval.reason.clone(),
            expires_ms: self.approval.expires_ms,
            limits: self.limits,
        }
    }

    /// What an application's hooks are told of it.
    pub(crate) fn change(&self, grants: &Grants, from: Option<Digest>) -> Change {
        let version = self.manifest.as_ref().map(|manifest| manifest.version.clone());
        Change { subject: self.subject.clone(), version, grants: grants.clone(), from }
    }

    /// Puts the consent on record, unless exactly that stands there already. Gives the record that the plugin's account rests on.
    pub(super) async fn consented(&self, grants: &Grants) -> Result<u64> {
        let runtime = self.runtime.shared();
        let Some(audit) = &runtime.audit else { return Ok(0) };
        if let Some(sequence) = self.approval.rests_on {
            return Ok(sequence);
        }
        if !self.approval.recorded {
            return Ok(audit.records.head().await.map_err(Error::records)?.map_or(0, |head| head.sequence));
        }
        let latest = self.latest(audit).await?;
        let consent = self.consent(grants);
        let mut events = Vec::new();
        if let Some(record) = latest {
            let event = record.event().map_err(Error::records)?;
            match Standing::of(Some(&event), self.digest(), runtime.clock.now_ms()) {
                Standing::Given(standing) if standing.covers(&consent) => return Ok(record.sequence),
                // Other rights for the same file: what runs with the earlier ones ends.
                Standing::Given(standing) if standing.grants != consent.grants => events.push(Event::Revoked {
                    subject: self.subject.clone(),
                    by: consent.approver.clone(),
                    reason: "other rights were given".to_owned(),
                }),
                _ => {}
            }
        }
        events.push(Event::Granted(consent));
        let ends_earlier = events.len() > 1;
        let sequence = runtime.record(events).await?;
        if ends_earlier {
            runtime.revoke(&ConsentKey::from(&self.subject), sequence);
        }
        Ok(sequence)
    }

    /// A component that cannot be compiled within the limits is on record; that others were waiting is no fault of its own.
    pub(super) fn note_compile_failure(&self, error: &Error) {
        let failure = error.compile_failure().filter(|failure| !matches!(failure, CompileFailure::Busy { .. }));
        if let (Some(failure), Some(audit)) = (failure, &self.runtime.shared().audit) {
            let denial = Denial {
                code: failure.code().to_owned(),
                permission: "compile".to_owned(),
                rule: failure.to_string(),
                hint: "give the compiler wider limits, or use another plugin".to_owned(),
            };
            audit.denial(&self.subject, &denial);
        }
    }

    /// Refuses where consent was taken back after the record that it rests on, or is over.
    pub(super) async fn still_stands(&self, since: u64) -> Result<()> {
        let runtime = self.runtime.shared();
        let Some(audit) = &runtime.audit else { return Ok(()) };
        let Some(latest) = self.latest(audit).await?.filter(|record| record.sequence > since) else { return Ok(()) };
        let event = latest.event().map_err(Error::records)?;
        let standing = Standing::of(Some(&event), self.digest(), runtime.clock.now_ms());
        match standing.consent(&self.subject.to_string(), self.digest()) {
            Err(denial) if matches!(standing, Standing::Ended { .. }) => {
                Err(Error::refused(format!("cannot load `{}`:", self.subject), vec![denial]).of(&self.subject))
            }
            // Consent on no record that was taken back stays so, whatever was put on record after that.
            _ if self.approval.rests_on.is_some()
                && !self.approval.resumes
                && runtime.was_ended(&ConsentKey::from(&self.subject), since, latest.sequence).await? =>
            {
                Err(Error::new(ErrorKind::Refused, format!("consent to `{}` was taken back", self.subject)).of(&self.subject))
            }
            _ => Ok(()),
        }
    }
}
