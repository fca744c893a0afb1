//! What a verb is pointed at: a `.wasm` file, or the name of a plugin that was added.
//!
//! Easy to get wrong: `namespace:name` is always a name, also where a file of that name lies in the current folder; the file is `./namespace:name`.

use std::path::PathBuf;

use plugwork::{Offer, Runtime, Source};
use plugwork_core::record::{Consent, ConsentKey, Event, Records};
use plugwork_core::{Grants, PackageName};
use serde_json::Value;

use super::component;
use crate::exit::Failure;
use crate::host::Place;
use crate::installed::{self, Which};
use crate::life;
use crate::packages::Packages;

/// A component, and the consent that stands for it if it was added.
pub(super) struct Target {
    pub(super) path: PathBuf,
    source: Source,
    consent: Option<Consent>,
    which: Which,
    /// What it was enabled with, if it was.
    configuration: Option<Value>,
}

impl Target {
    /// Finds it. A name that nobody consented to, or whose consent was taken back, is an error that says so.
    pub(super) async fn find(place: &Place, records: &dyn Records, text: &str, which: &Which) -> Result<Self, Failure> {
        let Some(package) = name(text) else {
            let path = PathBuf::from(text);
            // Read here, so that a file that is not there is told as everywhere else.
            component::bytes(&path)?;
            let source = Source::file(&path)?;
            return Ok(Self { path, source, consent: None, which: which.clone(), configuration: None });
        };
        let key = which.key(&package);
        let record = records.consent(&key).await?;
        let event = record.map(|record| record.event()).transpose()?;
        let consent = match event {
            Some(Event::Granted(consent)) => consent,
            Some(Event::Revoked { by, reason, .. }) => {
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let hint = "consent again with `plugwork add FILE`";
                return Err(Failure::refused(format_args!(
                    "consent to `{package}` was taken back by {by}{why} (E-CONSENT-REVOKED)\nhint: {hint}"
                )));
            }
            _ => return Err(installed::unknown(records, &package).await),
        };
        let packages = Packages::of(&place.state()?);
        let source = packages.open(consent.subject.digest)?;
        let configuration = life::said(records, &key).await?.map(|said| Value::Object(said.settings.configuration));
        Ok(Self { path: packages.path(consent.subject.digest), source, consent: Some(consent), which: which.clone(), configuration })
    }

    /// Whether it was named, so that it runs with what is on record.
    pub(super) fn is_installed(&self) -> bool {
        self.consent.is_some()
    }

    /// Refuses a plugin that somebody disabled. A file is nobody's to disable.
    pub(super) async fn may_be_called(&self, records: &dyn Records) -> Result<(), Failure> {
        match &self.consent {
            Some(consent) => life::refuse_disabled(records, &ConsentKey::from(&consent.subject)).await,
            None => Ok(()),
        }
    }

    /// Those on record; none for a file.
    pub(super) fn grants(&self) -> Grants {
        self.consent.as_ref().map(|consent| consent.grants.clone()).unwrap_or_default()
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// An offer of it, under the subject that it was added as.
    pub(super) async fn offer(&self, runtime: &Runtime) -> Result<Offer, Failure> {
        let offer = runtime.offer(&self.source).await?.tenant(self.which.tenant()).instance(self.which.instance());
        Ok(match &self.configuration {
            Some(configuration) => offer.configuration(configuration.clone()),
            None => offer,
        })
    }
}

/// The name, if it is one.
pub(super) fn name(text: &str) -> Option<PackageName> {
    text.parse().ok()
}
