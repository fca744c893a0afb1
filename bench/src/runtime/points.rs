//! A call through a point: in a warm instance, in a fresh one, and of a native plugin; against raw wasmtime, extism, a process that serves HTTP, and a
//! boxed closure.
//!
//! Not here: raw wasmtime (`raw.rs`) and the others (`rivals.rs`). May be misread: our side asks the runtime for the point anew at each call, as an
//! application does; what differs from `call-warm` of `core` is everything between the name of a point and an instance.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use plugwork::core::record::Settings;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Call, Grants, Installation, Refusal, Runtime, Source, State};

use super::LIMITS;
use super::rivals::{Rival, Rivals};
use crate::calls::bindings::exports::bench::calls::prices::{Order, Price};
use crate::calls::{ALLOCATION, Add, bindings};
use crate::guests;
use crate::measure::{Effort, Side, Summary, contest};
use crate::raw::{Interruption, Raw};
use crate::report::{Judge, Row};

plugwork::point!(Quote = "bench:calls/prices@0.1.0" in bindings::exports::bench::calls::prices);

impl Call for Quote {
    type Input = Order;
    type Output = Price;

    async fn call(guest: &Self::Guest, store: StoreContextMut<'_, State>, order: &Order) -> wasmtime::Result<Result<Price, Refusal>> {
        guest.call_quote(store, order).await.map(Ok)
    }
}

/// Calls in a batch of ours.
const TIMES: u32 = 2_000;

/// Through the point: what an application writes.
struct ThroughPoint(Runtime);

impl Side for ThroughPoint {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for input in 0..times {
            black_box(self.0.point::<Add>().first(black_box(input)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// The same with records: the order is made anew for each call, as its string is handed over.
struct Quoting(Runtime);

impl Side for Quoting {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for number in 0..times {
            let order = order(number);
            black_box(self.0.point::<Quote>().first(black_box(order)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// The order of the call with this number, as the rivals have it.
fn order(number: u32) -> Order {
    Order { sku: "SKU-00012345".to_owned(), quantity: 1 + number % 199, unit_cents: 1_999 }
}

/// To one plugin by itself, without dispatch.
struct ToInstallation(Installation);

impl Side for ToInstallation {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for input in 0..times {
            black_box(self.0.call::<Add>(black_box(&input)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// A runtime with one plugin, enabled; with a warm pool where it may reuse instances.
async fn with_plugin(reuse: bool) -> Result<(Runtime, Installation)> {
    let runtime = Runtime::in_memory().allocation(ALLOCATION).limits(LIMITS).open().await?;
    let guest = if reuse { guests::reusable()? } else { guests::calls()? };
    let offer = runtime.offer(&Source::bytes(guest)).await?;
    let grants = offer.manifest().map(Grants::all_asked).unwrap_or_default();
    let installation = runtime.install(offer, grants, Settings::default()).await?;
    installation.enable("bench").await?;
    ensure!(runtime.point::<Add>().first(41).await?.value == 42, "the guest cannot add");
    Ok((runtime, installation))
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let mut rows = fresh(quick).await?;
    rows.extend(warm(quick).await?);
    rows.push(native(quick).await?);
    Ok(rows)
}

fn batches(quick: bool) -> usize {
    if quick { 31 } else { 301 }
}

async fn warm(quick: bool) -> Result<Vec<Row>> {
    let (runtime, installation) = with_plugin(true).await?;
    let raw = Raw::start(&guests::calls()?, Interruption::Epochs)?;
    let threads = runtime.guest_threads().clone();
    let effort = Effort { batches: batches(quick), times: TIMES };
    let measured = runtime.clone();
    let rows = threads.spawn(async move {
        let rivals = Rivals::start()?;
        let mut quoting = Quoting(measured.clone());
        for (number, cents, rule) in [(0, 1_999, "list"), (150, 271_665, "volume")] {
            let price = measured.point::<Quote>().first(order(number)).await?.value;
            ensure!((price.total_cents, &*price.rule) == (cents, rule), "the guest quotes {price:?} for order {number}");
        }
        let mut ours = ThroughPoint(measured);
        let (point, of_raw) = contest(effort, &mut ours, &mut raw.warm().await?).await?;
        let (beside_extism, of_extism) = contest(effort, &mut ours, &mut Rival::new(&rivals, "extism-add", 8)).await?;
        let (beside_process, of_process) = contest(effort, &mut ours, &mut Rival::new(&rivals, "subprocess-add", 40)).await?;
        let (beside_native, of_native) = contest(effort, &mut ours, &mut Rival::new(&rivals, "native-add", 1)).await?;
        let (quote, quote_extism) = contest(effort, &mut quoting, &mut Rival::new(&rivals, "extism-price", 16)).await?;
        let (quote_again, quote_process) = contest(effort, &mut quoting, &mut Rival::new(&rivals, "subprocess-price", 40)).await?;
        let (direct, of_raw_again) = contest(effort, &mut ToInstallation(installation), &mut raw.warm().await?).await?;
        anyhow::Ok(vec![
            Row::value("point-warm", "ns", point).against("raw", of_raw, Judge::Value).target(400.0),
            Row::value("point-warm-extism", "ns", beside_extism).against("extism", of_extism, Judge::Faster).target(10.0),
            Row::value("point-warm-subprocess", "ns", beside_process).against("process", of_process, Judge::Faster).target(50.0),
            Row::value("point-warm-native", "ns", beside_native).against("native", of_native, Judge::More),
            Row::value("point-record-extism", "ns", quote).against("extism", quote_extism, Judge::Faster).target(10.0),
            Row::value("point-record-subprocess", "ns", quote_again).against("process", quote_process, Judge::Faster).target(50.0),
            Row::value("installation-warm", "ns", direct).against("raw", of_raw_again, Judge::More),
        ])
    });
    let rows = rows.await?;
    // One instance served everything, or the row says nothing about warm calls.
    let usage = runtime.usage();
    let usage = usage.first().context("the plugin has an account")?;
    ensure!(usage.instances == 1, "{} instances are live instead of one", usage.instances);
    Ok(rows)
}

async fn fresh(quick: bool) -> Result<Vec<Row>> {
    let (runtime, _) = with_plugin(false).await?;
    let raw = Arc::new(Raw::start(&guests::calls()?, Interruption::Epochs)?);
    let threads = runtime.guest_threads().clone();
    let effort = Effort { batches: batches(quick), times: 200 };
    let (measured, theirs) = (runtime.clone(), raw.clone());
    let single = threads.spawn(async move {
        let rivals = Rivals::start()?;
        let mut ours = ThroughPoint(measured);
        let (point, of_raw) = contest(effort, &mut ours, &mut theirs.fresh()).await?;
        let (beside_extism, of_extism) = contest(effort, &mut ours, &mut Rival::new(&rivals, "extism-fresh-pooling-add", 20)).await?;
        anyhow::Ok(vec![
            Row::value("point-fresh", "µs", point.times(1e-3)).against("raw", of_raw.times(1e-3), Judge::Ratio).target(1.3),
            Row::value("point-fresh-extism", "µs", beside_extism.times(1e-3)).against("extism", of_extism.times(1e-3), Judge::Faster),
        ])
    });
    let mut rows = single.await?;
    rows.push(on_all_threads(&runtime, &raw, quick).await?);
    Ok(rows)
}

/// Fresh instances on as many guest threads as there are processors, both sides by turns. Calls a second.
async fn on_all_threads(runtime: &Runtime, raw: &Arc<Raw>, quick: bool) -> Result<Row> {
    let (rounds, span) = if quick { (5, Duration::from_millis(100)) } else { (25, Duration::from_millis(400)) };
    let (mut ours, mut rival) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mine = at_once(runtime, span, || ThroughPoint(runtime.clone())).await?;
        let theirs = at_once(runtime, span, || raw.fresh()).await?;
        // The first of each makes the slots of the second thread, and does not count.
        if round > 0 {
            ours.push(mine);
            rival.push(theirs);
        }
    }
    let rival = Summary::of(rival);
    let row = Row::value("point-fresh-threads", "calls/s", Summary::of(ours)).against("raw", rival, Judge::Value);
    Ok(row.at_least(100_000.0))
}

/// Calls a second of as many sides at once as there are guest threads.
async fn at_once<S: Side + 'static>(runtime: &Runtime, span: Duration, side: impl Fn() -> S) -> Result<f64> {
    const PIECE: u32 = 100;
    let threads = std::thread::available_parallelism()?.get();
    let started = Instant::now();
    let jobs: Vec<_> = (0..threads)
        .map(|_| {
            let mut side = side();
            runtime.guest_threads().spawn(async move {
                let mut calls = 0_u32;
                while started.elapsed() < span {
                    side.batch(PIECE).await?;
                    calls += PIECE;
                }
                anyhow::Ok((calls, started.elapsed()))
            })
        })
        .collect();
    let mut each_second = 0.0;
    for job in jobs {
        let (calls, took) = job.await?;
        each_second += f64::from(calls) / took.as_secs_f64();
    }
    Ok(each_second)
}

async fn native(quick: bool) -> Result<Row> {
    let builder = Runtime::in_memory().allocation(ALLOCATION).limits(LIMITS);
    let runtime = builder.native::<Add>("bench:native", 0, |input: &u32| Ok(input.wrapping_add(1))).open().await?;
    ensure!(runtime.point::<Add>().first(41).await?.value == 42, "the native plugin cannot add");
    let effort = Effort { batches: batches(quick), times: TIMES };
    let measured = runtime.clone();
    let (point, boxed) = runtime
        .guest_threads()
        .spawn(async move {
            let rivals = Rivals::start()?;
            contest(effort, &mut ThroughPoint(measured), &mut Rival::new(&rivals, "native-add", 1)).await
        })
        .await?;
    Ok(Row::value("point-native", "ns", point).against("native", boxed, Judge::More))
}
