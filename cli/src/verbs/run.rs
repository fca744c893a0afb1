//! `plugwork run`: a pipeline from a file, checked as a whole before anything flows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use clap::Args;
use plugwork::{GuestThreads, Limits};
use plugwork_core::{Issue, Permission, Subject};
use serde_json::json;

use crate::exit::Failure;
use crate::host::{self, Place};
use crate::pipeline::load::{self, Loaded};
use crate::pipeline::output::Output;
use crate::pipeline::report::{self, Journal, Times};
use crate::pipeline::run::{self, Ran};
use crate::pipeline::{file, plan};
use crate::print;

/// Run a pipeline: sources, transformers, analyzers, exporters and charts.
///
/// Everything is checked before anything runs: the file, the plugins, their options and their grants. Outputs and one self-contained
/// report.html are written below the output folder; a file stands under its name only when it is whole.
#[derive(Args)]
#[command(after_help = "Examples:
  plugwork run examples/pipelines/earthquakes.toml
  plugwork run flights.toml --output /tmp/flights --json")]
pub(crate) struct Run {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Where to write. Default: out/NAME below the current folder, NAME from the pipeline.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Check everything and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Show every log record of the plugins, not only warnings.
    #[arg(short, long)]
    verbose: bool,
    /// Print what was done as JSON on stdout.
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let file = file::read(&self.pipeline)?;
        let (name, description) = (file.name.clone(), file.description.clone());
        let wrong = |issues: Vec<Issue>| Failure::wrong(format_args!("pipeline `{}`", self.pipeline.display()), &issues);
        let steps = plan::plan(file).map_err(wrong)?;
        let io = host::io_runtime()?;
        let outcome = io.block_on(self.run_steps(place, &name, &description, steps));
        // A guest that does not come back must not hold the command.
        io.shutdown_background();
        outcome
    }

    async fn run_steps(&self, place: &Place, name: &str, description: &str, steps: Vec<plan::Step>) -> Result<(), Failure> {
        let (started, clock) = (SystemTime::now(), Instant::now());
        let journal = Journal::new(self.verbose);
        let base = self.pipeline.parent().unwrap_or(Path::new(".")).to_owned();
        let store = host::store(place).await?;
        let runtime = host::open(place, &store, &base, Limits::batch(), journal.clone(), hint(&self.pipeline, &steps)).await?;
        let _serving = host::serve(place, &runtime, "run");
        print::narrate(format_args!("checking {} steps of `{name}`", steps.len()));
        let loaded = tokio::select! {
            loaded = load::load(&runtime, store.as_ref(), &base, steps) => Arc::new(loaded?),
            _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted("interrupted; nothing was written")),
        };
        let counts = runtime.cache_counts();
        print::narrate(format_args!(
            "loaded in {:.1} s ({} from the cache, {} compiled)",
            clock.elapsed().as_secs_f64(),
            counts.memory_hits + counts.disk_hits,
            counts.compiled
        ));
        if self.dry_run {
            print::narrate("nothing was run (--dry-run)");
            return Ok(());
        }
        let folder = self.output.clone().unwrap_or_else(|| Path::new("out").join(name));
        std::fs::create_dir_all(&folder).map_err(|error| {
            let hint = "give another folder with `--output FOLDER`, or make this one writable";
            Failure::failed(format_args!("cannot make `{}`: {error}\nhint: {hint}", folder.display()))
        })?;
        let threads = GuestThreads::start(None)?;
        let ran = run::run(&loaded, &threads, &folder).await;
        // What went wrong in a plugin is on record before this ends; not being able to record it does not undo what was written.
        if let Err(error) = runtime.audited().await {
            print::narrate(format_args!("warning: {error}"));
        }
        let times = Times { started, total: clock.elapsed() };
        let page = report::report(name, description, &loaded, &ran, &journal, &times);
        let mut output = Output::create(&folder, report::FILE)?;
        output.write(crate::report::render(&page).as_bytes())?;
        output.finish()?;
        self.tell(&page, &folder, &loaded, ran)
    }

    fn tell(&self, page: &crate::report::data::Report, folder: &Path, loaded: &[Loaded], ran: Ran) -> Result<(), Failure> {
        let report = folder.join(report::FILE);
        for output in &page.outputs {
            print::narrate(format_args!("wrote {} ({} rows, {} bytes)", folder.join(&output.file).display(), output.rows, output.bytes));
        }
        let seconds = page.total_ms / 1000.0;
        let measured = page.steps.iter().filter(|step| step.guest_ms > 0.0);
        match measured.max_by(|a, b| a.guest_ms.total_cmp(&b.guest_ms)) {
            Some(slowest) => {
                print::narrate(format_args!(
                    "total {seconds:.2} s; slowest step `{}`: {:.0} ms in its plugin",
                    slowest.name, slowest.guest_ms
                ));
            }
            None => print::narrate(format_args!("total {seconds:.2} s")),
        }
        for (step, _) in loaded.iter().zip(&ran.finished).filter(|(_, finished)| !**finished) {
            if let Some(file) = step.step.raw.file.as_deref().filter(|file| folder.join(file).exists()) {
                print::narrate(format_args!("not written: {} (an older file of that name is there)", folder.join(file).display()));
            }
        }
        if self.json {
            print::json(&json!({
                "pipeline": page.pipeline, "outcome": page.outcome, "report": report, "total_ms": page.total_ms, "steps": page.steps,
                "outputs": page.outputs, "tables": page.tables,
            }));
        } else {
            print::data(format_args!("report: {}", report.display()));
        }
        match (ran.failure, ran.interrupted) {
            (Some((index, failure)), _) => {
                let step = &loaded[index].step;
                // A denial carries its own hint, and what did not answer was reached; anything else may follow from something not being there.
                for missing in not_granted(&loaded[index]).filter(|_| failure.may_lack_a_grant()) {
                    print::narrate(format_args!("note: it asks for `{}`, which was not granted", missing.capability));
                    print::narrate(format_args!(
                        "hint: {}",
                        hint(&self.pipeline, std::slice::from_ref(step))(loaded[index].plugin.subject(), missing)
                    ));
                }
                Err(failure.while_doing(format_args!("{} of `{}` failed", plan::place(step.kind, &step.raw), page.pipeline)))
            }
            (None, true) => Err(Failure::interrupted("interrupted; finished outputs were kept, half-written ones removed")),
            (None, false) => Ok(()),
        }
    }
}

/// What a step's plugin asks for and was not given: the likeliest reason why something was not there for it.
fn not_granted(loaded: &Loaded) -> impl Iterator<Item = &Permission> {
    let asked = loaded.plugin.manifest().into_iter().flat_map(|manifest| manifest.permissions.values());
    asked.filter(|permission| loaded.plugin.grants().get(&permission.capability).is_none())
}

/// The line to add to the pipeline file.
fn hint(pipeline: &Path, steps: &[plan::Step]) -> host::Hint {
    let pipeline = pipeline.display().to_string();
    let kinds: Vec<(String, &'static str)> = steps.iter().map(|step| (step.raw.name.clone(), step.kind.word())).collect();
    Box::new(move |subject: &Subject, permission: &Permission| {
        let kind = kinds.iter().find(|(name, _)| *name == subject.instance).map_or("step", |(_, kind)| *kind);
        let bounds = permission.to_string();
        let bounds = bounds.strip_prefix(&permission.capability).unwrap_or_default().trim();
        let bounds = match (permission.capability.as_str(), bounds) {
            // Only the host can say which folder.
            ("filesystem", _) => "{ root = \"FOLDER\" }",
            (_, "") => "{}",
            (_, bounds) => bounds,
        };
        format!("in `{pipeline}`, under [[{kind}]] \"{}\": grants.{} = {bounds}", subject.instance, permission.capability)
    })
}
