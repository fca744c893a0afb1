//! What is measured and not asserted: how late attackers are stopped, and how a victim's calls stretch while they work.
//!
//! Not here: what a row keeps resident, which its outcome tells. Easily got wrong: these numbers mean something only from an optimised build on a
//! machine that does nothing else.

use std::fmt;
use std::time::{Duration, Instant};

use plugwork::{Error, Limits, Plugin, Profile};
use plugwork_core::Grants;
use serde::Serialize;

use crate::arena::Arena;
use crate::guest::{Guest, LOG, PROBE};
use crate::victim::Victim;
use crate::world::Number;

const DEADLINE_MS: u64 = 50;
const RUNS: usize = 30;
/// The victim's calls come this often, and each takes four tenths of it.
const PERIOD: Duration = Duration::from_millis(5);
const WATCHED: Duration = Duration::from_secs(5);

/// How late one kind of attacker was stopped, after its deadline.
#[derive(Debug, Serialize)]
pub struct Stop {
    attacker: &'static str,
    runs: usize,
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// What is aimed at.
    goal_ms: f64,
}

/// The victim's calls while one kind of attacker works.
#[derive(Debug, Serialize)]
pub struct Suffering {
    attacker: &'static str,
    calls: usize,
    p50_us: f64,
    p99_us: f64,
    /// Against the quiet before.
    p99_ratio: f64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Stop latencies.
    pub stops: Vec<Stop>,
    /// Victims.
    pub victims: Vec<Suffering>,
}

const LOOP: &str = r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#;
const FILL: &str = r#"(memory $own 1008) (func (export "run") (param i32) (result i32)
    (loop $again (memory.fill $own (i32.const 0) (i32.const 170) (i32.const 66060288)) (br $again)) i32.const 0)"#;
const BLOCK: &str = r#"(import "host" "block" (func $block)) (func (export "run") (param i32) (result i32) call $block i32.const 0)"#;
const WORK: &str = r#"(func (export "run") (param $n i32) (result i32) (local $left i32) (local.set $left (local.get $n))
    (loop $again (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left))) local.get $n)"#;
const ALLOCATE: &str = r#"(memory $own 0) (func (export "run") (param i32) (result i32)
    (drop (memory.grow $own (i32.const 960))) (memory.fill $own (i32.const 0) (i32.const 170) (i32.const 62914560)) i32.const 0)"#;
const FLOOD: &str = r#"(import "heap" "memory" (memory 1)) (import "host" "write" (func $write (param i32 i32 i32)))
    (func (export "run") (param i32) (result i32)
      (loop $again (call $write (i32.const 2) (i32.const 0) (i32.const 60000)) (br $again)) i32.const 0)"#;

fn said(error: Error) -> String {
    format!("{error:?}")
}

/// Measures everything, in the hardened profile.
pub async fn everything() -> Result<Measured, String> {
    let arena = Arena::open(Profile::Hardened, 8).await.map_err(said)?;
    let probe = || Grants::none().with("probe", serde_json::Map::new());
    let mut stops = Vec::new();
    for (attacker, guest, goal_ms) in [
        ("a loop", Guest::new(LOOP), 20.0),
        ("memory.fill of 63 MiB in a loop", Guest::new(FILL), 60.0),
        ("a host call that blocks", Guest::new(BLOCK).import(PROBE).host("block", "$probe"), 50.0),
    ] {
        let limits = Limits { deadline_ms: DEADLINE_MS, cpu_percent: None, ..Limits::interactive() };
        let plugin = arena.accept(&guest, limits, probe_if(&guest, probe)).await.map_err(said)?;
        stops.push(stopped(attacker, &plugin, goal_ms).await?);
    }
    let victims = suffering(&arena).await?;
    Ok(Measured { stops, victims })
}

fn probe_if(guest: &Guest, probe: impl Fn() -> Grants) -> Grants {
    if guest.imports_probe() { probe() } else { Grants::none() }
}

async fn stopped(attacker: &'static str, plugin: &Plugin, goal_ms: f64) -> Result<Stop, String> {
    let mut late_ms = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let error = plugin.call::<Number>(&0).await.err().ok_or("it answered")?;
        let took = started.elapsed();
        if error.fault().is_none_or(|fault| fault.code() != "deadline") {
            return Err(said(error));
        }
        late_ms.push(took.as_secs_f64() * 1e3 - DEADLINE_MS as f64);
    }
    late_ms.sort_by(f64::total_cmp);
    let (median_ms, p99_ms, max_ms) = (at(&late_ms, 0.5), at(&late_ms, 0.99), at(&late_ms, 1.0));
    Ok(Stop { attacker, runs: RUNS, median_ms, p99_ms, max_ms, goal_ms })
}

async fn suffering(arena: &Arena) -> Result<Vec<Suffering>, String> {
    let victim = arena.accept(&Guest::new(WORK), Victim::LIMITS, Grants::none()).await.map_err(said)?;
    let work = four_tenths(&victim).await?;
    let mut victims: Vec<Suffering> = Vec::new();
    for (attacker, guest) in [
        ("nobody", None),
        ("spins", Some(Guest::new(LOOP))),
        ("allocates", Some(Guest::new(ALLOCATE))),
        ("floods the log", Some(Guest::new(FLOOD).import(LOG).host("write", "$log"))),
        ("nobody, again", None),
    ] {
        let attack = match guest {
            Some(guest) => {
                let plugin = arena.accept(&guest, Limits::interactive(), Grants::none()).await.map_err(said)?;
                Some(tokio::spawn(async move {
                    loop {
                        // A fault is what an attacker gets; it comes back at once.
                        let _ = plugin.call::<Number>(&0).await;
                    }
                }))
            }
            None => None,
        };
        let thread = Victim::start(victim.clone(), PERIOD, work);
        tokio::time::sleep(WATCHED).await;
        let suffered = thread.stop();
        if let Some(attack) = attack {
            attack.abort();
        }
        if let Some(error) = suffered.errors.first() {
            return Err(format!("while an attacker {attacker}: {error}"));
        }
        let mut us: Vec<_> = suffered.latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect();
        us.sort_by(f64::total_cmp);
        let (p50_us, p99_us) = (at(&us, 0.5), at(&us, 0.99));
        let p99_ratio = victims.first().map_or(1.0, |quiet| p99_us / quiet.p99_us);
        victims.push(Suffering { attacker, calls: us.len(), p50_us, p99_us, p99_ratio });
    }
    Ok(victims)
}

/// How many rounds of the victim's loop take four tenths of the period.
async fn four_tenths(victim: &Plugin) -> Result<u32, String> {
    const TRIED: u32 = 1_000_000;
    let mut session = victim.session::<Number>().await.map_err(said)?;
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let started = Instant::now();
        session.call_input(&TRIED).await.map_err(said)?;
        best = best.min(started.elapsed());
    }
    Ok((f64::from(TRIED) * PERIOD.as_secs_f64() * 0.4 / best.as_secs_f64()) as u32)
}

/// The value at a share of a sorted list.
fn at(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stopped after its deadline of {DEADLINE_MS} ms by     median      p99      max     goal")?;
        for Stop { attacker, median_ms, p99_ms, max_ms, goal_ms, .. } in &self.stops {
            writeln!(f, "{attacker:42} {median_ms:6.1} ms {p99_ms:5.1} ms {max_ms:5.1} ms  +{goal_ms:.0} ms")?;
        }
        writeln!(f, "\na victim at 40 % of one core, while an attacker    calls       p50       p99  p99 against quiet (goal 1.2)")?;
        for Suffering { attacker, calls, p50_us, p99_us, p99_ratio } in &self.victims {
            writeln!(f, "{attacker:48} {calls:7} {p50_us:6.0} us {p99_us:6.0} us  {p99_ratio:.2}")?;
        }
        Ok(())
    }
}
