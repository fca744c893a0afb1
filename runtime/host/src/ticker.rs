//! The clock of record for deadlines: one OS thread that moves every engine's epoch once a millisecond.
//!
//! It counts its own ticks, so that beginning a call reads an atomic and not a clock. It sleeps after a while without calls: a resident process
//! with nothing to do makes no wake-ups. A tick is at least a millisecond; on a busy machine it may be late.
//!
//! Easily got wrong: a call that begins says so by the tick it saw, and a guest that computes says so again at each of its own ticks, so nothing is
//! counted up and down for a call. A guest that was away for longer than the thread stays awake finds its epoch long over, and says so first.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How long a tick lasts.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Idle ticks before the thread goes to sleep: long enough that a steady trickle of calls never pays for waking it.
const IDLE_TICKS_MAX: u64 = 256;

#[derive(Default)]
struct Shared {
    ticks: AtomicU64,
    coarse_ms: AtomicU64,
    /// The tick in which somebody last used it.
    used: AtomicU64,
    /// Calls that wait in the host, where nothing of theirs would say that they are still there.
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

    /// Ticks so far, for somebody who wants them to go on: for [`IDLE_TICKS_MAX`] at least. Who waits for an epoch sets its deadline before this:
    /// were it set after, the thread might have gone to sleep in between, and the epoch would never come.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        let now = self.now();
        // Whoever said so in this tick said it for all. Never backwards: somebody who saw an earlier tick may come late.
        if self.shared.used.load(Ordering::Relaxed) < now {
            // Sequentially consistent on purpose: either this sees `asleep` and wakes the thread, or the thread, after it wrote `asleep`, sees
            // the use and does not sleep.
            self.shared.used.fetch_max(now, Ordering::SeqCst);
            self.wake();
        }
        now
    }

    /// Keeps ticking until the guard is dropped.
    pub(crate) fn arm(&self) -> Armed<'_> {
        self.shared.armed.fetch_add(1, Ordering::SeqCst);
        self.wake();
        Armed(&self.shared)
    }

    fn wake(&self) {
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
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
    /// Nobody needs it. Only this thread moves the ticks, so nobody's use lies after what it sees.
    fn is_idle(&self) -> bool {
        let unused = self.ticks.load(Ordering::Relaxed) - self.used.load(Ordering::SeqCst);
        unused > IDLE_TICKS_MAX && self.armed.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::SeqCst)
    }

    fn run(&self) {
        while !self.stop.load(Ordering::SeqCst) {
            if self.is_idle() {
                self.asleep.store(true, Ordering::SeqCst);
                while self.is_idle() {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
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
        let armed = ticker.arm();
        while ticker.now() < before + 3 {
            thread::yield_now();
        }
        drop(armed);
        while !ticker.shared.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }

    #[test]
    fn goes_on_for_a_while_after_a_use_and_for_as_long_as_it_is_used() {
        let ticker = Arc::new(Ticker::start().unwrap());
        while !ticker.shared.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let before = ticker.touch();
        while ticker.now() < before + 2 * IDLE_TICKS_MAX {
            ticker.touch();
            thread::yield_now();
        }
        let last = ticker.touch();
        while !ticker.shared.asleep.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert!(ticker.now() > last + IDLE_TICKS_MAX, "it slept too early");
    }
}
