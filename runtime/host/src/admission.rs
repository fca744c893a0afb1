//! Seats: how many instances may live at once, of one plugin and of all plugins of a runtime. A call that finds none free waits in line, never
//! longer than its deadline.
//!
//! The plugin's own line comes first, so that one plugin with a thousand calls holds at most its share of the process's seats while it waits.
//! Easily got wrong: a seat is given back after the instance is gone, not before, or the engine's pool would be found full.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork_core::capacity::{Resource, Scarce};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::account::Account;

/// Calls that may wait for a seat of one plugin; one more is refused at once.
const WAITING_MAX: u32 = 1_024;

/// A number of seats and who waits for one.
pub(crate) struct Seats {
    free: Semaphore,
    waiting: AtomicU32,
    /// Of the process's: calls that wait in any line, also in those of plugins. One look for whoever gives back an instance.
    anybody: AtomicU32,
    total: AtomicU32,
    /// Seats that are taken and are not given out again when they come back: there are fewer now than when they were taken.
    owed: AtomicU32,
    resizing: Mutex<()>,
}

/// A seat in the plugin's own line and in the process's.
pub(crate) struct Seat(Arc<Account>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.process_seats().give_back();
        self.0.seats().give_back();
    }
}

/// Counts a waiting call for as long as it waits, also where it is cancelled.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seats {
    pub(crate) fn new(total: u32) -> Self {
        let number = AtomicU32::new;
        let free = Semaphore::new(total as usize);
        Self { free, waiting: number(0), anybody: number(0), total: number(total), owed: number(0), resizing: Mutex::default() }
    }

    /// Changes how many there are. Fewer than are taken: those are not given out again.
    pub(crate) fn resize(&self, total: u32) {
        let _one = self.resizing.lock().expect("no panic happens under this lock");
        let before = self.total.swap(total, Ordering::Relaxed);
        if total > before {
            let more = total - before;
            self.free.add_permits((more - self.settle(more)) as usize);
        } else {
            // Owed first: one that comes back in this moment must not be given out and forgotten both.
            let fewer = before - total;
            self.owed.fetch_add(fewer, Ordering::AcqRel);
            let forgotten = u32::try_from(self.free.forget_permits(fewer as usize)).unwrap_or(fewer);
            self.free.add_permits((forgotten - self.settle(forgotten)) as usize);
        }
    }

    /// Takes off what is owed, at most `most`; gives how much.
    fn settle(&self, most: u32) -> u32 {
        let less = |owed: u32| Some(owed.saturating_sub(most));
        self.owed.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).map_or(0, |owed| owed.min(most))
    }

    fn give_back(&self) {
        // Looked at first: nearly always nothing is owed, and a write that changes nothing is one that all threads wait for.
        if self.owed.load(Ordering::Acquire) == 0 || self.settle(1) == 0 {
            self.free.add_permits(1);
        }
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a call waits for one of these, or for one of a plugin's own.
    #[inline]
    pub(crate) fn are_waited_for(&self) -> bool {
        self.anybody.load(Ordering::Relaxed) > 0
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> u32 {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        (self.total.load(Ordering::Relaxed) + self.owed.load(Ordering::Relaxed)).saturating_sub(free)
    }

    fn try_take(&self) -> bool {
        self.free.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Waits for one, in line. `make_room` is asked once, by one who is counted already: whoever gives something back after that look sees that it is
    /// waited for.
    async fn take(&self, until: Instant, what: Resource, anybody: &AtomicU32, make_room: impl FnOnce()) -> Result<(), Scarce> {
        let scarce = || {
            let total = u64::from(self.total.load(Ordering::Relaxed));
            Scarce { what, held: total + 1, limit: total }
        };
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Waiting(&self.waiting);
        anybody.fetch_add(1, Ordering::Relaxed);
        let _anybody = Waiting(anybody);
        if waiting >= WAITING_MAX {
            return Err(scarce());
        }
        make_room();
        match tokio::time::timeout_at(until, self.free.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(scarce()),
        }
    }
}

/// Takes a seat for an instance of this account's plugin. Before it waits in a line it asks for room there, once: `own_room` may release an instance of
/// its own that nobody uses, `make_room` one of any plugin.
pub(crate) async fn seat(account: &Arc<Account>, own_room: impl FnOnce(), make_room: impl FnOnce()) -> Result<Seat, Scarce> {
    // One deadline for both lines, and none is looked up where nobody waits.
    let deadline = || Instant::now() + Duration::from_millis(account.limits().deadline_ms);
    let (process, mut until) = (account.process_seats(), None);
    if !account.seats().try_take() {
        let until = *until.get_or_insert_with(deadline);
        account.seats().take(until, Resource::PluginInstances, &process.anybody, own_room).await?;
    }
    if process.try_take() {
        return Ok(Seat(account.clone()));
    }
    // Whatever happens from here on, also being cancelled: the plugin's own seat is given back.
    let own = Own(Some(account));
    process.take(until.unwrap_or_else(deadline), Resource::Instances, &process.anybody, make_room).await?;
    Ok(own.keep())
}

/// The plugin's own seat, while it waits for the other.
struct Own<'a>(Option<&'a Arc<Account>>);

impl Own<'_> {
    fn keep(mut self) -> Seat {
        Seat(self.0.take().expect("taken once").clone())
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.0 {
            account.seats().give_back();
        }
    }
}
