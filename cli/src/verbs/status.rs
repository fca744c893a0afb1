//! `plugwork status`: what a running server serves, and what it served before.

use plugwork_edge::admin::words::{ApplicationWords, DeploymentWords};

use super::words::{ago, grouped};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::now_ms;
use crate::operator::client::Client;
use crate::operator::reach::{Reach, label};
use crate::print;

/// Shows the applications of a server that runs.
///
/// What is current of each, since when, on whose word, and whether it is served; if not, why. With APPLICATION its plugins and routes too.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork status
  plugwork status shop
  plugwork status shop --deployments --json
  plugwork status --ready

The JSON is a list of: current (deployment, from, moved, since-ms, by, reason),
served, findings, plugins, routes. With --deployments a list of: tenant,
application, number, created-ms, by, note, plugins.")]
pub(crate) struct Status {
    /// Only this one, with its plugins and routes.
    #[arg(value_name = "APPLICATION", value_parser = label)]
    application: Option<String>,
    /// Its deployments instead, the latest first: what can be rolled back to.
    #[arg(long, requires = "application")]
    deployments: bool,
    #[command(flatten)]
    reach: Reach,
    /// Says by its exit code whether the server has brought up what it could: 0,
    /// or 5 where it starts, stops or does not run. For what watches over it.
    /// An application that could not be brought up leaves it at 0; `plugwork
    /// status` names those.
    #[arg(long, conflicts_with_all = ["application", "json"])]
    ready: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let client = self.reach.client(place)?;
            if self.ready {
                return client.is_well("/readyz").await;
            }
            match &self.application {
                Some(application) if self.deployments => self.tell_deployments(&client, application).await,
                Some(application) => {
                    let path = format!("/v1/applications/{application}{}", self.reach.query());
                    let one: ApplicationWords = client.get(&path).await?;
                    self.tell(std::slice::from_ref(&one));
                    if !self.json {
                        tell_parts(&one);
                    }
                    Ok(())
                }
                None => {
                    self.tell(&applications(&client, &self.reach).await?);
                    Ok(())
                }
            }
        })
    }

    fn tell(&self, all: &[ApplicationWords]) {
        if self.json {
            return print::json(&all);
        }
        if all.is_empty() {
            return print::narrate("nothing is deployed\nhint: `plugwork deploy FOLDER`");
        }
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|one| {
                let current = &one.current;
                let state = if one.served { "served" } else { "not served" };
                let since = ago(now_ms().saturating_sub(current.since_ms));
                let number = current.deployment.number.to_string();
                let [application, by, why] = [&current.deployment.application, &current.by, &current.reason].map(Clone::clone);
                vec![application, number, state.to_owned(), current.moved.clone(), since, by, why]
            })
            .collect();
        print::table(&["application", "deployment", "state", "how", "since", "by", "why"], &rows);
        for one in all {
            for finding in &one.findings {
                let at = if finding.at.is_empty() { String::new() } else { format!("{}: ", finding.at) };
                print::narrate(format_args!("`{}` is not served: {at}{}", one.current.deployment.application, finding.what));
            }
        }
    }

    async fn tell_deployments(&self, client: &Client, application: &str) -> Result<(), Failure> {
        let query = self.reach.query();
        let current: ApplicationWords = client.get(&format!("/v1/applications/{application}{query}")).await?;
        let all: Vec<DeploymentWords> = client.all(&format!("/v1/applications/{application}/deployments{query}")).await?;
        if self.json {
            print::json(&all);
            return Ok(());
        }
        let mark = |one: &DeploymentWords| if one.number == current.current.deployment.number { "current" } else { "-" };
        let row = |one: &DeploymentWords| {
            let when = ago(now_ms().saturating_sub(one.created_ms));
            vec![one.number.to_string(), mark(one).to_owned(), when, one.by.clone(), one.note.clone()]
        };
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        print::table(&["deployment", "", "deployed", "by", "note"], &rows);
        Ok(())
    }
}

/// The applications that the server shows to whoever asks.
pub(crate) async fn applications(client: &Client, reach: &Reach) -> Result<Vec<ApplicationWords>, Failure> {
    client.all(&format!("/v1/applications{}", reach.query())).await
}

fn tell_parts(one: &ApplicationWords) {
    let plugins = one.plugins.iter().map(|plugin| {
        let (in_flight, waiting) = (grouped(plugin.in_flight), grouped(plugin.waiting));
        vec![plugin.name.clone(), plugin.package.clone(), plugin.state.clone(), in_flight, waiting, plugin.instance.clone()]
    });
    let plugins: Vec<Vec<String>> = plugins.collect();
    let routes = one.routes.iter().map(|route| {
        let methods = if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(" ") };
        vec![route.host.clone(), methods, route.path.clone(), route.plugin.clone()]
    });
    let routes: Vec<Vec<String>> = routes.collect();
    if !plugins.is_empty() {
        print::data("");
        print::table(&["plugin", "package", "state", "in flight", "waiting", "instance"], &plugins);
    }
    if !routes.is_empty() {
        print::data("");
        print::table(&["host", "methods", "path", "plugin"], &routes);
    }
}
