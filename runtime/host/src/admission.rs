//! Seats: how many instances may live at once, of one plugin and of all plugins of a runtime. A call that finds none free waits in line, never
//! longer than its deadline.
//!
//! The plugin's own line comes first, so that one plugin with a thousand calls holds at most its share of the process's seats while it waits.
//! Easily got wrong: a seat is given back after the instance is gone, not before, or the engine's pool would be found full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use plugwork_core::capacity::{Scarce, Scarcity};
use tokio::sync::Semaphore;

use crate::account::Account;

/// Calls that may wait for a seat of one plugin; one more is refused at once.
const WAITING_MAX: u32 = 1_024;

/// A number of seats and who waits for one.
pub(crate) struct Seats {
    free: Semaphore,
    waiting: AtomicU32,
    total: AtomicU32,
}

/// A seat in the plugin's own line and in the process's.
pub(crate) struct Seat(Arc<Account>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.process_seats().free.add_permits(1);
        self.0.seats().free.add_permits(1);
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
        Self { free: Semaphore::new(total as usize), waiting: AtomicU32::new(0), total: AtomicU32::new(total) }
    }

    /// Changes how many there are. Fewer than are taken: those are not given out again.
    pub(crate) fn resize(&self, total: u32) {
        let before = self.total.swap(total, Ordering::Relaxed);
        if total > before {
            self.free.add_permits((total - before) as usize);
        } else {
            self.free.forget_permits((before - total) as usize);
        }
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> u32 {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        self.total.load(Ordering::Relaxed).saturating_sub(free)
    }

    fn try_take(&self) -> bool {
        self.free.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    /// Waits for one, in line.
    async fn take(&self, patience: Duration, scarcity: Scarcity) -> Result<(), Scarce> {
        let scarce = || {
            let total = u64::from(self.total.load(Ordering::Relaxed));
            Scarce::new(scarcity, total, total)
        };
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Waiting(&self.waiting);
        if waiting >= WAITING_MAX {
            return Err(scarce());
        }
        match tokio::time::timeout(patience, self.free.acquire()).await {
            Ok(Ok(permit)) => {
                permit.forget();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(scarce()),
        }
    }
}

/// Takes a seat for an instance of this account's plugin. `make_room` is asked once, before waiting for one of the process's: it may release an
/// instance that nobody uses.
pub(crate) async fn seat(account: &Arc<Account>, make_room: impl FnOnce() -> bool) -> Result<Seat, Scarce> {
    let patience = || Duration::from_millis(account.limits().deadline_ms);
    if !account.seats().try_take() {
        account.seats().take(patience(), Scarcity::PluginInstances).await?;
    }
    let process = account.process_seats();
    if process.try_take() {
        return Ok(Seat(account.clone()));
    }
    // Whatever happens from here on, also being cancelled: the plugin's own seat is given back.
    let own = Own(Some(account));
    if make_room() && process.try_take() {
        return Ok(own.keep());
    }
    process.take(patience(), Scarcity::Instances).await?;
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
            account.seats().free.add_permits(1);
        }
    }
}
