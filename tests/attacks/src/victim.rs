//! The victim: a plugin that does nothing wrong and is called throughout, on a thread of its own, in the same runtime as the attacker.
//!
//! Not here: how it is compared between quiet and attack (`measure.rs`). Easily got wrong: it is called at a steady rate; a call that comes late
//! counts its waiting too, or a starved victim would look well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plugwork::{Limits, Plugin};

use crate::world::Number;

/// What became of its calls.
#[derive(Debug, Default)]
pub struct Suffered {
    /// From when each call was due until its answer.
    pub latencies: Vec<Duration>,
    /// What went wrong.
    pub errors: Vec<String>,
}

/// A thread that calls it.
pub struct Victim {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Suffered>,
}

impl Victim {
    /// Limits that only a broken neighbourhood can make it exceed.
    pub const LIMITS: Limits = Limits { deadline_ms: 10_000, memory_bytes: 4 << 20, cpu_percent: None, ..Limits::interactive() };

    /// Calls a plugin with `number` once every `period`, `work` in.
    pub fn start(plugin: Plugin, period: Duration, work: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(suffer(&plugin, period, work, &stopped))
        });
        Self { stop, thread }
    }

    /// Stops, and tells.
    pub fn stop(self) -> Suffered {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn suffer(plugin: &Plugin, period: Duration, work: u32, stopped: &AtomicBool) -> Suffered {
    let mut suffered = Suffered::default();
    // One instance for all calls: what is under test is whether others take its time, not whether the pool has room.
    let mut session = match plugin.session::<Number>().await {
        Ok(session) => session,
        Err(error) => {
            suffered.errors.push(error.to_string());
            return suffered;
        }
    };
    let mut due = Instant::now();
    while !stopped.load(Ordering::Relaxed) || suffered.latencies.is_empty() {
        tokio::time::sleep_until(due.into()).await;
        match session.call_input(&work).await {
            Ok(answer) if answer == work => suffered.latencies.push(due.elapsed()),
            Ok(answer) => suffered.errors.push(format!("answered {answer} to {work}")),
            Err(error) => {
                suffered.errors.push(error.to_string());
                return suffered;
            }
        }
        due = (due + period).max(Instant::now() - 10 * period);
    }
    suffered
}
