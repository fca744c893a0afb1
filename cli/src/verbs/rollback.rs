//! `plugwork rollback`: a running server goes back to a deployment that it had.

use plugwork_edge::admin::words::{CurrentWords, RollbackWords};

use super::status::applications;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::operator::client::Client;
use crate::operator::reach::{Reach, label};
use crate::print;

/// Goes back to a deployment of an application, on a server that runs.
///
/// Without N: to the one that was current before. Nothing is deleted, so one can go forward again. It gives no consent: a plugin whose consent was
/// taken back since stays away, and then nothing is changed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork rollback shop
  plugwork rollback shop 3 --reason 'prices were wrong'

The JSON is: deployment, from (what was current before), moved, since-ms, by,
reason. `plugwork status APPLICATION --deployments` lists what there is.")]
pub(crate) struct Rollback {
    /// Which. Default: the only one that there is.
    #[arg(value_name = "APPLICATION", value_parser = label)]
    application: Option<String>,
    /// To which number.
    #[arg(value_name = "N")]
    to: Option<u64>,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Only where this deployment is current.
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    #[command(flatten)]
    reach: Reach,
    /// Prints what is current now as JSON.
    #[arg(long)]
    json: bool,
}

impl Rollback {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let client = self.reach.client(place)?;
            let application = match &self.application {
                Some(application) => application.clone(),
                None => only(&client, &self.reach).await?,
            };
            let path = format!("/v1/applications/{application}/rollback{}", self.reach.query());
            let wish = RollbackWords { to: self.to, reason: self.reason, expected: self.expect };
            let current: CurrentWords = client.post(&path, &wish).await?;
            if self.json {
                print::json(&current);
                return Ok(());
            }
            let from = current.from.map(|from| format!(", from {from}")).unwrap_or_default();
            print::narrate(format_args!("`{application}` is back at deployment {}{from}", current.deployment.number));
            Ok(())
        })
    }
}

async fn only(client: &Client, reach: &Reach) -> Result<String, Failure> {
    let names: Vec<String> = applications(client, reach).await?.into_iter().map(|one| one.current.deployment.application).collect();
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::not_found("nothing is deployed")),
        several => Err(Failure::usage(format_args!("which application?\nhint: one of `{}`", several.join("`, `")))),
    }
}
