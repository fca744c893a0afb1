//! What the application hears of and has a say in: eight moments in the life of a plugin.
//!
//! Easily got wrong: a `before` hook that refuses leaves everything as it was; an `after` hook comes when the change is on record and can stop
//! nothing. A hook that takes longer than its time counts as a refusal before and as done after.

use std::fmt;
use std::time::Duration;

use plugwork_core::{Denial, Digest, Grants, Subject};
use semver::Version;

use crate::call::Running;
use crate::error::{Error, Result};

/// What is about to change, or has changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// The plugin, as it will be (or was, where it is removed).
    pub subject: Subject,
    /// Its version; none without a manifest.
    pub version: Option<Version>,
    /// What it may do.
    pub grants: Grants,
    /// In an update: the digest of the version that ran before.
    pub from: Option<Digest>,
}

/// What a `before` hook answers: go on, or why not.
type Says<'a> = Running<'a, Result<(), String>>;

fn yes<'a>() -> Says<'a> {
    Box::pin(std::future::ready(Ok(())))
}

fn nothing<'a>() -> Running<'a, ()> {
    Box::pin(std::future::ready(()))
}

/// The application's part in the life of plugins. Every method has a default that does nothing.
pub trait Hooks: Send + Sync + 'static {
    /// Consent was given and nothing is on record yet.
    fn before_install<'a>(&'a self, _change: &'a Change) -> Running<'a, Result<(), String>> {
        yes()
    }
    /// It is installed; nothing of it has run.
    fn after_install<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// Before its first instance is made.
    fn before_activate<'a>(&'a self, _change: &'a Change) -> Running<'a, Result<(), String>> {
        yes()
    }
    /// It takes calls.
    fn after_activate<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// Another version is about to take its place; neither is touched yet.
    fn before_update<'a>(&'a self, _change: &'a Change) -> Running<'a, Result<(), String>> {
        yes()
    }
    /// New calls go to the new version.
    fn after_update<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// It is about to be removed.
    fn before_remove<'a>(&'a self, _change: &'a Change) -> Running<'a, Result<(), String>> {
        yes()
    }
    /// It is gone.
    fn after_remove<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
}

/// What happens to a plugin, with a hook before it and one after it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Install,
    Activate,
    Update,
    Remove,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install => "install",
            Self::Activate => "activate",
            Self::Update => "update",
            Self::Remove => "remove",
        })
    }
}

/// For a runtime without hooks.
pub(crate) struct NoHooks;

impl Hooks for NoHooks {}

/// Hooks and how long each may take.
pub(crate) struct Timed {
    pub(crate) hooks: Box<dyn Hooks>,
    pub(crate) patience: Duration,
}

impl Timed {
    /// Asks the hook before something happens.
    pub(crate) async fn before(&self, moment: Moment, change: &Change) -> Result<()> {
        let says = match moment {
            Moment::Install => self.hooks.before_install(change),
            Moment::Activate => self.hooks.before_activate(change),
            Moment::Update => self.hooks.before_update(change),
            Moment::Remove => self.hooks.before_remove(change),
        };
        let name = format!("before-{moment}");
        let (code, rule) = match tokio::time::timeout(self.patience, says).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => ("E-HOOK-REFUSED", format!("the application's `{name}` hook refused: {reason}")),
            Err(_) => ("E-HOOK-TIMEOUT", format!("the application's `{name}` hook did not answer in {} ms", self.patience.as_millis())),
        };
        let denial = Denial { code: code.to_owned(), permission: name, rule, hint: String::new() };
        Err(Error::refused(format!("`{}` stays as it is:", change.subject), vec![denial]).of(&change.subject))
    }

    /// Tells the hook after something happened; says what to complain of where it took too long.
    pub(crate) async fn after(&self, moment: Moment, change: &Change) -> Result<(), String> {
        let told = match moment {
            Moment::Install => self.hooks.after_install(change),
            Moment::Activate => self.hooks.after_activate(change),
            Moment::Update => self.hooks.after_update(change),
            Moment::Remove => self.hooks.after_remove(change),
        };
        let patience_ms = self.patience.as_millis();
        let late = |_| format!("the `after-{moment}` hook of `{}` took longer than {patience_ms} ms", change.subject);
        tokio::time::timeout(self.patience, told).await.map_err(late)
    }
}
