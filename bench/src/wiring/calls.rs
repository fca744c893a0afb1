//! Calls from plugin to plugin: brokered beside the same wiring by hand, fused, and brokered with a guard whose answer is kept.
//!
//! May be misread: one call from outside makes all calls of a batch, so that what is left is what a call from plugin to plugin costs, the loop around it included.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use plugwork::core::guard::{Decision, Question};
use plugwork::{Builder, Limits, Plugin, Runtime, Session, Source};

use super::by_hand::ByHand;
use super::{Asking, guests};
use crate::calls::ALLOCATION;
use crate::measure::{Effort, Side, Summary, contest};
use crate::raw::Ticking;
use crate::report::{Judge, Row};

/// Which function is called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asks {
    Adds,
    Lengths,
}

/// A plugin that calls another one.
struct Wired {
    session: Session<Asking>,
    asks: Asks,
}

impl Side for Wired {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        let answer = match self.asks {
            Asks::Adds => self.session.call(move |guest, store| Box::pin(guest.call_adds(store, black_box(times)))).await?,
            Asks::Lengths => self.session.call(move |guest, store| Box::pin(guest.call_lengths(store, black_box(times)))).await?,
        };
        let took = started.elapsed().as_nanos() as f64 / f64::from(times);
        let expected = match self.asks {
            Asks::Adds => times,
            Asks::Lengths => times.wrapping_mul(65_536),
        };
        ensure!(black_box(answer) == expected, "the plugins answer {answer} instead of {expected}");
        Ok(took)
    }
}

/// A runtime whose plugins may compute and call as much as they like.
pub(super) fn builder() -> Builder {
    let limits = Limits { cpu_percent: None, host_calls_per_second: None, ..Limits::interactive() };
    Runtime::in_memory().allocation(ALLOCATION).limits(limits)
}

async fn wired(runtime: &Runtime, is_fused: bool) -> Result<Plugin> {
    let provider = runtime.offer(&Source::bytes(guests::provider()?)).await?.accept().await?;
    let offer = runtime.offer(&Source::bytes(guests::caller()?)).await?;
    let offer = if is_fused { offer.fuse(&provider).await? } else { offer.wire(&provider) };
    Ok(offer.accept().await?)
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let runtime = builder().open().await?;
    let guarded = builder().guard("bench:wiring/work", |_: &Question| Decision::allow().kept(60_000)).open().await?;
    let (brokered, fused, asked) = (wired(&runtime, false).await?, wired(&runtime, true).await?, wired(&guarded, false).await?);
    let ticking = Arc::new(Ticking::start()?);
    let batches = if quick { 31 } else { 301 };
    // On one guest thread, both sides.
    let threads = plugwork::GuestThreads::start(Some(1))?;
    threads.spawn(async move { on_guest_thread(&brokered, &fused, &asked, &ticking, batches).await }).await
}

async fn on_guest_thread(brokered: &Plugin, fused: &Plugin, asked: &Plugin, ticking: &Arc<Ticking>, batches: usize) -> Result<Vec<Row>> {
    let side = async |plugin: &Plugin, asks| anyhow::Ok(Wired { session: plugin.session().await?, asks });
    let mut by_hand = ByHand::start(ticking, Asks::Adds).await?;
    let effort = Effort { batches, times: 500 };
    let (call, call_by_hand) = contest(effort, &mut side(brokered, Asks::Adds).await?, &mut by_hand).await?;
    let (guarded, _) = contest(effort, &mut side(asked, Asks::Adds).await?, &mut by_hand).await?;
    let mut bytes_by_hand = ByHand::start(ticking, Asks::Lengths).await?;
    let effort = Effort { batches, times: 20 };
    let (bytes, bytes_by_hand) = contest(effort, &mut side(brokered, Asks::Lengths).await?, &mut bytes_by_hand).await?;
    let mut inside = side(fused, Asks::Adds).await?;
    let effort = Effort { batches, times: 20_000 };
    let inside = alone(effort, &mut inside).await?;
    Ok(vec![
        Row::value("wired-call", "ns", call).target(1_000.0),
        Row::value("wired-call-by-hand", "ns", call).against("by hand", call_by_hand, Judge::Ratio).target(2.5),
        Row::value("wired-call-guarded", "ns", guarded),
        Row::value("wired-64-kib", "µs", bytes.times(1e-3)).target(15.0),
        Row::value("wired-64-kib-by-hand", "µs", bytes.times(1e-3)).against("by hand", bytes_by_hand.times(1e-3), Judge::Ratio),
        Row::value("fused-call", "ns", inside).target(10.0),
    ])
}

/// Times one side; a batch that does not count comes first. Nanoseconds.
async fn alone(effort: Effort, side: &mut impl Side) -> Result<Summary> {
    side.batch(effort.times).await?;
    let mut times = Vec::with_capacity(effort.batches);
    for _ in 0..effort.batches {
        times.push(side.batch(effort.times).await?);
    }
    Ok(Summary::of(times))
}
