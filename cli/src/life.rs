//! Where a plugin that was added is in its life, by what stands on record: pure, from the latest record of its consent and of its lifecycle.
//!
//! Not here: whether a host has it loaded, which only the host knows. Easy to get wrong: *installed* is every plugin that nobody enabled, and one that
//! somebody disabled; only the second is refused when it is called by name.

use std::collections::BTreeMap;

use plugwork_core::lifecycle::{Stage, State};
use plugwork_core::record::{ConsentKey, Event, Record, Records, Settings};
use plugwork_core::{PackageName, Subject};

use crate::exit::Failure;
use crate::installed::{self, Latest, Which};

/// One plugin that was added, with what was said of its life.
pub(crate) struct Life {
    /// The latest record of its consent.
    pub(crate) latest: Latest,
    /// The latest that enabled or disabled it; none where nobody did since it was installed.
    pub(crate) said: Option<Said>,
}

/// That somebody enabled or disabled it.
pub(crate) struct Said {
    /// As which file it ran last: a host that starts another one tells it so (`migrate`).
    pub(crate) ran: Subject,
    pub(crate) enabled: bool,
    pub(crate) by: String,
    /// Why; empty where it was enabled.
    pub(crate) reason: String,
    pub(crate) settings: Settings,
}

impl Life {
    /// Whose it is, and by its digest exactly which.
    pub(crate) fn subject(&self) -> &Subject {
        self.latest.event.subject()
    }

    pub(crate) fn key(&self) -> ConsentKey {
        self.subject().into()
    }

    /// Whether somebody said that it is to run.
    pub(crate) fn is_enabled(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.enabled)
    }

    /// Whether somebody said that it is not to run.
    pub(crate) fn is_disabled(&self) -> bool {
        self.said.as_ref().is_some_and(|said| !said.enabled)
    }

    /// Whom enabling and disabling is said of: the file that ran last, so that the next one hears of it.
    pub(crate) fn ran(&self) -> &Subject {
        self.said.as_ref().map_or_else(|| self.subject(), |said| &said.ran)
    }

    /// How it is to run, by whoever said so last.
    pub(crate) fn settings(&self) -> Settings {
        self.said.as_ref().map(|said| said.settings.clone()).unwrap_or_default()
    }

    /// The state, for people.
    pub(crate) fn state(&self, now_ms: u64) -> State {
        let suspended = |reason: String| State::Suspended { reason };
        match &self.latest.event {
            Event::Removed { .. } => State::Removed,
            Event::Granted(consent) if consent.expired(now_ms) => suspended("its consent is over".to_owned()),
            Event::Granted(_) if self.is_enabled() => State::Active,
            Event::Granted(_) => State::Installed,
            Event::Revoked { by, reason, .. } => suspended(revoked(by, reason)),
            // The index of consents holds none of the others.
            _ => State::Discovered,
        }
    }

    /// Where it stands in the table of moves. What was never enabled is installed there, whatever became of its consent.
    pub(crate) fn stage(&self, now_ms: u64) -> Stage {
        match self.state(now_ms).stage() {
            Stage::Suspended if !self.is_enabled() => Stage::Installed,
            stage => stage,
        }
    }
}

fn revoked(by: &str, reason: &str) -> String {
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("consent taken back by {by}{why}")
}

/// Every plugin that was ever added, or those of one package that are meant.
pub(crate) async fn lives(records: &dyn Records, package: Option<(&PackageName, &Which)>) -> Result<Vec<Life>, Failure> {
    let mut said = BTreeMap::new();
    for record in records.lifecycles().await? {
        said.extend(said_in(&record)?);
    }
    let latest = installed::latest(records, package).await?;
    Ok(latest.into_iter().map(|latest| Life { said: said.remove(&ConsentKey::from(latest.event.subject())), latest }).collect())
}

/// What was said last of one plugin, enabled or disabled.
pub(crate) async fn said(records: &dyn Records, key: &ConsentKey) -> Result<Option<Said>, Failure> {
    let record = records.lifecycle(key).await?;
    Ok(record.map(|record| said_in(&record)).transpose()?.flatten().map(|(_, said)| said))
}

fn said_in(record: &Record) -> Result<Option<(ConsentKey, Said)>, Failure> {
    let event = record.event()?;
    let key = ConsentKey::from(event.subject());
    let (ran, enabled, by, reason, settings) = match event {
        Event::Enabled { subject, by, settings } => (subject, true, by, String::new(), settings),
        Event::Disabled { subject, by, reason, settings } => (subject, false, by, reason, settings),
        // It was removed: what was said of an earlier life is over.
        _ => return Ok(None),
    };
    Ok(Some((key, Said { ran, enabled, by, reason, settings })))
}

/// Refuses what somebody disabled; with the line that enables it.
pub(crate) async fn refuse_disabled(records: &dyn Records, key: &ConsentKey) -> Result<(), Failure> {
    match said(records, key).await? {
        Some(said) if !said.enabled => {
            let why = if said.reason.is_empty() { String::new() } else { format!(": {}", said.reason) };
            Err(Failure::refused(format_args!(
                "`{}` was disabled by {}{why} (E-LIFECYCLE-DISABLED)\nhint: {}",
                named(key),
                said.by,
                line("enable", key)
            )))
        }
        _ => Ok(()),
    }
}

/// A plugin as people name it: its tenant only where it is not the usual one.
pub(crate) fn named(key: &ConsentKey) -> String {
    let name = key.to_string();
    name.strip_prefix("default/").map_or(name.clone(), str::to_owned)
}

/// The command that does something to one plugin.
pub(crate) fn line(verb: &str, key: &ConsentKey) -> String {
    let tenant = if key.tenant == "default" { String::new() } else { format!(" --tenant {}", key.tenant) };
    let instance = if key.instance.is_empty() { String::new() } else { format!(" --instance {}", key.instance) };
    format!("`plugwork {verb} {}{tenant}{instance}`", key.package)
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::record::{Consent, Key, Memory};
    use plugwork_core::{Digest, Grants};

    fn subject() -> Subject {
        Subject { tenant: "blue".to_owned(), instance: "one".to_owned(), package: "a:b".parse().unwrap(), digest: Digest::of(b"") }
    }

    fn granted(expires_ms: Option<u64>) -> Event {
        let (approver, reason) = ("ana".to_owned(), String::new());
        Event::Granted(Consent { subject: subject(), version: None, grants: Grants::none(), approver, reason, expires_ms, limits: None })
    }

    fn enabled() -> Event {
        Event::Enabled { subject: subject(), by: "ana".to_owned(), settings: Settings { weight: 7, ..Settings::default() } }
    }

    fn disabled() -> Event {
        Event::Disabled { subject: subject(), by: "ana".to_owned(), reason: "noisy".to_owned(), settings: Settings::default() }
    }

    fn revoked() -> Event {
        Event::Revoked { subject: subject(), by: "bo".to_owned(), reason: "leaks".to_owned() }
    }

    /// State and stage after these events, at 1,000 ms.
    async fn after(events: Vec<Event>) -> (String, Stage) {
        let records = Memory::new(Key::from_bytes(&[7; 32]));
        records.append(1, events).await.unwrap();
        let life = lives(&records, None).await.unwrap().remove(0);
        (life.state(1_000).to_string(), life.stage(1_000))
    }

    #[tokio::test]
    async fn the_state_follows_from_consent_and_from_what_was_said_last() {
        for (events, state, stage) in [
            (vec![granted(None)], "installed", Stage::Installed),
            (vec![granted(None), enabled()], "active", Stage::Active),
            (vec![granted(None), enabled(), disabled()], "installed", Stage::Installed),
            (vec![granted(None), enabled(), disabled(), enabled()], "active", Stage::Active),
            (vec![granted(Some(1_000)), enabled()], "suspended: its consent is over", Stage::Suspended),
            (vec![granted(Some(1_001)), enabled()], "active", Stage::Active),
            (vec![granted(Some(1_000))], "suspended: its consent is over", Stage::Installed),
            (vec![granted(None), enabled(), revoked()], "suspended: consent taken back by bo: leaks", Stage::Suspended),
            (vec![granted(None), enabled(), revoked(), granted(None)], "active", Stage::Active),
            (vec![granted(None), enabled(), Event::Removed { subject: subject(), by: String::new() }], "removed", Stage::Removed),
            (
                vec![granted(None), enabled(), Event::Removed { subject: subject(), by: String::new() }, granted(None)],
                "installed",
                Stage::Installed,
            ),
        ] {
            assert_eq!(after(events.clone()).await, (state.to_owned(), stage), "{events:?}");
        }
    }

    #[tokio::test]
    async fn what_was_disabled_is_refused_with_the_line_that_enables_it() {
        let records = Memory::new(Key::from_bytes(&[7; 32]));
        let key = ConsentKey::from(&subject());
        records.append(1, vec![granted(None)]).await.unwrap();
        assert!(refuse_disabled(&records, &key).await.is_ok());
        records.append(1, vec![enabled(), disabled()]).await.unwrap();
        let refused = refuse_disabled(&records, &key).await.unwrap_err().to_string();
        assert!(refused.contains("`blue/a:b#one` was disabled by ana: noisy (E-LIFECYCLE-DISABLED)"), "{refused}");
        assert!(refused.ends_with("hint: `plugwork enable a:b --tenant blue --instance one`"), "{refused}");
        records.append(1, vec![enabled()]).await.unwrap();
        assert!(refuse_disabled(&records, &key).await.is_ok());
    }
}
