//! 5,000 calls a second through a point while its plugin is replaced every 200 ms: calls that are lost, and how much later the others are answered.
//!
//! Calls come from the threads that do I/O, five each millisecond, whether or not earlier ones were answered, and hop to a guest thread as in a server. Not
//! here: what a replacement does. May be misread: each version is a new component, so compiling it is part of the load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use plugwork::core::record::Settings;
use plugwork::core::rollback::Watch;
use plugwork::{Grants, Installation, Replacement, Runtime, Source};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::LIMITS;
use crate::calls::{ALLOCATION, Add};
use crate::density::plugins::{Template, addend};
use crate::measure::Summary;
use crate::report::{Judge, Row};

const CALLS_EACH_MS: u32 = 5;
const REPLACE_EVERY: Duration = Duration::from_millis(200);
const NAME: &str = "bench:reload";

/// What a stretch of load came to.
struct Load {
    /// When it was answered, after it should have been made. Microseconds, in order.
    took_us: Vec<f64>,
    lost: u32,
}

impl Load {
    fn p99_us(&self) -> f64 {
        self.took_us[self.took_us.len() * 99 / 100]
    }
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    // A busy machine must not look like a slow version.
    let watch = Watch { latency_floor_us: 60_000_000, ..Watch::default() };
    let runtime = Runtime::in_memory().allocation(ALLOCATION).limits(LIMITS).rollback(watch).open().await?;
    let template = Arc::new(Template::new()?);
    let offer = runtime.offer(&version(&template, 0)?).await?;
    let installation = runtime.install(offer, Grants::none(), Settings::default()).await?;
    installation.enable("bench").await?;

    let (rounds, span) = if quick { (2, Duration::from_secs(1)) } else { (9, Duration::from_secs(3)) };
    let newest = Arc::new(AtomicU32::new(0));
    let (mut quiet_us, mut reload_us, mut lost, mut prepared_ms) = (Vec::new(), Vec::new(), 0, Vec::new());
    for round in 0..=rounds {
        let quiet = load(&runtime, span, &newest).await?;
        let replacing = tokio::spawn(replace(runtime.clone(), installation.clone(), template.clone(), newest.clone(), span));
        let reload = load(&runtime, span, &newest).await?;
        let prepared = replacing.await??;
        lost += quiet.lost + reload.lost;
        // The first round does not count, but for what it lost.
        if round > 0 {
            quiet_us.push(quiet.p99_us());
            reload_us.push(reload.p99_us());
            prepared_ms.extend(prepared);
        }
    }
    ensure!(prepared_ms.len() >= rounds * 3, "only {} replacements in {rounds} stretches of {span:?}", prepared_ms.len());
    let against = Summary::of(quiet_us);
    Ok(vec![
        Row::value("reload-lost", "calls", Summary::of(vec![f64::from(lost)])).target(0.0),
        Row::value("reload-p99", "µs", Summary::of(reload_us)).against("no reload", against, Judge::Ratio).target(2.0),
        Row::value("reload-prepared", "ms", Summary::of(prepared_ms)),
    ])
}

fn version(template: &Template, number: u32) -> Result<Source> {
    Ok(Source::bytes(template.plugin(number, NAME, &format!("1.0.{number}"))?))
}

/// Replaces it again and again. Milliseconds that each new version took to be ready.
async fn replace(
    runtime: Runtime,
    installation: Installation,
    template: Arc<Template>,
    newest: Arc<AtomicU32>,
    span: Duration,
) -> Result<Vec<f64>> {
    let began = Instant::now();
    let mut interval = tokio::time::interval(REPLACE_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut prepared_ms = Vec::new();
    while began.elapsed() + REPLACE_EVERY < span {
        interval.tick().await;
        let next = newest.load(Ordering::SeqCst) + 1;
        let offer = runtime.offer(&version(&template, next)?).await?;
        // Before it takes calls: an answer of it is right from then on.
        newest.store(next, Ordering::SeqCst);
        match installation.replace(offer, "bench").await? {
            Replacement::Done(replaced) => prepared_ms.push(replaced.prepared_in.as_secs_f64() * 1e3),
            Replacement::Offered(_) => bail!("a version that asks for no more was not let in"),
        }
    }
    Ok(prepared_ms)
}

/// Makes the calls of one stretch, and waits for their answers.
async fn load(runtime: &Runtime, span: Duration, newest: &Arc<AtomicU32>) -> Result<Load> {
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut calls = JoinSet::new();
    for _ in 0..span.as_millis() {
        let due = interval.tick().await;
        for _ in 0..CALLS_EACH_MS {
            let (runtime, newest) = (runtime.clone(), newest.clone());
            calls.spawn(async move {
                // The previous version may still be asked: one call sees one version, and not an older one than that.
                let oldest = newest.load(Ordering::SeqCst).saturating_sub(1);
                let answer = runtime.point::<Add>().first(0).await;
                let took = due.elapsed();
                let answer = answer.map(|answer| (oldest..=newest.load(Ordering::SeqCst)).any(|version| addend(version) == answer.value));
                (took, answer)
            });
        }
    }
    let mut load = Load { took_us: Vec::new(), lost: 0 };
    while let Some(call) = calls.join_next().await {
        match call? {
            (took, Ok(true)) => load.took_us.push(took.as_nanos() as f64 * 1e-3),
            (_, Ok(false)) => bail!("a call was answered by a version that was gone before it was made"),
            (_, Err(error)) => {
                eprintln!("  lost: {error}");
                load.lost += 1;
            }
        }
    }
    load.took_us.sort_by(f64::total_cmp);
    load.took_us.first().context("no call was answered")?;
    Ok(load)
}
