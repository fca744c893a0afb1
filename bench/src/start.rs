//! Starting with a cached plugin: a whole new process up to its first answer, and a second load within one process.
//!
//! Lives here: the child (`plugwork-bench first-call`), which does what a command does that makes one call, and the parent that starts
//! it and holds the watch. May be misread: the judged time is the parent's, from before the spawn until after the exit, so it includes
//! what the child cannot see: exec, dynamic linking, teardown. The row `…-inside` is the child's own watch, from `main` to the answer.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use plugwork::{Allocation, Limits, Runtime, Source};
use plugwork_points::descriptor;
use serde::{Deserialize, Serialize};

use crate::languages::Language;
use crate::measure::Summary;
use crate::report::{Judge, Row};

/// Where the child's instances come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instances {
    /// As the command `plugwork` does.
    OnDemand,
    /// As the library does unless told otherwise.
    Pooling,
}

/// What the child says of itself. Milliseconds since its `main` began, at the end of each step.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Steps {
    opened_ms: f64,
    read_ms: f64,
    offered_ms: f64,
    accepted_ms: f64,
    answered_ms: f64,
    compiled: u64,
}

/// The child: one plugin, one call, its own times on stdout.
pub(crate) fn first_call(component: &Path, state: &Path, instances: Instances, began: Instant) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let steps = runtime.block_on(async {
        let now_ms = || began.elapsed().as_secs_f64() * 1e3;
        let builder = Runtime::builder(state).limits(Limits::batch());
        let runtime = match instances {
            Instances::OnDemand => builder.allocation(Allocation::OnDemand).open().await?,
            Instances::Pooling => builder.open().await?,
        };
        let opened_ms = now_ms();
        let source = Source::file(component)?;
        let read_ms = now_ms();
        let offer = runtime.offer(&source).await?;
        let offered_ms = now_ms();
        let plugin = offer.accept().await?;
        let accepted_ms = now_ms();
        ensure!(!descriptor(&plugin).await?.points.is_empty(), "`{}` describes no point", component.display());
        let steps = Steps { opened_ms, read_ms, offered_ms, accepted_ms, answered_ms: now_ms(), compiled: runtime.cache_counts().compiled };
        Ok(steps)
    })?;
    Ok(serde_json::to_string(&steps)?)
}

/// Measures the rows of one language. The cache in `state` is filled on the way.
pub(crate) async fn rows(language: &Language, plugins: &Path, state: &Path, quick: bool) -> Result<Vec<Row>> {
    let component = language.component(plugins);
    let (first, pooling) = processes(&component, state, if quick { 5 } else { 25 })?;
    let [name, name_inside, name_pooling] = language.first_call;
    let (inside, inside_pooling): (Vec<_>, Vec<_>) = (first.iter().map(|run| run.1).collect(), pooling.iter().map(|run| run.1).collect());
    let whole = |runs: &[(f64, f64)]| Summary::of(runs.iter().map(|run| run.0).collect());
    Ok(vec![
        Row::value(name, "ms", whole(&first)).target(language.first_call_ms_max),
        Row::value(name_inside, "ms", Summary::of(inside)),
        Row::value(name_pooling, "ms", whole(&pooling)).against("inside", Summary::of(inside_pooling), Judge::Value),
        second_load(language, &component, state, if quick { 50 } else { 500 }).await?,
    ])
}

/// Runs of both kinds by turns: milliseconds of the parent and of the child.
#[expect(clippy::type_complexity, reason = "two lists of pairs, taken apart at once")]
fn processes(component: &Path, state: &Path, times: usize) -> Result<(Vec<(f64, f64)>, Vec<(f64, f64)>)> {
    let kinds = [Instances::OnDemand, Instances::Pooling];
    // The first of each kind compiles where the cache has nothing, and does not count.
    for kind in kinds {
        process(component, state, kind)?;
    }
    let mut runs = [Vec::new(), Vec::new()];
    for round in 0..times {
        for turn in 0..kinds.len() {
            let kind = (round + turn) % kinds.len();
            let (whole_ms, steps) = process(component, state, kinds[kind])?;
            ensure!(steps.compiled == 0, "`{}` was compiled again: the cache does not hold it", component.display());
            runs[kind].push((whole_ms, steps.answered_ms));
        }
    }
    let [first, pooling] = runs;
    Ok((first, pooling))
}

fn process(component: &Path, state: &Path, kind: Instances) -> Result<(f64, Steps)> {
    let kind = kind.to_possible_value().context("every kind has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("first-call").arg(component).arg(state).arg(kind.get_name());
    let started = Instant::now();
    let output = command.output()?;
    let whole_ms = started.elapsed().as_secs_f64() * 1e3;
    ensure!(output.status.success(), "`first-call {}` failed: {}", component.display(), String::from_utf8_lossy(&output.stderr));
    Ok((whole_ms, serde_json::from_slice(&output.stdout)?))
}

async fn second_load(language: &Language, component: &Path, state: &Path, times: usize) -> Result<Row> {
    let runtime = Runtime::builder(state).allocation(Allocation::OnDemand).open().await?;
    let source = Source::file(component)?;
    runtime.offer(&source).await?.accept().await?;
    let mut took_us = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        let plugin = runtime.offer(&source).await?.accept().await?;
        took_us.push(started.elapsed().as_secs_f64() * 1e6);
        drop(plugin);
    }
    Ok(Row::value(language.second_load, "µs", Summary::of(took_us)).target(100.0))
}
