//! `plugwork grants`: what plugins were granted, by whom, when, why and until when: the latest record of each consent.

use plugwork_core::record::{Consent, Event};
use plugwork_core::{Grants as Granted, PackageName};
use serde::Serialize;

use super::words::instant;
use crate::consent::words::{in_words, one_line};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Latest, Which, now_ms};
use crate::print;

/// Shows what plugins were granted: by whom, when, why and until when.
///
/// Without a name: every plugin that is there, or of one tenant with `--tenant`. With one: also a consent that was taken back, and with `--json` one that was removed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork grants
  plugwork grants acme:markdown --json

The JSON is a list of: plugin, tenant, instance, digest, version, state
(granted, expired, revoked, removed), grants, by, reason, at_ms, expires_ms,
record. Times are milliseconds since 1970.")]
pub(crate) struct Grants {
    /// Only this plugin: `namespace:name`.
    #[arg(value_parser = installed::package)]
    plugin: Option<PackageName>,
    #[command(flatten)]
    which: Which,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// One element of the JSON of `plugwork grants --json`.
#[derive(Serialize)]
struct Shown<'a> {
    plugin: String,
    tenant: &'a str,
    instance: &'a str,
    digest: String,
    version: Option<String>,
    state: &'static str,
    grants: Option<&'a Granted>,
    /// Who decided it last.
    by: &'a str,
    reason: &'a str,
    at_ms: u64,
    expires_ms: Option<u64>,
    /// The record that says so.
    record: u64,
}

impl Grants {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            let wanted = self.plugin.as_ref().map(|name| (name, &self.which));
            let mut found = installed::latest(records.as_ref(), wanted).await?;
            if wanted.is_none() {
                found.retain(|latest| self.which.leaves(&latest.event.subject().into()));
            }
            if let Some(name) = self.plugin.as_ref().filter(|_| found.is_empty()) {
                return Err(installed::unknown(records.as_ref(), name).await);
            }
            let now = now_ms();
            let shown: Vec<Shown<'_>> = found
                .iter()
                .filter(|latest| latest.is_there() || (self.json && self.plugin.is_some()))
                .map(|latest| shown(latest, now))
                .collect();
            if self.json {
                print::json(&shown);
                return Ok(());
            }
            shown.iter().for_each(tell);
            if shown.is_empty() {
                match self.which.is_given() {
                    true => print::narrate("no plugin was added here of that tenant and instance\nhint: `plugwork grants` shows all"),
                    false => print::narrate("no plugin was added here\nhint: `plugwork add FILE`"),
                }
            }
            Ok(())
        })
    }
}

fn shown(latest: &Latest, now_ms: u64) -> Shown<'_> {
    let subject = latest.event.subject();
    let nothing = (None, None, None);
    let (by, reason, (version, grants, expires_ms)) = match &latest.event {
        Event::Granted(Consent { version, grants, approver, reason, expires_ms, .. }) => {
            (approver.as_str(), reason.as_str(), (version.as_ref(), Some(grants), *expires_ms))
        }
        Event::Revoked { by, reason, .. } => (by.as_str(), reason.as_str(), nothing),
        Event::Removed { by, .. } => (by.as_str(), "", nothing),
        // The index holds none of the others.
        _ => ("", "", nothing),
    };
    Shown {
        plugin: subject.package.to_string(),
        tenant: &subject.tenant,
        instance: &subject.instance,
        digest: subject.digest.to_string(),
        version: version.map(ToString::to_string),
        state: latest.state(now_ms),
        grants,
        by,
        reason,
        at_ms: latest.record.at_ms,
        expires_ms,
        record: latest.record.sequence,
    }
}

fn tell(shown: &Shown<'_>) {
    let instance = if shown.instance.is_empty() { String::new() } else { format!("#{}", shown.instance) };
    let tenant = if shown.tenant == "default" { String::new() } else { format!("{}/", shown.tenant) };
    let version = shown.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let until = match shown.expires_ms {
        Some(until) if shown.state == "expired" => format!(", until {} (over)", instant(until)),
        Some(until) => format!(", until {}", instant(until)),
        None => String::new(),
    };
    let why = if shown.reason.is_empty() { String::new() } else { format!(": {}", one_line(shown.reason)) };
    print::data(format_args!("{tenant}{}{instance}{version}  {}", shown.plugin, shown.state));
    print::data(format_args!("  {} by {}{until}{why} (record {})", instant(shown.at_ms), one_line(shown.by), shown.record));
    match shown.grants {
        Some(grants) if grants.is_empty() => print::data("  nothing"),
        Some(grants) => grants
            .iter()
            .for_each(|grant| print::data(format_args!("  may {} (`{}`)", in_words(&grant.capability, &grant.bounds), grant.capability))),
        None => {}
    }
}
