//! `plugwork enable`: a plugin that was added is to run, and how. It is written down; hosts on this state folder obey what is written.
//!
//! Easy to get wrong: nothing is loaded here. Whether it starts is known to the host that starts it, and told by `plugwork ps`.

use std::path::Path;

use plugwork_core::lifecycle::{Actor, Move, Stage, next};
use plugwork_core::limits::OPTIONS_BYTES_MAX;
use plugwork_core::record::{Event, Records, Settings};
use plugwork_core::{InterfaceName, PackageName};
use serde_json::{Map, Value, json};

use super::component::Component;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, approver, now_ms};
use crate::life::{self, Life};
use crate::packages::Packages;
use crate::print;

/// Enables a plugin that was added: hosts start it, and its points are called.
///
/// What it is configured with, whether a host may start without it, and its place among others is written down with it, and stays for the next time.
/// Programs that started their plugins from this state folder (`Runtime::start`) obey within a second, and those that start later find it; a `run` or
/// `call` that has begun goes on. Without `--instance` all its instances are meant.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork enable acme:markdown
  plugwork enable acme:markdown --config '{\"flavour\": \"strict\"}' --weight -10
  plugwork enable acme:login --config @login.json --critical

Exit code 3 where its consent was taken back or is over, or where it is enabled
with other settings already: disable it first.")]
pub(crate) struct Enable {
    /// Its name: `namespace:name`.
    #[arg(value_name = "NAME", value_parser = installed::package)]
    plugin: PackageName,
    #[command(flatten)]
    which: Which,
    /// What its `init` is given: a JSON object of at most 64 KiB, or `@FILE`. Default: as it was, else `{}`.
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// A host that cannot start it does not start at all. Default: as it was, else it is reported and skipped.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    critical: Option<bool>,
    /// Its place among the plugins of a point: a lower weight is called first. Default: as it was, else 0.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    weight: Option<i32>,
    /// Prints what was enabled as JSON: plugin, tenant, instance, digest, settings, record (null where nothing had to be written).
    #[arg(long)]
    json: bool,
}

impl Enable {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let configuration = self.config.as_deref().map(configuration).transpose()?;
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            let packages = Packages::of(&place.state()?);
            let mut lives = life::lives(records.as_ref(), Some((&self.plugin, &self.which))).await?;
            lives.retain(|life| life.latest.is_there());
            if lives.is_empty() {
                return Err(installed::unknown(records.as_ref(), &self.plugin).await);
            }
            let failed = host_says_failed(place)?;
            let mut wanted = Vec::new();
            for life in &lives {
                let before = life.settings();
                let settings = Settings {
                    configuration: configuration.clone().unwrap_or_else(|| before.configuration.clone()),
                    critical: self.critical.unwrap_or(before.critical),
                    weight: self.weight.unwrap_or(before.weight),
                    points: points(&packages, life)?,
                };
                settings.check().map_err(|issue| Failure::usage(format_args!("`{}`: {issue}", life::named(&life.key()))))?;
                let stage = if failed.contains(&life.key()) { Stage::Failed } else { life.stage(now_ms()) };
                let nothing_new = stage == Stage::Active && before == settings;
                if !nothing_new {
                    allowed(life, stage)?;
                }
                wanted.push((life, settings, nothing_new));
            }
            let event = |(life, settings, _): &(&Life, Settings, bool)| Event::Enabled {
                subject: life.ran().clone(),
                by: approver(),
                settings: settings.clone(),
            };
            // All or none: half of a plugin's instances enabled is what nobody asked for.
            let written = records.append(now_ms(), wanted.iter().filter(|wanted| !wanted.2).map(event).collect()).await?;
            let mut written = written.iter();
            let mut told = Vec::new();
            for (life, settings, nothing_new) in &wanted {
                let subject = life.subject();
                let record = if *nothing_new { None } else { written.next().map(|record| record.sequence) };
                match record {
                    Some(_) => print::narrate(format_args!(
                        "enabled `{subject}`; programs that start their plugins from here obey within a second"
                    )),
                    None => print::narrate(format_args!("`{subject}` is enabled already, with these settings; nothing was done")),
                }
                told.push(json!({
                    "plugin": subject.package, "tenant": subject.tenant, "instance": subject.instance, "digest": subject.digest,
                    "settings": settings, "record": record,
                }));
            }
            if self.json {
                print::json(&told);
            }
            Ok(())
        })
    }
}

/// Whether the table of moves allows it; a person enables, and tries again what failed.
fn allowed(life: &Life, stage: Stage) -> Result<(), Failure> {
    let wanted = if stage == Stage::Failed { Move::Recover } else { Move::Enable };
    let key = life.key();
    // What was never enabled and whose consent has ended is not suspended in the table, and cannot run all the same.
    let state = life.state(now_ms());
    if stage == Stage::Installed && state.stage() == Stage::Suspended {
        let hint = format!("consent again with `plugwork add FILE`, then {}", life::line("enable", &key));
        return Err(Failure::refused(format_args!("cannot enable `{}`: it is {state}\nhint: {hint}", life::named(&key))));
    }
    next(stage, wanted, Actor::Operator).map(drop).map_err(|denial| {
        let first = match stage {
            Stage::Active => format!("\nit is enabled with other settings: first {}", life::line("disable", &key)),
            Stage::Suspended => format!("\nit is {state}: consent again with `plugwork add FILE`, and it goes on as it was"),
            _ => String::new(),
        };
        Failure::refused(format_args!("cannot enable `{}`: {denial}{first}", life::named(&key)))
    })
}

/// Which plugins some running host could not start, or could not go on with.
fn host_says_failed(place: &Place) -> Result<Vec<plugwork_core::record::ConsentKey>, Failure> {
    let hosts =
        crate::live::ask::top(&place.state()?).map_err(|error| Failure::failed(format_args!("cannot look for running hosts: {error}")))?;
    let answers = hosts.into_iter().filter_map(|host| host.answer.ok());
    let statuses = answers.flat_map(|mut answer| match answer["status"].take() {
        Value::Array(statuses) => statuses,
        _ => Vec::new(),
    });
    let failed = statuses.filter(|status| status["state"]["state"] == "failed");
    Ok(failed.filter_map(|status| serde_json::from_value(status).ok()).collect())
}

/// The points of the component, so that a host can attach it before it loads it.
pub(super) fn points(packages: &Packages, life: &Life) -> Result<Vec<InterfaceName>, Failure> {
    let digest = life.subject().digest;
    // Hashed again: what is not what was consented to is told here, not only by the host that starts it.
    packages.open(digest)?;
    let component = Component::open(&packages.path(digest))?;
    let parsed = component.report.points.iter().map(|point| point.parse::<InterfaceName>());
    parsed.collect::<Result<_, _>>().map_err(|error| Failure::failed(format_args!("`{}`: {error}", life::named(&life.key()))))
}

/// A configuration as it was given: JSON, or `@` and the file that holds it.
fn configuration(text: &str) -> Result<Map<String, Value>, Failure> {
    let wrong = |why: String| {
        Failure::usage(format_args!("`--config` is no configuration: {why}\nhint: write `--config '{{\"key\": \"value\"}}'`"))
    };
    let read;
    let json = match text.strip_prefix('@') {
        None => text,
        Some(file) => {
            let path = Path::new(file);
            let doing = format!("cannot read the configuration `{file}`");
            let bytes = std::fs::metadata(path).map_err(|error| Failure::from(error).while_doing(&doing))?.len();
            if bytes > OPTIONS_BYTES_MAX as u64 {
                return Err(wrong(format!("`{file}` has {bytes} bytes, at most {OPTIONS_BYTES_MAX} are allowed")));
            }
            read = std::fs::read_to_string(path).map_err(|error| Failure::from(error).while_doing(&doing))?;
            &read
        }
    };
    match serde_json::from_str(json) {
        Ok(Value::Object(configuration)) => Ok(configuration),
        Ok(_) => Err(wrong("a JSON object was expected".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
