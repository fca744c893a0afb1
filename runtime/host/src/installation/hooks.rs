//! What the application hears of and has a say in: eight moments in the life of a plugin.
//!
//! Easily got wrong: a `before` hook that refuses leaves everything as it was; an `after` hook comes when the change is on record and can stop
//! nothing. A hook that takes longer than its time counts as a refusal before and as done after.

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
pub type Says<'a> = Running<'a, Result<(), String>>;

fn yes<'a>() -> Says<'a> {
    Box::pin(std::future::ready(Ok(())))
}

fn nothing<'a>() -> Running<'a, ()> {
    Box::pin(std::future::ready(()))
}

/// The application's part in the life of plugins. Every method has a default that does nothing.
pub trait Hooks: Send + Sync + 'static {
    /// Consent was given and nothing is on record yet.
    fn before_install<'a>(&'a self, _change: &'a Change) -> Says<'a> {
        yes()
    }
    /// It is installed; nothing of it has run.
    fn after_install<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// Before its first instance is made.
    fn before_activate<'a>(&'a self, _change: &'a Change) -> Says<'a> {
        yes()
    }
    /// It takes calls.
    fn after_activate<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// Another version is about to take its place; neither is touched yet.
    fn before_update<'a>(&'a self, _change: &'a Change) -> Says<'a> {
        yes()
    }
    /// New calls go to the new version.
    fn after_update<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
    }
    /// It is about to be removed.
    fn before_remove<'a>(&'a self, _change: &'a Change) -> Says<'a> {
        yes()
    }
    /// It is gone.
    fn after_remove<'a>(&'a self, _change: &'a Change) -> Running<'a, ()> {
        nothing()
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
    /// Asks a `before` hook. `moment` is its name, such as `before-install`.
    pub(crate) async fn ask(&self, moment: &str, change: &Change, says: Says<'_>) -> Result<()> {
        let (code, rule) = match tokio::time::timeout(self.patience, says).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reason)) => ("E-HOOK-REFUSED", format!("the application's `{moment}` hook refused: {reason}")),
            Err(_) => ("E-HOOK-TIMEOUT", format!("the application's `{moment}` hook did not answer in {} ms", self.patience.as_millis())),
        };
        let denial = Denial { code: code.to_owned(), permission: moment.to_owned(), rule, hint: String::new() };
        Err(Error::refused(format!("`{}` stays as it is:", change.subject), vec![denial]).of(&change.subject))
    }

    /// Tells an `after` hook; says whether it took too long.
    pub(crate) async fn tell(&self, told: Running<'_, ()>) -> bool {
        tokio::time::timeout(self.patience, told).await.is_err()
    }
}
