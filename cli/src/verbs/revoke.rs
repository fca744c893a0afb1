//! `plugwork revoke`: consent is taken back. Running hosts hear of it through the records and stop the plugin within one second.

use plugwork_core::PackageName;
use plugwork_core::record::Event;

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, approver, now_ms};
use crate::print;

/// Takes back the consent to a plugin. Hosts that are running it stop within one second.
///
/// Its calls under way end with the fault `revoked`, and it is refused until somebody consents again with `plugwork add`. All its instances are
/// meant, those in running pipelines too, unless `--instance` names one. Its file stays.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork revoke acme:markdown --reason 'leaks addresses'
  plugwork revoke plugwork:csv --instance flights")]
pub(crate) struct Revoke {
    /// Its name: `namespace:name`.
    #[arg(value_parser = installed::package)]
    plugin: PackageName,
    #[command(flatten)]
    which: Which,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Prints what was revoked as JSON: plugin, instance, digest, record.
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let records = host::records(place).await?;
            let found = installed::latest(records.as_ref(), Some((&self.plugin, &self.which))).await?;
            let subjects: Vec<_> = found.iter().filter_map(|latest| Some(latest.consent()?.subject.clone())).collect();
            if subjects.is_empty() && found.iter().any(installed::Latest::is_there) {
                print::narrate(format_args!("consent to `{}` was taken back before; nothing was done", self.plugin));
                return Ok(());
            }
            if subjects.is_empty() {
                return Err(installed::unknown(records.as_ref(), &self.plugin).await);
            }
            let revoked = |subject: &plugwork_core::Subject| Event::Revoked {
                subject: subject.clone(),
                by: approver(),
                reason: self.reason.clone(),
            };
            let written = records.append(now_ms(), subjects.iter().map(revoked).collect()).await?;
            let mut told = Vec::new();
            for (subject, record) in subjects.iter().zip(&written) {
                print::narrate(format_args!("revoked `{subject}`; hosts that run it stop within one second"));
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
}
