//! `plugwork add`: read, show, ask, keep, record. Nothing of the plugin runs.
//!
//! The order matters: the file is kept before the consent is recorded, so that a consent never stands without its file; a crash in between leaves a
//! file that no consent names, which the next `add` finds and uses.

use std::path::Path;

use plugwork::{Limits, Plugin, Source};
use plugwork_core::record::{ConsentKey, Records};
use plugwork_core::{Grants, Permission, Standing, Subject};
use plugwork_store::Store;
use serde::Serialize;

use super::component::Component;
use super::fetch::{Fetched, fetch};
use crate::consent::ask::Answer;
use crate::consent::given::ConsentArguments;
use crate::consent::offering::{self, Asked};
use crate::exit::Failure;
use crate::grants::to_argument;
use crate::host::{self, Place};
use crate::installed::{self, Which};
use crate::packages::Packages;
use crate::print;

/// Adds a plugin: shows what it asks for, asks you, and keeps the plugin and your answer.
///
/// What you grant is recorded with your name, the time and the file's digest, and `plugwork call NAME` runs with exactly that. If you decline,
/// nothing is installed; only that you declined is on record. Nothing of the plugin runs.
///
/// Without a terminal nobody is asked: say `--yes` for everything it asks for, or `--grant` for what you allow.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork add earthquakes.wasm
  plugwork add plugins:acme:markdown@1.2.0 --grant http --expires 30d

The JSON has: plugin, tenant, instance, version, digest, grants, by, reason,
expires_ms, record. Exit code 3 when you declined or nobody could be asked.")]
pub(crate) struct Add {
    /// A `.wasm` file, a folder of them, or FOLDER:namespace:name@version (the version may be left out: the newest).
    #[arg(value_name = "FILE|FOLDER[:NAME[@VERSION]]")]
    plugin: String,
    #[command(flatten)]
    consent: ConsentArguments,
    #[command(flatten)]
    which: Which,
    /// Prints what was recorded as JSON.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork add --json` and `plugwork update --json`.
#[derive(Serialize)]
pub(super) struct Recorded {
    plugin: String,
    tenant: String,
    instance: String,
    version: Option<String>,
    digest: String,
    grants: Grants,
    by: String,
    reason: String,
    expires_ms: Option<u64>,
    /// The record that says so.
    record: u64,
}

impl Add {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let fetched = fetch(&self.plugin, None)?;
        host::io_runtime()?.block_on(async {
            let store = host::store(place).await?;
            let runtime = host::open(place, &store, Path::new("."), Limits::batch(), silent, Box::new(argument)).await?;
            let offer = runtime.offer(&Source::bytes(fetched.bytes.as_slice())).await?;
            let offer = offer.tenant(self.which.tenant()).instance(self.which.instance());
            match offer.standing().await? {
                Standing::Other(consent) => {
                    let (name, version) = (&consent.subject.package, consent.version.map(|v| format!(" {v}")).unwrap_or_default());
                    return Err(Failure::usage(format_args!(
                        "`{name}`{version} is there already, as another file\nhint: `plugwork update {name} {}`",
                        self.plugin
                    )));
                }
                Standing::Given(_) => print::narrate("it was added before; a new answer takes the place of the one on record\n"),
                Standing::None | Standing::Expired(_) | Standing::Ended { .. } => {}
            }
            let asked = Asked::of(&offer);
            offering::could_run(&offer, &asked)?;
            must_say(&fetched, &self.consent, Grants::none())?;
            offering::show(&offer, &asked, &fetched.from);
            let grants = match offering::decide(&self.consent, "install", &asked.offered)? {
                Answer::Granted(grants) => grants,
                Answer::Declined => {
                    offer.by(&installed::approver(), "").decline().await?;
                    return Err(Failure::refused("declined; nothing was installed"));
                }
            };
            let packages = Packages::of(&place.state()?);
            let kept = packages.keep(&fetched.bytes)?;
            let digest = offer.digest();
            let accepted = offering::signed(offer, &self.consent).accept_only(grants).await;
            if accepted.is_err() && kept {
                installed::tidy(store.as_ref(), &packages, digest).await?;
            }
            let recorded = recorded(&store, &accepted?).await?;
            runtime.close().await?;
            tell(&recorded, "added", self.json);
            Ok(())
        })
    }
}

/// Refuses a component without a manifest that needs more than was said. It has nothing to ask for: no answer to a question would be enough.
pub(super) fn must_say(fetched: &Fetched, consent: &ConsentArguments, carried: Grants) -> Result<(), Failure> {
    let component = Component::read(Path::new(&fetched.from), &fetched.bytes).map_err(Failure::failed)?;
    if component.manifest.is_some() {
        return Ok(());
    }
    let said = consent.said()?.iter().fold(carried, |grants, grant| grants.with(&grant.capability, grant.bounds));
    // What makes no sense as a grant is told when it is accepted.
    let Ok(effective) = component.effective(&said) else { return Ok(()) };
    let obstacles = component.obstacles(&component.imports(&effective), &effective);
    if obstacles.is_empty() {
        return Ok(());
    }
    let lines: String = obstacles.iter().map(|obstacle| format!("\n  {obstacle}")).collect();
    let hint = "say what to grant: there is nothing that a yes would be an answer to";
    Err(Failure::refused(format_args!("`{}` has no manifest and asks for nothing, but:{lines}\nhint: {hint}", fetched.from)))
}

/// What stands on record for a plugin that was just accepted.
pub(super) async fn recorded(store: &Store, plugin: &Plugin) -> Result<Recorded, Failure> {
    let subject = plugin.subject();
    let record = store.consent(&ConsentKey::from(subject)).await?;
    let record = record.ok_or_else(|| Failure::failed("the consent is not on record\nhint: `plugwork audit verify`"))?;
    let latest = installed::Latest { event: record.event()?, record };
    let consent = latest.consent().filter(|consent| consent.subject.digest == subject.digest);
    let consent =
        consent.ok_or_else(|| Failure::refused("somebody else changed the consent at the same moment\nhint: `plugwork grants`"))?;
    Ok(Recorded {
        plugin: subject.package.to_string(),
        tenant: subject.tenant.clone(),
        instance: subject.instance.clone(),
        version: consent.version.as_ref().map(ToString::to_string),
        digest: subject.digest.to_string(),
        grants: consent.grants.clone(),
        by: consent.approver.clone(),
        reason: consent.reason.clone(),
        expires_ms: consent.expires_ms,
        record: latest.record.sequence,
    })
}

pub(super) fn tell(recorded: &Recorded, verb: &str, json: bool) {
    if json {
        return print::json(recorded);
    }
    let names: Vec<String> = recorded.grants.iter().map(|grant| format!("`{}`", grant.capability)).collect();
    let granted = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let version = recorded.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    print::data(format_args!("{verb} {}{version}, granted {granted} (record {})", recorded.plugin, recorded.record));
}

/// Nothing of it runs, so it has nothing to say.
pub(super) fn silent(_: &Subject, _: plugwork::log::Level, _: &str) {}

/// The line that would grant a permission to this command.
pub(super) fn argument(_: &Subject, permission: &Permission) -> String {
    to_argument(permission)
}
