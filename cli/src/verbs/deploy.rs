//! `plugwork deploy`: an application of this machine becomes what a running server serves.
//!
//! Easy to get wrong: what is deployed is what was read here, byte by byte. Components that the server has already are not sent again.

use std::path::PathBuf;

use plugwork_edge::admin::words::{ComponentWords, CurrentWords, DeployWords};

use super::words::{count, size};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::operator::reach::Reach;
use crate::print;
use crate::serving::application::{self, Read};

/// Deploys an application to a server that runs.
///
/// It is prepared beside what is served, put on record under a number, and served from one request to the next. What cannot be prepared is told
/// whole, and changes nothing. Deploying it is consent to what it grants.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork deploy
  plugwork deploy shop --note 'new prices' --expect 4
  plugwork deploy shop --server http://127.0.0.1:9090 --token-file ci.token

The JSON is: deployment (tenant, application, number, created-ms, by, note,
plugins), from (what was current before), moved, since-ms, by, reason.
Exit code 3 where it cannot be deployed, 5 where no server runs.")]
pub(crate) struct Deploy {
    /// The application: its folder, or its `plugwork.toml`.
    #[arg(value_name = "APPLICATION", default_value = ".")]
    application: PathBuf,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Only where this deployment is current; 0: where none is.
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    #[command(flatten)]
    reach: Reach,
    /// Prints what is current now as JSON.
    #[arg(long)]
    json: bool,
}

impl Deploy {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let client = self.reach.client(place)?;
            let Read { text, application, plugins, components } = application::read(&self.application, place, None).await?;
            let query = self.reach.query();
            for (digest, bytes) in components {
                let path = format!("/v1/components/{digest}{query}");
                if client.find::<ComponentWords>(&path).await?.is_none() {
                    print::progress(format_args!("sending {}", size(bytes.len() as u64)));
                    let sent = client.put::<ComponentWords>(&path, bytes.into()).await;
                    print::end_progress();
                    sent?;
                }
            }
            let path = format!("/v1/applications/{}/deployments{query}", application.name);
            let wish = DeployWords { text, plugins, note: self.note, expected: self.expect };
            let current: CurrentWords = client.post(&path, &wish).await?;
            if self.json {
                print::json(&current);
                return Ok(());
            }
            let CurrentWords { deployment, from, .. } = &current;
            let before = from.map(|from| format!(", after {from}")).unwrap_or_default();
            let plugins = count(deployment.plugins.len(), "plugin");
            print::narrate(format_args!("deployed `{}` as number {}{before}: {plugins}", deployment.application, deployment.number));
            Ok(())
        })
    }
}
