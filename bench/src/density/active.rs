//! 10,000 plugins in one process that are all called, against ten in another: memory, and how long a call takes.
//!
//! Two ways: an instance for each call, which is the default and where a slot that served another plugin last is dearer than one that served this one
//! (affinity); and warm instances, of which the process may have 1,000. May be misread: calls are made one after the other on one guest thread,
//! so that a time is a call's own.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::{Installation, Preload};
use serde::{Deserialize, Serialize};

use super::host::{self, Holds};
use super::plugins::{addend, key};
use super::prepare::{Ready, record, reuse};
use super::{CALLED_WITHIN_S, INSTANCES, PLUGINS, child};
use crate::calls::Add;
use crate::measure::Summary;
use crate::report::{Judge, Row};

/// Plugins of the case that everything is compared with.
const FEW: u32 = 10;
/// Calls in a round, whatever the number of plugins.
const CALLS: u32 = 10_000;
/// Has no factor in common with the numbers of plugins: neighbours in a round are no neighbours anywhere else.
const STEP: u64 = 7_919;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Active {
    /// The first call of each, which loads it.
    first_us: Summary,
    /// All first calls.
    all_first_s: f64,
    /// Of each round.
    p50_us: Vec<f64>,
    p99_us: Vec<f64>,
    /// The longest round: nobody was called longer ago than that.
    round_s: f64,
    holds: Holds,
}

/// The child.
pub(super) async fn run(state: &Path, records: &Path, plugins: u32, rounds: u32, began: Instant) -> Result<Active> {
    let host = host::start(state, records, INSTANCES, Preload::Critical, began).await?;
    ensure!(host.active == plugins as usize, "{} plugins are active instead of {plugins}", host.active);
    let installations: Vec<Installation> =
        (0..plugins).map(|number| host.runtime.installation(&key(number)?).context("it is on record")).collect::<Result<_>>()?;
    let runtime = host.runtime.clone();
    let measuring = async move {
        let began = Instant::now();
        let mut first_us = Vec::with_capacity(installations.len());
        for number in 0..plugins {
            first_us.push(call(&installations[number as usize], number).await?);
        }
        let all_first_s = began.elapsed().as_secs_f64();
        let (mut p50_us, mut p99_us, mut round_s) = (Vec::new(), Vec::new(), 0_f64);
        for _ in 0..rounds {
            let began = Instant::now();
            let mut took_us = Vec::with_capacity(CALLS as usize);
            for turn in 0..CALLS {
                let number = (u64::from(turn) * STEP % u64::from(plugins)) as u32;
                took_us.push(call(&installations[number as usize], number).await?);
            }
            round_s = round_s.max(began.elapsed().as_secs_f64());
            took_us.sort_by(f64::total_cmp);
            p50_us.push(took_us[took_us.len() / 2]);
            p99_us.push(took_us[took_us.len() * 99 / 100]);
        }
        let holds = host::holds(&runtime)?;
        anyhow::Ok(Active { first_us: Summary::of(first_us), all_first_s, p50_us, p99_us, round_s, holds })
    };
    let active = host.runtime.guest_threads().spawn(measuring).await?;
    ensure!(active.holds.loaded == u64::from(plugins), "{} plugins are loaded instead of {plugins}", active.holds.loaded);
    ensure!(active.holds.instances <= u64::from(INSTANCES), "{} instances are live", active.holds.instances);
    ensure!(active.round_s < CALLED_WITHIN_S, "calling all of them took {} s", active.round_s);
    host.runtime.close().await?;
    Ok(active)
}

/// One call. Microseconds.
async fn call(installation: &Installation, number: u32) -> Result<f64> {
    let started = Instant::now();
    let answer = installation.call::<Add>(&1).await?;
    let took_us = started.elapsed().as_nanos() as f64 * 1e-3;
    ensure!(answer == 1 + addend(number), "plugin {number} gave another plugin's answer");
    Ok(took_us)
}

/// Measures the rows of this part.
pub(super) async fn rows(folder: &Path, plugins: &[Ready], quick: bool) -> Result<Vec<Row>> {
    let state = folder.join("state");
    let rounds = if quick { 2 } else { 7 };
    let mut said = Vec::new();
    for (kind, grants) in [("fresh", plugwork::Grants::none()), ("warm", reuse())] {
        for count in [FEW, PLUGINS] {
            let records = folder.join(format!("records-{kind}-{count}"));
            if !records.exists() {
                record(&records, &plugins[..count as usize], count as usize, &grants).await?;
            }
            eprintln!("{count} plugins, {kind} instances");
            let answer: Active = child("active", &state, &records, count, rounds)?;
            eprintln!("  {answer:?}");
            said.push(answer);
        }
    }
    let [few, many, few_warm, many_warm] = &said[..] else { anyhow::bail!("four children answer") };
    let one = |value: f64| Summary::of(vec![value]);
    let all = |values: &[f64]| Summary::of(values.to_vec());
    Ok(vec![
        Row::value("density-10000-memory", "MiB", one(many_warm.holds.resident_mib))
            .against("10 plugins", one(few_warm.holds.resident_mib), Judge::Value)
            .target(2.3 * 1024.0),
        Row::value("density-10000-memory-fresh", "MiB", one(many.holds.resident_mib))
            .against("10 plugins", one(few.holds.resident_mib), Judge::Value)
            .target(2.3 * 1024.0),
        Row::value("density-10000-sealed", "MiB", one(many_warm.holds.sealed_mib)),
        Row::value("density-10000-first", "µs", many.first_us),
        Row::value("density-10000-all", "s", one(many.all_first_s)).target(CALLED_WITHIN_S),
        Row::value("density-10000-p99", "µs", all(&many.p99_us)).against("10 plugins", all(&few.p99_us), Judge::Ratio).target(3.0),
        Row::value("density-10000-median", "µs", all(&many.p50_us)).against("10 plugins", all(&few.p50_us), Judge::Ratio),
        Row::value("density-10000-warm-p99", "µs", all(&many_warm.p99_us)).against("10 plugins", all(&few_warm.p99_us), Judge::Ratio),
        Row::value("density-10000-warm-median", "µs", all(&many_warm.p50_us)).against("10 plugins", all(&few_warm.p50_us), Judge::Ratio),
    ])
}
