//! Real work through the boundary: statistics by group of 200,000 flights, in each language, against the same algorithm natively.
//!
//! Lives here: the sides and the rows. Not here: the data (`table.rs`). May be misread: an analysis is everything from the instance to
//! the last table that comes out. The JavaScript and Python plugins compute no quantiles, so they do less than the Rust one; they
//! stand beside it, not against it.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use group_stats::{Plan, Statistics};
use plugwork::{GuestThreads, Limits, Plugin, Runtime, Source};
use plugwork_points::{Analyzer, Batch};

use crate::languages::{Language, RUST};
use crate::measure::{Effort, Side, Summary, contest};
use crate::report::{Judge, Row};
use crate::table::Order;
use crate::{guests, table};

const OPTIONS: &str = r#"{"by":["period"]}"#;
/// How many tables of 200,000 rows make the large one.
const REPEATS_LARGE: usize = 10;
const MEBIBYTE: f64 = (1 << 20) as f64;

#[derive(Clone)]
struct Guest {
    plugin: Plugin,
    batches: Arc<Vec<Batch>>,
}

/// What one analysis gave and held.
struct Done {
    rows: usize,
    memory_peak_bytes: u64,
}

impl Guest {
    async fn analyse(&self) -> Result<Done> {
        let mut analysis = Analyzer::start(&self.plugin, OPTIONS).await?;
        for batch in self.batches.iter() {
            analysis.push(batch).await?;
        }
        let mut rows = 0;
        while let Some(finding) = analysis.next().await? {
            rows += finding.batch.rows() as usize;
        }
        Ok(Done { rows, memory_peak_bytes: analysis.spend().memory_peak_bytes })
    }
}

impl Side for Guest {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            black_box(self.analyse().await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

struct Native(Arc<Vec<Batch>>);

impl Native {
    fn analyse(&self) -> Result<usize> {
        let plan = Plan { by: vec!["period".to_owned()], ..Plan::default() };
        let wrong = |issue| anyhow::anyhow!("the native analysis refused: {issue:?}");
        let mut statistics = Statistics::new(plan).map_err(wrong)?;
        for batch in self.0.iter() {
            statistics.push(batch.rows() as usize, &table::native(batch)).map_err(wrong)?;
        }
        Ok(statistics.tables().map_err(wrong)?.iter().map(|table| table.rows).sum())
    }
}

impl Side for Native {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            black_box(self.analyse()?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// Measures the rows of the plugin in Rust: against native code, and the boundary against it.
pub(crate) async fn rust_rows(plugins: &Path, state: &Path, data: &Path, quick: bool) -> Result<Vec<Row>> {
    let runtime = open(state).await?;
    let batches = Arc::new(table::flights(data, 1, Order::Filed, 1)?);
    let mut rust = Guest { plugin: load(&runtime, &RUST, plugins).await?, batches: batches.clone() };
    let empty = runtime.offer(&Source::bytes(guests::empty()?)).await?.accept().await?;
    let mut empty = Guest { plugin: empty, batches: batches.clone() };
    let mut native = Native(batches);
    let effort = Effort { batches: if quick { 7 } else { 31 }, times: 3 };
    let threads = GuestThreads::start(Some(1))?;
    let work = async move {
        let (through, natively) = (rust.analyse().await?.rows, native.analyse()?);
        ensure!(through == natively && through > 0, "the plugin found {through} rows and the native analysis {natively}");
        let (rust_time, native_time) = contest(effort, &mut rust, &mut native).await?;
        let (empty_time, beside) = contest(effort, &mut empty, &mut rust).await?;
        let mut start_times = Vec::new();
        for _ in 0..effort.batches {
            start_times.push(start(&rust.plugin, 300).await?);
        }
        anyhow::Ok(vec![
            Row::value(RUST.group_stats, "ms", rust_time.times(1e-6)).against("native", native_time.times(1e-6), Judge::Ratio).target(1.8),
            Row::value("group-stats-boundary", "ms", empty_time.times(1e-6)).against("Rust", beside.times(1e-6), Judge::Ratio).target(0.1),
            Row::value("session-start", "µs", Summary::of(start_times).times(1e-3)),
        ])
    };
    threads.spawn(work).await
}

/// Measures the row of another language, beside the plugin in Rust.
pub(crate) async fn beside_rust(language: &Language, plugins: &Path, state: &Path, data: &Path, quick: bool) -> Result<Vec<Row>> {
    let runtime = open(state).await?;
    let batches = Arc::new(table::flights(data, 1, Order::Filed, 1)?);
    let mut rust = Guest { plugin: load(&runtime, &RUST, plugins).await?, batches: batches.clone() };
    let mut other = Guest { plugin: load(&runtime, language, plugins).await?, batches };
    let effort = Effort { batches: if quick { 3 } else { 11 }, times: 1 };
    let threads = GuestThreads::start(Some(1))?;
    let work = async move { contest(effort, &mut other, &mut rust).await };
    let (other_time, rust_time) = threads.spawn(work).await?;
    Ok(vec![Row::value(language.group_stats, "ms", other_time.times(1e-6)).against("Rust", rust_time.times(1e-6), Judge::Ratio)])
}

/// Measures the most memory that an instance held, for 200,000 rows and for ten times as many.
///
/// Groups are quarters of the day here, because three hours of the night have fewer than 256 flights: the Rust plugin keeps so few values
/// as they are and begins a histogram, which is larger and stays as it is, only with more. Memory is bounded by groups, not by rows. The rows
/// are mixed, so that all groups are there from the first batch on.
pub(crate) async fn peak_memory(language: &Language, plugins: &Path, state: &Path, data: &Path) -> Result<Vec<Row>> {
    let runtime = open(state).await?;
    let plugin = load(&runtime, language, plugins).await?;
    let guest = |repeats| anyhow::Ok(Guest { plugin: plugin.clone(), batches: Arc::new(table::flights(data, 6, Order::Mixed, repeats)?) });
    let (small, large) = (guest(1)?, guest(REPEATS_LARGE)?);
    let threads = GuestThreads::start(Some(1))?;
    let work = async move { anyhow::Ok((small.analyse().await?, large.analyse().await?)) };
    let (small, large) = threads.spawn(work).await?;
    let peak = |done: &Done| Summary::of(vec![done.memory_peak_bytes as f64 / MEBIBYTE]);
    Ok(vec![Row::value(language.peak_memory, "MiB", peak(&large)).against("200k rows", peak(&small), Judge::Ratio).target(1.0)])
}

/// An instance that is ready to take rows, and its end. Nanoseconds for one.
async fn start(plugin: &Plugin, times: u32) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..times {
        black_box(Analyzer::start(plugin, OPTIONS).await?);
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
}

async fn open(state: &Path) -> Result<Runtime> {
    Ok(Runtime::builder(state).limits(Limits::batch()).open().await?)
}

async fn load(runtime: &Runtime, language: &Language, plugins: &Path) -> Result<Plugin> {
    Ok(runtime.offer(&Source::file(language.component(plugins))?).await?.accept().await?)
}
