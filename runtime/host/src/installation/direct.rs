//! A plugin that is enabled without being installed first: for programs that keep no list of what they run.
//!
//! Easily got wrong: it becomes an installation all the same, so a second version of it replaces the first and is not enabled beside it.

use std::sync::Arc;

use plugwork_core::lifecycle::{Actor, Stage};
use plugwork_core::record::Settings;

use super::Member;
use super::load::Recipe;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::plugin::Plugin;
use crate::runtime::Runtime;

impl Plugin {
    /// Attaches it to the points it exports: the short way to install and enable it, without hooks before the installation. One instance is started
    /// first to see that it does. An error of kind `Invalid` where another version of it is active, or this one with other grants, limits or another
    /// configuration.
    pub async fn enable(&self) -> Result<&Self> {
        let Some(shared) = self.generation().runtime.upgrade() else {
            return Err(Error::new(ErrorKind::Invalid, "its runtime was closed").of(self.subject()));
        };
        let runtime = Runtime::from(shared);
        let generation = self.generation();
        let configuration: serde_json::Map<_, _> = serde_json::from_str(&generation.configuration).unwrap_or_default();
        let settings = Settings { configuration: configuration.clone(), ..Settings::default() };
        let installation = runtime.admit(self, settings)?;
        let member = &installation.member;
        let _one = member.changing.lock().await;
        let is_another = *member.subject() != *generation.subject;
        if member.is(Stage::Active) {
            let message = match (is_another, member.is_in_force(generation)) {
                (true, _) => format!("another version of `{}` is active\nhint: replace it: `Installation::replace`", member.name),
                (false, false) => format!(
                    "`{}` is active with other grants, limits or another configuration\nhint: disable it first, or replace it: \
                     `Installation::replace_with`",
                    member.name
                ),
                (false, true) => return Ok(self),
            };
            return Err(Error::new(ErrorKind::Invalid, message).of(self.subject()));
        }
        // What is enabled from here on is this version as it was accepted now, also where it is loaded again later.
        let mut settings = Settings { configuration, ..(*member.settings.load_full()).clone() };
        if is_another {
            settings.points = generation.facts.points().cloned().collect();
        }
        member.settings.store(Arc::new(settings));
        member.waits(runtime.shared(), generation, generation.recipe(runtime.shared()));
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

impl Member {
    /// Whether it runs, or is loaded again, as this one was accepted.
    fn is_in_force(&self, generation: &Generation) -> bool {
        if let Some(current) = self.current.load_full() {
            let same = current.own.grants == generation.own.grants && current.limits_given == generation.limits_given;
            return same && current.configuration == generation.configuration;
        }
        let configuration = serde_json::Value::Object(self.settings.load().configuration.clone()).to_string();
        configuration == generation.configuration
            && match &**self.recipe.load() {
                Recipe::Kept(kept) => kept.grants == generation.own.grants && kept.limits == generation.limits_given,
                // Other rights on record would have ended it.
                Recipe::Recorded | Recipe::RecordedFrom(_) => generation.recorded,
                Recipe::Native => false,
            }
    }
}
