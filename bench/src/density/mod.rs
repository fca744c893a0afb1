//! Thousands of plugins in one process: memory, starts, and what a call costs among many. Each host is a child process, so that its memory is its own.
//!
//! Lives here: the order of the parts, the children, and what all of them agree on. Not here: the plugins (`plugins.rs`), what is prepared before
//! anything is measured (`prepare.rs`), the rows. May be misread: compiling 10,000 plugins takes minutes and is in no row.

mod active;
pub(crate) mod host;
mod installed;
pub(crate) mod plugins;
pub(crate) mod prepare;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::de::DeserializeOwned;

use crate::benchmark::Part;
use crate::report::Row;
use crate::runtime::start_many;

/// Plugins that are all called.
const PLUGINS: u32 = 10_000;
/// Instances that may live at once, in every host.
const INSTANCES: u32 = 1_000;
/// Whoever was called within so many seconds is active.
const CALLED_WITHIN_S: f64 = 60.0;

/// What a child process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Job {
    Active,
    Installed,
    StartMany,
}

/// What a child process is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Hosting {
    job: Job,
    state: PathBuf,
    records: PathBuf,
    plugins: u32,
    rounds: u32,
}

impl Hosting {
    /// The child: its answer as one line.
    pub(crate) async fn run(self, began: Instant) -> Result<String> {
        let (state, records) = (&*self.state, &*self.records);
        Ok(match self.job {
            Job::Active => serde_json::to_string(&active::run(state, records, self.plugins, self.rounds, began).await?)?,
            Job::Installed => serde_json::to_string(&installed::run(state, records, began).await?)?,
            Job::StartMany => serde_json::to_string(&start_many::run(state, records, self.plugins, began).await?)?,
        })
    }
}

/// Starts a child and waits for its answer.
pub(crate) fn child<T: DeserializeOwned>(job: &str, state: &Path, records: &Path, plugins: u32, rounds: u32) -> Result<T> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["host", job]).arg(state).arg(records).args([plugins.to_string(), rounds.to_string()]);
    let output = command.output()?;
    ensure!(output.status.success(), "`host {job}` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Part by part. What fails says why and leaves its rows out; the rest still runs. With `kept` what was prepared is found there again.
pub(crate) async fn measure(kept: Option<&Path>, quick: bool, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = kept.unwrap_or(temporary.path());
    let wanted = if parts.contains(&Part::Active) { PLUGINS } else { installed::ENABLED };
    eprintln!("compiling {wanted} plugins, unless they are compiled already");
    let began = Instant::now();
    let template = plugins::Template::new()?;
    let component = move |number| template.plugin(number, &plugins::name(number), "1.0.0");
    std::fs::create_dir_all(folder.join("state")).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let ready = prepare::compile(&folder.join("state"), wanted, component).await?;
    eprintln!("  {:.0} s", began.elapsed().as_secs_f64());
    let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
        Ok(found) => rows.extend(found),
        Err(error) => eprintln!("{what}: {error:#}"),
    };
    if parts.contains(&Part::Active) {
        keep("active", active::rows(folder, &ready, quick).await);
    }
    if parts.contains(&Part::Installed) {
        keep("installed", installed::rows(folder, &ready, quick).await);
    }
    Ok(())
}
