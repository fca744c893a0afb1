//! The clock of record for deadlines: one OS thread that moves every engine's epoch once a millisecond.
//!
//! It counts its own ticks, so that arming a call reads an atomic and not a clock. It sleeps while no call is armed: a resident
//! process with nothing to do makes no wake-ups. A tick is at least a millisecond; on a busy machine it may be late.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How long a tick lasts.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Idle ticks before the thread goes to sleep: long enough that a steady trickle of calls never pays for waking it.
const IDLE_TICKS_MAX: u32 = 256;

#[derive(Default)]
struct Shared {
    ticks: AtomicU64,
    coarse_ms: AtomicU64,
    armed: AtomicU32,
    asleep: AtomicBool,
    stop: AtomicBool,
    engines: Mutex<Vec<EngineWeak>>,
}

/// The thread and its counter.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Ticker {
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let handle = thread::Builder::new().name("plugwork-ticker".to_owned()).spawn(move || theirs.run())?;
        Ok(Self { thread: handle.thread().clone(), shared })
    }

    pub(crate) fn watch(&self, engine: &Engine) {
        self.shared.engines.lock().expect("no panic happens under this lock").push(engine.weak());
    }

    /// Ticks so far.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.shared.ticks.load(Ordering::Relaxed)
    }

    /// Milliseconds since the runtime was opened, as of the last look of its housekeeping: cheap, and a tenth of a second old at most.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u64 {
        self.shared.coarse_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_coarse_ms(&self, now_ms: u64) {
        self.shared.coarse_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Keeps ticking until the guard is dropped.
    #[inline]
    pub(crate) fn arm(&self) -> Armed<'_> {
        // Sequentially consistent on purpose: either this sees `asleep` and wakes the thread, or the thread, after it wrote `asleep`,
        // sees `armed` and does not sleep.
        self.shared.armed.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Armed(&self.shared)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// While it lives, time passes.
pub(crate) struct Armed<'a>(&'a Shared);

impl Drop for Armed<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.armed.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self) {
        let mut idle = 0;
        while !self.stop.load(Ordering::SeqCst) {
            if self.armed.load(Ordering::SeqCst) == 0 {
                idle += 1;
            } else {
                idle = 0;
            }
            if idle > IDLE_TICKS_MAX {
                self.asleep.store(true, Ordering::SeqCst);
                while self.armed.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::SeqCst) {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
            thread::sleep(TICK);
            self.ticks.fetch_add(1, Ordering::Relaxed);
            self.engines.lock().expect("no panic happens under this lock").retain(|weak| match weak.upgrade() {
                Some(engine) => {
                    engine.increment_epoch();
                    true
                }
                None => false,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeps_when_idle_and_wakes_when_armed() {
        let ticker = Arc::new(Ticker::start().unwrap());
        while !ticker.shared.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let before = ticker.now();
        let _armed = ticker.arm();
        while ticker.now() < before + 3 {
            thread::yield_now();
        }
    }
}
