//! The meter itself, and how fast a plugin is stopped when its consent is taken back.
//!
//! Not here: what a deadline stops, which `cargo xtask attacks --measure` prints. May be misread: a revocation is on record before anything is stopped, here
//! in memory; on disk the record costs an fsync more, and another process hears of it within a second.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plugwork::core::record::{Key, Memory};
use plugwork::{Fault, GuestThreads, Limits, Runtime, Source};
use rustix::time::{ClockId, clock_gettime};

use super::loops::Mix;
use crate::calls::ALLOCATION;
use crate::guests;
use crate::measure::{Effort, Side, Summary, contest};
use crate::report::{Judge, Row};

/// A reading of one clock.
struct Reading(fn());

impl Side for Reading {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            (self.0)();
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let mut thread = Reading(|| _ = black_box(clock_gettime(ClockId::ThreadCPUTime)));
    let mut wall = Reading(|| _ = black_box(Instant::now()));
    let effort = Effort { batches: if quick { 31 } else { 301 }, times: 1_000 };
    let (thread, wall) = contest(effort, &mut thread, &mut wall).await?;
    let revocation = revocations(if quick { 5 } else { 51 }).await?;
    Ok(vec![
        Row::value("cpu-meter", "ns", thread).against("wall clock", wall, Judge::Value),
        Row::value("revocation", "ms", revocation).target(50.0),
    ])
}

/// From taking back consent until the call of a guest that computes has ended. Milliseconds.
async fn revocations(times: usize) -> Result<Summary> {
    // No secret: this chain ends with the process.
    let records = Arc::new(Memory::new(Key::from_bytes(&[7; 32])));
    let runtime = Runtime::in_memory().allocation(ALLOCATION).limits(Limits::batch()).records(records).open().await?;
    let source = Source::bytes(guests::calls()?);
    let threads = GuestThreads::start(Some(1))?;
    let mut took_ms = Vec::with_capacity(times);
    for _ in 0..times {
        // Each time with consent of its own: what was taken back stays taken back.
        let plugin = runtime.offer(&source).await?.accept().await?;
        let subject = plugin.subject().clone();
        let call = threads.spawn(async move {
            let outcome = plugin.call::<Mix>(&u32::MAX).await;
            (Instant::now(), outcome)
        });
        while !runtime.usage().iter().any(|usage| !usage.revoked && usage.cpu_ms > 0) {
            ensure!(!call.is_finished(), "the guest ended by itself");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let asked = Instant::now();
        runtime.revoke(&subject, "benchmark", "to see how fast it stops").await?;
        let (ended, outcome) = call.await;
        ensure!(outcome.as_ref().is_err_and(|error| error.fault() == Some(&Fault::Revoked)), "the call ended with {outcome:?}");
        took_ms.push(ended.duration_since(asked).as_secs_f64() * 1e3);
    }
    Ok(Summary::of(took_ms))
}
