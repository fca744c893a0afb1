//! `plugwork revoke`: consent is taken back. Running hosts hear of it through the records and stop the plugin within one second.

use plugwork_core::record::Records;
use plugwork_core::{PackageName, Subject, consent};

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, approver, now_ms};
use crate::live::ask;
use crate::print;

/// Takes back the consent to a plugin. Hosts that are running it stop within one second.
///
/// Its calls under way end with the fault `revoked`, and it is refused until somebody consents again with `plugwork add`. All its instances are
/// meant, those in running pipelines too, unless `--instance` names one. Its file stays.
///
/// What is on record is all that it takes back: whoever starts `plugwork call FILE` or `plugwork run` afterwards gives grants of their own, and
/// those are consent of their own, for that process.
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
            let records = host::store(place).await?;
            let found = installed::latest(records.as_ref(), Some((&self.plugin, &self.which))).await?;
            let running = self.running(place)?;
            let known = found.iter().find(|latest| latest.is_there()).map(|latest| latest.event.subject().clone());
            let Some(mut subject) = known.or(running) else {
                return Err(installed::unknown(records.as_ref(), &self.plugin).await);
            };
            // Also what runs on a pipeline's word, which is on no record: it has the package's name, and an instance of its own.
            self.which.named_instance().unwrap_or(consent::EVERY_INSTANCE).clone_into(&mut subject.instance);
            let standing = records.consents().await?;
            let events = consent::revocation(&standing, &subject, &approver(), &self.reason);
            let subjects: Vec<Subject> = events.iter().map(|event| event.subject().clone()).collect();
            let written = records.append(now_ms(), events).await?;
            let mut told = Vec::new();
            for (subject, record) in subjects.iter().zip(&written) {
                let every = subject.instance == consent::EVERY_INSTANCE;
                let whose = if every { format!("every instance of `{}`", subject.package) } else { format!("`{subject}`") };
                print::narrate(format_args!("revoked {whose}; hosts that run it stop within one second"));
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

    /// A plugin of that name that runs in a host on this state folder.
    fn running(&self, place: &Place) -> Result<Option<Subject>, Failure> {
        let hosts = ask::top(&place.state()?)?;
        let answers = hosts.into_iter().filter_map(|host| host.answer.ok());
        let subjects = answers.flat_map(|mut answer| match answer["plugins"].take() {
            serde_json::Value::Array(plugins) => plugins,
            _ => Vec::new(),
        });
        let mut subjects = subjects.filter_map(|mut plugin| serde_json::from_value::<Subject>(plugin["subject"].take()).ok());
        Ok(subjects.find(|subject| subject.package == self.plugin && subject.tenant == self.which.tenant()))
    }
}
