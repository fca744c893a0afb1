//! `plugwork-bench`: what plugwork costs, measured against the same thing without it. `docs/benchmarks.md` explains every row.
//!
//! Lives here: the command line, and the order of the parts. May be misread: this never fails because a number is bad (machines
//! differ); it fails when a row is missing, because then something could not be measured at all.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod analysis;
mod benchmark;
mod calls;
mod containment;
mod density;
mod edge;
mod guests;
mod languages;
mod machine;
mod measure;
mod raw;
mod report;
mod resolve;
mod runtime;
mod start;
mod table;
mod wiring;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use crate::benchmark::{Benchmark, Part};
use crate::languages::{JAVASCRIPT, PYTHON, RUST};
use crate::machine::Machine;
use crate::report::{Report, Row};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Measure what plugwork costs.
#[derive(Parser)]
#[command(name = "plugwork-bench", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Calling, starting, real work: a table on stdout. Exits with 1 if a row is missing.
    Core(Run),
    /// Linking with grants, limits, capabilities: a table on stdout. Exits with 1 if a row is missing.
    Containment(Run),
    /// Calls through points, starts and reloads, beside rivals: a table on stdout. Exits with 1 if a row is missing.
    Runtime(Run),
    /// Thousands of plugins in one process: a table on stdout. Exits with 1 if a row is missing.
    Density(Run),
    /// Requests a second, deploying, memory of `plugwork serve`, beside rivals: a table on stdout. Exits with 1 if a row is missing.
    Edge(Run),
    /// An index of 100,000 plugins, answers and refusals of the resolver: a table on stdout. Exits with 1 if a row is missing.
    Resolve(Run),
    /// Calls from plugin to plugin, starts of plugins that build on each other, events: a table on stdout. Exits with 1 if a row is missing.
    Wiring(Run),
    /// One call in a new process: what `core` starts and times.
    #[command(hide = true)]
    FirstCall { component: PathBuf, state: PathBuf, instances: start::Instances },
    /// A host in a process of its own: what `runtime` and `density` start and ask.
    #[command(hide = true)]
    Host(density::Hosting),
}

#[derive(clap::Args)]
struct Run {
    /// Also write the rows, the machine and the versions to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Few batches: every row, in a fraction of the time, with rough numbers.
    #[arg(long)]
    quick: bool,
    /// Only these parts of this benchmark; may be given several times. Default: all.
    #[arg(long, value_name = "PART")]
    part: Vec<Part>,
    /// Where `build-plugin` put the example plugins. Default: `target/plugins` of this repository.
    #[arg(long, value_name = "FOLDER")]
    plugins: Option<PathBuf>,
    /// `density`: where what is prepared (about 1.5 GB) is kept, and found again by the next run. Default: it is prepared anew.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let began = Instant::now();
    let outcome = match Arguments::parse().verb {
        Verb::Core(run) => run.run(Benchmark::Core),
        Verb::Containment(run) => run.run(Benchmark::Containment),
        Verb::Runtime(run) => run.run(Benchmark::Runtime),
        Verb::Density(run) => run.run(Benchmark::Density),
        Verb::Edge(run) => run.run(Benchmark::Edge),
        Verb::Resolve(run) => run.run(Benchmark::Resolve),
        Verb::Wiring(run) => run.run(Benchmark::Wiring),
        Verb::FirstCall { component, state, instances } => start::first_call(&component, &state, instances, began).map(|line| {
            println!("{line}");
            ExitCode::SUCCESS
        }),
        Verb::Host(hosting) => host(hosting, began),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn host(hosting: density::Hosting, began: Instant) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{}", runtime.block_on(hosting.run(began))?);
    Ok(ExitCode::SUCCESS)
}

impl Run {
    fn run(self, benchmark: Benchmark) -> Result<ExitCode> {
        for part in &self.part {
            let name = part.to_possible_value().context("every part has a name")?;
            ensure!(benchmark.has(*part), "`{}` has no part `{}`; see `--help`", benchmark.name(), name.get_name());
        }
        if cfg!(debug_assertions) {
            eprintln!("warning: this is a debug build; its numbers say nothing: use `cargo run --release -p plugwork-bench`");
        }
        let parts = if self.part.is_empty() { benchmark.parts() } else { self.part.clone() };
        let mut report = Report { benchmark, machine: Machine::here(), quick: self.quick, rows: Vec::new() };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match benchmark {
                Benchmark::Core => self.core(&parts, &mut report.rows).await,
                Benchmark::Containment => containment::measure(&self.plugins(), self.quick, &parts, &mut report.rows).await,
                Benchmark::Runtime => runtime::measure(self.quick, &parts, &mut report.rows).await,
                Benchmark::Density => density::measure(self.keep.as_deref(), self.quick, &parts, &mut report.rows).await,
                Benchmark::Edge => edge::measure(&self.plugins(), self.quick, &parts, &mut report.rows),
                Benchmark::Resolve => resolve::measure(self.quick, &parts, &mut report.rows),
                Benchmark::Wiring => wiring::measure(self.quick, &parts, &mut report.rows).await,
            }
        })?;
        report.sort();
        println!("{report}");
        if let Some(path) = &self.json {
            std::fs::write(path, report.json()?).with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        let missed = report.missed();
        if !missed.is_empty() {
            eprintln!("targets missed: {}", missed.join(", "));
        }
        let missing = report.missing(&parts);
        if missing.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("rows missing: {}", missing.join(", "));
        Ok(ExitCode::FAILURE)
    }

    fn plugins(&self) -> PathBuf {
        self.plugins.clone().unwrap_or_else(|| Path::new(ROOT).join("target/plugins"))
    }

    /// Part by part. What fails says why and leaves its rows out; the rest still runs.
    async fn core(&self, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
        let quick = self.quick;
        let plugins = self.plugins();
        let plugins = plugins.as_path();
        let data = Path::new(ROOT).join("examples/data/node_modules/vega-datasets/data/flights-200k.json");
        let folder = tempfile::tempdir()?;
        let state = folder.path();
        let languages = [&RUST, &JAVASCRIPT, &PYTHON];

        let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
            Ok(found) => rows.extend(found),
            Err(error) => eprintln!("{what}: {error:#}"),
        };
        if parts.contains(&Part::Calls) {
            eprintln!("calls against raw wasmtime");
            keep("calls", calls::rows(quick).await);
        }
        if parts.contains(&Part::Start) {
            for language in languages {
                eprintln!("{}: compiling once, then starting", language.first_call[0]);
                keep(language.first_call[0], start::rows(language, plugins, state, quick).await);
            }
        }
        if parts.contains(&Part::Analysis) {
            eprintln!("{} and its boundary", RUST.group_stats);
            keep(RUST.group_stats, analysis::rust_rows(plugins, state, &data, quick).await);
            for language in [&JAVASCRIPT, &PYTHON] {
                eprintln!("{}", language.group_stats);
                keep(language.group_stats, analysis::beside_rust(language, plugins, state, &data, quick).await);
            }
        }
        if parts.contains(&Part::Memory) {
            for language in languages {
                eprintln!("{}", language.peak_memory);
                keep(language.peak_memory, analysis::peak_memory(language, plugins, state, &data).await);
            }
        }
        Ok(())
    }
}
