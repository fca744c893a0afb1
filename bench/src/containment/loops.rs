//! What limits cost a guest that computes: a loop of about five milliseconds, in plugwork and in raw wasmtime with and without a way to stop it.
//!
//! Not here: the loop (`guests.rs`, `mix`), whose rounds are short, so that a look at each turn shows as much as it can. May be misread: `loop-epochs` and `loop-fuel` do not contain plugwork; they
//! are the price of the two ways that wasmtime has, and the reason why only one of them is on.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Call, GuestThreads, Limits, Plugin, Refusal, Runtime, Session, Source, State};

use crate::calls::{ALLOCATION, bindings};
use crate::guests;
use crate::measure::{Effort, Side, Summary, contest};
use crate::raw::{Interruption, Raw};
use crate::report::{Judge, Row};

plugwork::point!(pub(super) Mix = "bench:calls/work@0.1.0" in bindings::exports::bench::calls::work);

impl Call for Mix {
    type Input = u32;
    type Output = u32;

    async fn call(guest: &Self::Guest, store: StoreContextMut<'_, State>, input: &u32) -> wasmtime::Result<Result<u32, Refusal>> {
        guest.call_mix(store, *input).await.map(Ok)
    }
}

/// Nanoseconds that one call is to take.
const LOOP_NS: f64 = 5e6;
/// Rounds by which the speed of the machine is found.
const ROUNDS_FIRST: u32 = 1_000_000;

struct Mixing {
    session: Session<Mix>,
    rounds: u32,
}

impl Side for Mixing {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            black_box(self.session.call_input(black_box(&self.rounds)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let guest = guests::calls()?;
    // Deadline, ledger and rates with both; the share of the processor is looked at with the second, and never reached.
    let metered = load(Limits { cpu_percent: None, ..Limits::interactive() }, &guest).await?;
    let shared = load(Limits { cpu_percent: Some(10_000), ..Limits::interactive() }, &guest).await?;
    let threads = GuestThreads::start(Some(1))?;
    threads.spawn(async move { on_guest_thread(&guest, &metered, &shared, if quick { 11 } else { 101 }).await }).await
}

async fn load(limits: Limits, guest: &[u8]) -> Result<Plugin> {
    let runtime = Runtime::in_memory().allocation(ALLOCATION).limits(limits).open().await?;
    Ok(runtime.offer(&Source::bytes(guest.to_vec())).await?.accept().await?)
}

async fn on_guest_thread(guest: &[u8], metered: &Plugin, shared: &Plugin, batches: usize) -> Result<Vec<Row>> {
    let epochs = Raw::start(guest, Interruption::Epochs)?;
    let fuel = Raw::start(guest, Interruption::Fuel)?;
    let nothing = Raw::start(guest, Interruption::Nothing)?;
    let rounds = rounds(&mut epochs.mixing(ROUNDS_FIRST).await?).await?;

    let effort = Effort { batches, times: 1 };
    let mut ours = Mixing { session: metered.session().await?, rounds };
    let (metered, metered_rival) = contest(effort, &mut ours, &mut epochs.mixing(rounds).await?).await?;
    let mut ours = Mixing { session: shared.session().await?, rounds };
    let (shared, shared_rival) = contest(effort, &mut ours, &mut epochs.mixing(rounds).await?).await?;
    let mut bare = nothing.mixing(rounds).await?;
    let (with_epochs, without) = contest(effort, &mut epochs.mixing(rounds).await?, &mut bare).await?;
    let (with_fuel, without_fuel) = contest(effort, &mut fuel.mixing(rounds).await?, &mut bare).await?;

    let row = |name, ours: Summary, rival, other: Summary| {
        Row::value(name, "ms", ours.times(1e-6)).against(rival, other.times(1e-6), Judge::Ratio)
    };
    Ok(vec![
        row("loop-metered", metered, "raw, epochs", metered_rival).target(1.02),
        row("loop-shared", shared, "raw, epochs", shared_rival).target(1.02),
        row("loop-epochs", with_epochs, "raw, nothing", without),
        row("loop-fuel", with_fuel, "raw, nothing", without_fuel),
    ])
}

/// How many make a call of [`LOOP_NS`]. The fastest of several: a machine that is busy for a moment must not shorten every loop.
async fn rounds(first: &mut impl Side) -> Result<u32> {
    let mut fastest_ns = f64::INFINITY;
    for _ in 0..9 {
        fastest_ns = fastest_ns.min(first.batch(1).await?);
    }
    ensure!(fastest_ns > 1e5, "a million rounds took {fastest_ns} ns: they were not computed");
    Ok((f64::from(ROUNDS_FIRST) * LOOP_NS / fastest_ns) as u32)
}
