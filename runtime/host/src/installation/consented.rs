//! Consent of this process that is put on record once whoever gave it knows that it is meant.
//!
//! Easily got wrong: between giving it and recording it somebody may have taken it back. That stands, and the record is not written.

use std::sync::Arc;

use plugwork_core::lifecycle::Stage;
use plugwork_core::record::Event;

use super::Installation;
use super::load::Recipe;
use crate::error::{Error, ErrorKind, Result};

impl Installation {
    /// Puts the consent that it runs with on record, so that it outlives the process; nothing is restarted. It must be active. Nothing is done where
    /// that consent is on record already, or the runtime keeps no records.
    ///
    /// # Errors
    /// Consent was taken back meanwhile, it is not active, or the records cannot be written. Then it stands nowhere.
    pub async fn consent_on_record(&self, by: &str, reason: &str) -> Result<()> {
        let (this, by, reason) = (self.clone(), by.to_owned(), reason.to_owned());
        self.runtime.shared().to_its_end(async move { this.record_now(&by, &reason).await }).await
    }

    async fn record_now(&self, by: &str, reason: &str) -> Result<()> {
        let (member, shared) = (&self.member, self.runtime.shared());
        if shared.audit.is_none() || member.recipe.load().is_recorded() {
            return Ok(());
        }
        let generation = member.loaded(&self.runtime).await?;
        let _one = member.changing.lock().await;
        if !member.is(Stage::Active) || *member.subject() != *generation.subject {
            let message = format!("`{}` is not active any more", member.name);
            return Err(Error::new(ErrorKind::Refused, message).of(&member.subject()));
        }
        let subject = (*generation.subject).clone();
        let settings = (*member.settings.load_full()).clone();
        let events = vec![Event::Granted(generation.consent_again(by, reason)), Event::Enabled { subject, by: by.to_owned(), settings }];
        let last = shared.rest_on_new_record(&generation, generation.stands_since(), generation.account.since(), events).await?;
        member.hear(last);
        let from = match shared.packages.is_some() && generation.source.path().is_none() {
            true => Recipe::Recorded,
            false => Recipe::RecordedFrom(generation.source.clone()),
        };
        member.recipe.store(Arc::new(from));
        Ok(())
    }
}
