//! `plugwork disable`: a plugin that is enabled is not to run any more. It is written down; hosts on this state folder obey what is written.
//!
//! Easy to get wrong: this is no revocation. Calls under way finish, consent stands, and enabling it again needs no new answer.

use plugwork_core::PackageName;
use plugwork_core::lifecycle::{Actor, Move, next};
use plugwork_core::record::{Event, Records};
use serde_json::json;

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, approver, now_ms};
use crate::life;
use crate::print;

/// Disables a plugin: hosts take it from its points, calls under way finish.
///
/// Programs that started their plugins from this state folder (`Runtime::start`) obey within a second; a `run` or `call` that has begun goes on. It stays
/// installed, its consent and its settings stay too, and `plugwork call NAME` and pipelines refuse it until it is enabled again. To take back the consent, and to stop calls at once, there is `plugwork revoke`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork disable acme:markdown --reason 'until 1.3 is out'
  plugwork disable acme:markdown --instance flights

Exit code 3 where it was never enabled.")]
pub(crate) struct Disable {
    /// Its name: `namespace:name`.
    #[arg(value_name = "NAME", value_parser = installed::package)]
    plugin: PackageName,
    #[command(flatten)]
    which: Which,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Prints what was disabled as JSON: plugin, tenant, instance, digest, record (null where nothing had to be written).
    #[arg(long)]
    json: bool,
}

impl Disable {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            let mut lives = life::lives(records.as_ref(), Some((&self.plugin, &self.which))).await?;
            lives.retain(|life| life.latest.is_there());
            if lives.is_empty() {
                return Err(installed::unknown(records.as_ref(), &self.plugin).await);
            }
            // Without a name for one of them, those that run are meant.
            if self.which.named_instance().is_none() && lives.iter().any(life::Life::is_enabled) {
                lives.retain(|life| life.is_enabled() || life.is_disabled());
            }
            let mut events = Vec::new();
            for life in lives.iter().filter(|life| !life.is_disabled()) {
                next(life.stage(now_ms()), Move::Disable, Actor::Operator)
                    .map_err(|denial| Failure::refused(format_args!("cannot disable `{}`: {denial}", life::named(&life.key()))))?;
                let (subject, by, reason) = (life.ran().clone(), approver(), self.reason.clone());
                events.push(Event::Disabled { subject, by, reason, settings: life.settings() });
            }
            let written = records.append(now_ms(), events).await?;
            let mut written = written.iter();
            let mut told = Vec::new();
            for life in &lives {
                let subject = life.subject();
                let record = if life.is_disabled() { None } else { written.next().map(|record| record.sequence) };
                match record {
                    Some(_) => print::narrate(format_args!("disabled `{subject}`; programs that start their plugins from here obey within a second")),
                    None => print::narrate(format_args!("`{subject}` is disabled already; nothing was done")),
                }
                told.push(json!({
                    "plugin": subject.package, "tenant": subject.tenant, "instance": subject.instance, "digest": subject.digest, "record": record,
                }));
            }
            if self.json {
                print::json(&told);
            }
            Ok(())
        })
    }
}
