//! A plugin that is enabled without being installed first: for programs that keep no list of what they run.
//!
//! Easily got wrong: it becomes an installation all the same, so a second version of it replaces the first and is not enabled beside it.

use std::sync::Arc;

use plugwork_core::lifecycle::{Actor, Stage};
use plugwork_core::record::Settings;

use crate::error::{Error, ErrorKind, Result};
use crate::plugin::Plugin;
use crate::runtime::Runtime;

impl Plugin {
    /// Attaches it to the points it exports: the short way to install and enable it, without hooks before the installation. One instance is started
    /// first to see that it does.
    pub async fn enable(&self) -> Result<&Self> {
        let Some(shared) = self.generation().runtime.upgrade() else {
            return Err(Error::new(ErrorKind::Invalid, "its runtime was closed").of(self.subject()));
        };
        let runtime = Runtime::from(shared);
        let generation = self.generation();
        let configuration = serde_json::from_str(&generation.configuration).unwrap_or_default();
        let settings = Settings { configuration, ..Settings::default() };
        let installation = runtime.admit(self, settings)?;
        let member = &installation.member;
        let _one = member.changing.lock().await;
        let is_another = *member.subject() != *generation.subject;
        if member.is(Stage::Active) {
            if is_another {
                let message = format!("another version of `{}` is active\nhint: replace it: `Installation::replace`", member.name);
                return Err(Error::new(ErrorKind::Invalid, message).of(self.subject()));
            }
            return Ok(self);
        }
        if is_another {
            // What is enabled from here on is this version.
            let settings = Settings { points: generation.facts.points().cloned().collect(), ..(*member.settings.load_full()).clone() };
            member.settings.store(Arc::new(settings));
            member.subject.store(generation.subject.clone());
        }
        // Also of the same version: it may have stood on consent that was taken back, and stands on that of this plugin from here on.
        member.recipe.store(Arc::new(generation.recipe(runtime.shared())));
        *member.ready.lock().expect("no panic happens under this lock") = Some(generation.clone());
        member.enable(&runtime, Actor::Operator, Some("application")).await?;
        Ok(self)
    }

    /// Takes it from its points, if this version is the one that is attached. Calls under way finish.
    pub async fn disable(&self) -> Result<()> {
        let Some(shared) = self.generation().runtime.upgrade() else { return Ok(()) };
        let runtime = Runtime::from(shared);
        match runtime.installation(&self.subject().into()) {
            Some(installation) if *installation.subject() == *self.subject() => installation.disable("application", "").await,
            _ => Ok(()),
        }
    }
}
