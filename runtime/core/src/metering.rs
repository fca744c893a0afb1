//! What plugins used, hour by hour: the record that an operator reads, or bills from, and the seam that a server keeps it through.
//!
//! Only sums; where they are measured is the server's. Easily got wrong: amounts are differences of counters that only grow, never of clocks. The clock
//! decides only under which hour an amount is entered, so one that jumps moves amounts and makes none, and none negative.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::record::RecordsError;

/// Hours that are kept: the latest of those in which anything was used. Half a year of a server that is never idle.
pub const HOURS_KEPT: u32 = 4_380;

/// Rows that are kept at most, over all plugins; with the hour that is one too many all of it goes.
pub const ROWS_KEPT: u32 = 1_000_000;

/// Rows in one page.
pub const PAGE_USAGE_MAX: u32 = 1_000;

/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;

/// Whose amounts, and of when. In the order of pages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsageKey {
    /// Hours since 1970 in UTC, by the server's clock when it was measured.
    pub hour: u64,
    /// On whose behalf it ran.
    pub tenant: String,
    /// The application.
    pub application: String,
    /// The plugin, by the application's name for it.
    pub plugin: String,
}

/// Amounts. Adding saturates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsageSum {
    /// Requests that had a place with it.
    pub requests: u64,
    /// Processor time, that of host functions on its threads included. Milliseconds.
    pub cpu_ms: u64,
    /// Memory of its instances, and what the host held for it, over time: bytes times milliseconds, looked at every few seconds.
    pub memory_byte_ms: u64,
    /// Bytes that left by its own requests.
    pub egress_bytes: u64,
    /// Calls into the host.
    pub host_calls: u64,
    /// Calls that ended in a fault.
    pub faults: u64,
}

impl UsageSum {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            cpu_ms: self.cpu_ms.saturating_add(other.cpu_ms),
            memory_byte_ms: self.memory_byte_ms.saturating_add(other.memory_byte_ms),
            egress_bytes: self.egress_bytes.saturating_add(other.egress_bytes),
            host_calls: self.host_calls.saturating_add(other.host_calls),
            faults: self.faults.saturating_add(other.faults),
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What one plugin used in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UsageHour {
    /// Whose and when.
    #[serde(flatten)]
    pub key: UsageKey,
    /// How much.
    #[serde(flatten)]
    pub sum: UsageSum,
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// Only of this tenant; none: of all, which only an operator of all may ask.
    pub tenant: Option<String>,
    /// Only of this application.
    pub application: Option<String>,
    /// Only of this plugin.
    pub plugin: Option<String>,
    /// From this hour on.
    pub from_hour: u64,
    /// Up to this hour, which is not among them.
    pub until_hour: u64,
    /// Only what comes after: the last key of the page before.
    pub after: Option<UsageKey>,
    /// At most so many, and at most [`PAGE_USAGE_MAX`].
    pub limit: u32,
}

impl Default for UsageQuery {
    /// The first page of everything.
    fn default() -> Self {
        Self { tenant: None, application: None, plugin: None, from_hour: 0, until_hour: u64::MAX, after: None, limit: PAGE_USAGE_MAX }
    }
}

impl UsageQuery {
    fn takes(&self, key: &UsageKey) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        is(&self.tenant, &key.tenant)
            && is(&self.application, &key.application)
            && is(&self.plugin, &key.plugin)
            && (self.from_hour..self.until_hour).contains(&key.hour)
            && self.after.as_ref().is_none_or(|after| key > after)
    }
}

/// What a method of [`UsageLedger`] gives.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, RecordsError>> + Send + 'a>>;

/// Where usage is kept. `plugwork-store` keeps it on disk.
pub trait UsageLedger: Send + Sync + 'static {
    /// Adds amounts to what the same keys have, all of them or, on an error, none: durable when it resolves. Makes room by dropping the oldest hours.
    fn add_usage(&self, rows: Vec<UsageHour>) -> Pending<'_, ()>;

    /// A page of rows, in the order of their keys.
    fn usage(&self, query: UsageQuery) -> Pending<'_, Vec<UsageHour>>;
}

/// Usage in memory: for tests and for servers that keep nothing.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<UsageKey, UsageSum>>);

impl UsageLedger for Memory {
    fn add_usage(&self, rows: Vec<UsageHour>) -> Pending<'_, ()> {
        Box::pin(async move {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for UsageHour { key, sum } in rows {
                let before = kept.entry(key).or_default();
                *before = before.and(sum);
            }
            Ok(())
        })
    }

    fn usage(&self, query: UsageQuery) -> Pending<'_, Vec<UsageHour>> {
        Box::pin(async move {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted = kept.iter().filter(|(key, _)| query.takes(key));
            Ok(wanted.take(query.limit.min(PAGE_USAGE_MAX) as usize).map(|(key, sum)| UsageHour { key: key.clone(), sum: *sum }).collect())
        })
    }
}
