//! What was measured and is not kept yet. Pure but for its lock: time is told to it.
//!
//! Easily got wrong: a plugin's counters belong to its account. Where that was opened anew (it was unloaded, or consent was given again) they count from 0.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use plugwork::Usage;
use plugwork_core::metering::{UsageHour, UsageKey, UsageSum};

use crate::mount::Mount;

/// Rows that wait to be kept at most, where nothing can be kept; past it the oldest hours go.
const WAITING_MAX: usize = 100_000;

/// One look at one plugin.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) tenant: String,
    pub(crate) label: String,
    pub(crate) application: String,
    pub(crate) plugin: String,
    /// Counts since its account was opened; memory over time is none of them.
    pub(crate) counts: UsageSum,
    /// Which account they are of.
    pub(crate) account: u64,
    /// What it holds now.
    pub(crate) memory_bytes: u64,
}

impl Reading {
    pub(crate) fn new(mount: &Mount, usage: &Usage) -> Self {
        Self {
            tenant: mount.key.tenant.clone(),
            label: mount.label.clone(),
            application: mount.key.application.clone(),
            plugin: mount.name.clone(),
            counts: UsageSum {
                requests: mount.requests.load(Ordering::Relaxed),
                cpu_ms: usage.cpu_ms,
                memory_byte_ms: 0,
                egress_bytes: usage.egress_bytes,
                host_calls: usage.host_calls,
                faults: usage.faults,
            },
            account: usage.account,
            memory_bytes: usage.memory_bytes.saturating_add(usage.held_bytes),
        }
    }
}

/// What is known of one plugin from the look before.
#[derive(Debug)]
struct Last {
    counts: UsageSum,
    account: u64,
    at: Instant,
}

#[derive(Debug, Default)]
struct Open {
    /// Whether anybody keeps what is entered.
    begun: bool,
    /// By tenant and instance.
    last: BTreeMap<(String, String), Last>,
    waiting: BTreeMap<UsageKey, UsageSum>,
}

/// The books of one node.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<Open>);

impl Books {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on somebody keeps them.
    pub(crate) fn begin(&self) {
        self.open().begun = true;
    }

    /// Enters what was used since the look before, under this hour. `now` never goes back, whatever clocks do.
    pub(crate) fn enter(&self, hour: u64, now: Instant, readings: &[Reading]) {
        let mut open = self.open();
        if !open.begun {
            return;
        }
        for reading in readings {
            let Reading { tenant, label, application, plugin, counts, account, memory_bytes } = reading;
            let last = open.last.insert((tenant.clone(), label.clone()), Last { counts: *counts, account: *account, at: now });
            // A plugin that is met for the first time began after the look before.
            let since = last.as_ref().map_or_else(UsageSum::default, |last| {
                // Requests are the server's own count, and go on.
                let fresh = UsageSum { requests: last.counts.requests, ..UsageSum::default() };
                if last.account == *account { last.counts } else { fresh }
            });
            let held_ms = last.map_or(0, |last| u64::try_from(now.saturating_duration_since(last.at).as_millis()).unwrap_or(u64::MAX));
            let mut sum = grown(*counts, since);
            sum.memory_byte_ms = memory_bytes.saturating_mul(held_ms);
            if !sum.is_nothing() {
                let key = UsageKey { hour, tenant: tenant.clone(), application: application.clone(), plugin: plugin.clone() };
                open.wait(key, sum);
            }
        }
    }

    /// Forgets a plugin that has ended.
    pub(crate) fn close(&self, tenant: &str, label: &str) {
        self.open().last.remove(&(tenant.to_owned(), label.to_owned()));
    }

    /// Everything that waits.
    pub(crate) fn take(&self) -> Vec<UsageHour> {
        std::mem::take(&mut self.open().waiting).into_iter().map(|(key, sum)| UsageHour { key, sum }).collect()
    }

    /// What could not be kept waits again.
    pub(crate) fn put_back(&self, rows: Vec<UsageHour>) {
        let mut open = self.open();
        rows.into_iter().for_each(|UsageHour { key, sum }| open.wait(key, sum));
    }
}

impl Open {
    fn wait(&mut self, key: UsageKey, sum: UsageSum) {
        let before = self.waiting.entry(key).or_default();
        *before = before.and(sum);
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_first();
        }
    }
}

/// How much counters have grown.
fn grown(now: UsageSum, before: UsageSum) -> UsageSum {
    UsageSum {
        requests: now.requests.saturating_sub(before.requests),
        cpu_ms: now.cpu_ms.saturating_sub(before.cpu_ms),
        memory_byte_ms: 0,
        egress_bytes: now.egress_bytes.saturating_sub(before.egress_bytes),
        host_calls: now.host_calls.saturating_sub(before.host_calls),
        faults: now.faults.saturating_sub(before.faults),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn reading(requests: u64, cpu_ms: u64, memory_bytes: u64) -> Reading {
        let own = |text: &str| text.to_owned();
        let counts = UsageSum { requests, cpu_ms, ..UsageSum::default() };
        Reading { tenant: own("t"), label: own("l"), application: own("a"), plugin: own("p"), counts, account: 1, memory_bytes }
    }

    fn taken(books: &Books) -> Vec<(u64, u64, u64, u64)> {
        books.take().iter().map(|row| (row.key.hour, row.sum.requests, row.sum.cpu_ms, row.sum.memory_byte_ms)).collect()
    }

    #[test]
    fn a_clock_that_jumps_moves_amounts_and_makes_none() {
        let (books, began) = (Books::default(), Instant::now());
        books.enter(10, began, &[reading(1, 1, 0)]);
        assert!(books.take().is_empty(), "nobody keeps them");
        books.begin();
        books.enter(10, began, &[reading(1, 5, 100)]);
        books.enter(3, began + Duration::from_secs(5), &[reading(4, 9, 100)]);
        books.enter(900, began + Duration::from_secs(5), &[reading(4, 9, 100)]);
        books.enter(10, began, &[reading(5, 9, 100)]);
        assert_eq!(taken(&books), [(3, 3, 4, 500_000), (10, 2, 5, 0)]);
    }

    #[test]
    fn an_account_that_was_opened_anew_counts_from_nothing() {
        let (books, began) = (Books::default(), Instant::now());
        books.begin();
        books.enter(1, began, &[reading(10, 100, 0)]);
        books.enter(1, began, &[Reading { account: 2, ..reading(12, 150, 0) }]);
        assert_eq!(taken(&books), [(1, 12, 250, 0)]);
    }

    #[test]
    fn what_could_not_be_kept_is_not_lost_and_not_counted_twice() {
        let (books, began) = (Books::default(), Instant::now());
        books.begin();
        books.enter(1, began, &[reading(10, 0, 0)]);
        let rows = books.take();
        books.enter(1, began, &[reading(11, 0, 0)]);
        books.put_back(rows);
        assert_eq!(taken(&books), [(1, 11, 0, 0)]);
        assert!(books.take().is_empty());
    }
}
