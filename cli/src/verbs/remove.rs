//! `plugwork remove`: the plugin's consent ends, and its file goes if nothing else needs it. The records of what was stay.

use plugwork_core::PackageName;
use plugwork_core::lifecycle::{self, Actor, Move};
use plugwork_core::record::{Event, Records};

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, approver, now_ms};
use crate::life;
use crate::packages::Packages;
use crate::print;

/// Removes a plugin that was added: its consent ends, and its file goes.
///
/// Hosts that are running it stop within one second. One that is enabled has to be disabled first. The records stay: what was granted to it, by whom, and that it was removed. What it kept
/// in its stores stays too.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork remove acme:markdown
  plugwork remove acme:markdown --tenant blue --json")]
pub(crate) struct Remove {
    /// Its name: `namespace:name`.
    #[arg(value_parser = installed::package)]
    plugin: PackageName,
    #[command(flatten)]
    which: Which,
    /// Prints what was removed as JSON: plugin, instance, digest, record.
    #[arg(long)]
    json: bool,
}

impl Remove {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let (records, packages) = (host::store(place).await?, Packages::of(&place.state()?));
            let there = installed::latest(records.as_ref(), Some((&self.plugin, &self.which))).await?;
            let subjects: Vec<_> = there.iter().filter(|latest| latest.is_there()).map(|latest| latest.event.subject().clone()).collect();
            if subjects.is_empty() {
                return Err(installed::unknown(records.as_ref(), &self.plugin).await);
            }
            self.may_go(records.as_ref()).await?;
            let removed = |subject: &plugwork_core::Subject| Event::Removed { subject: subject.clone(), by: approver() };
            let written = records.append(now_ms(), subjects.iter().map(removed).collect()).await?;
            // After the records: a crash in between leaves a file that no consent names, not a consent without its file.
            for subject in &subjects {
                installed::tidy(records.as_ref(), &packages, subject.digest).await?;
            }
            let mut told = Vec::new();
            for (subject, record) in subjects.iter().zip(&written) {
                print::narrate(format_args!("removed `{subject}`; hosts that run it stop within one second"));
                told.push(serde_json::json!({
                    "plugin": subject.package, "instance": subject.instance, "digest": subject.digest, "record": record.sequence,
                }));
            }
            if self.json {
                print::json(&told);
            }
            Ok(())
        })
    }

    /// What is to run is disabled first, so that its calls can finish.
    async fn may_go(&self, records: &dyn Records) -> Result<(), Failure> {
        for life in life::lives(records, Some((&self.plugin, &self.which))).await?.iter().filter(|life| life.latest.is_there()) {
            lifecycle::next(life.stage(now_ms()), Move::Remove, Actor::Operator).map_err(|denial| {
                let first = life::line("disable", &life.key());
                Failure::refused(format_args!("cannot remove `{}`: {denial}\nit is enabled: first {first}", life::named(&life.key())))
            })?;
        }
        Ok(())
    }
}
