//! What one instance holds and has spent. wasmtime's own knob is per memory; this sums over all memories and tables.
//!
//! A refused growth is remembered until the next call, because the guest usually answers it with a bare trap.

use std::sync::Arc;
use std::time::Duration;

use plugwork_core::{Fault, Limits};
use wasmtime::ResourceLimiter;

use crate::account::{Account, Pending};
use crate::usage::HostInterface;

/// Bytes charged for one table element: a pointer and what it points to.
const TABLE_ELEMENT_BYTES: u64 = 16;

/// What an instance has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spend {
    /// Calls that were made.
    pub calls: u64,
    /// Wall time inside calls, host functions included.
    pub time: Duration,
    /// Processor time inside calls, host functions on the same thread included. Wall time until a call first waits, the thread's own clock
    /// from then on: too large by at most what the thread was made to wait for a processor in that first stretch.
    pub cpu: Duration,
    /// Bytes held now, over all memories and tables.
    pub memory_bytes: u64,
    /// The most it ever held.
    pub memory_peak_bytes: u64,
    /// Calls from the guest into the host.
    pub host_calls: u64,
    /// Log records written (dropped ones included).
    pub log_records: u64,
}

impl Spend {
    /// Adds up two instances: sums, and the larger of the peaks.
    pub fn and(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            time: self.time + other.time,
            cpu: self.cpu + other.cpu,
            memory_bytes: self.memory_bytes + other.memory_bytes,
            memory_peak_bytes: self.memory_peak_bytes.max(other.memory_peak_bytes),
            host_calls: self.host_calls + other.host_calls,
            log_records: self.log_records + other.log_records,
        }
    }
}

impl Spend {
    /// What was used since an earlier reading of the same instance. What it holds is what it holds now.
    #[inline]
    pub(crate) fn since(self, before: &Self) -> Self {
        Self {
            calls: self.calls - before.calls,
            time: self.time.saturating_sub(before.time),
            cpu: self.cpu.saturating_sub(before.cpu),
            host_calls: self.host_calls - before.host_calls,
            log_records: self.log_records - before.log_records,
            ..self
        }
    }
}

/// One instance's ledger. It writes without a lock and hands its counts over to the account of its plugin once a tick.
pub(crate) struct Ledger {
    limits: Limits,
    pub(crate) account: Arc<Account>,
    pub(crate) spend: Spend,
    pub(crate) pending: Pending,
    /// The tick at which it last handed over.
    handed_over_tick: u64,
    refused: Option<Fault>,
    /// The most that its messages of `wasi:http` ever held, charged until it ends.
    messages_bytes: u64,
}

impl Ledger {
    pub(crate) fn new(limits: Limits, account: Arc<Account>) -> Self {
        account.instance_made();
        Self {
            limits,
            account,
            spend: Spend::default(),
            pending: Pending::default(),
            handed_over_tick: 0,
            refused: None,
            messages_bytes: 0,
        }
    }

    #[inline]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    pub(crate) fn count_call(&mut self) {
        self.spend.calls += 1;
        self.pending.calls += 1;
    }

    /// A growth that was refused before explains nothing from here on.
    #[inline]
    pub(crate) fn forget_refused(&mut self) {
        self.refused = None;
    }

    #[inline]
    pub(crate) fn count_host_call(&mut self, interface: HostInterface) {
        self.spend.host_calls += 1;
        let count = &mut self.pending.host_calls[interface as usize];
        *count = count.saturating_add(1);
        self.pending.any_host_call = true;
    }

    /// Notes processor time of this instance that the account does not know yet.
    #[inline]
    pub(crate) fn spend_cpu(&mut self, time: Duration) {
        self.spend.cpu += time;
        // By hand: this runs in every call, and the 128 bits of `as_nanos` are a division's worth of time.
        self.pending.cpu_ns += time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos());
    }

    /// Hands over to the account, at most once a tick: several writes that every instance shares are too dear for every call.
    #[inline]
    pub(crate) fn hand_over_at(&mut self, tick: u64) {
        if tick != self.handed_over_tick {
            self.handed_over_tick = tick;
            self.hand_over();
        }
    }

    pub(crate) fn hand_over(&mut self) {
        self.account.hand_over(&mut self.pending);
    }

    /// Whether its messages of `wasi:http` may hold this much of the host's memory; it is charged if they may.
    pub(crate) fn hold_messages(&mut self, bytes: u64) -> bool {
        if bytes <= self.messages_bytes {
            return true;
        }
        match self.account.charge_memory(bytes - self.messages_bytes) {
            Ok(()) => self.messages_bytes = bytes,
            Err(fault) => self.refused = Some(fault),
        }
        bytes <= self.messages_bytes
    }

    /// The fault behind a growth that was refused in this call.
    pub(crate) fn memory_fault(&self) -> Option<Fault> {
        self.refused.clone()
    }

    /// Whether it may grow to `desired_bytes`; `fits` is whether the memory's or table's own declared maximum allows it. Where that says no
    /// the engine refuses after this said yes, so nothing may be charged; and that is no fault of this limit.
    fn charge(&mut self, current_bytes: u64, desired_bytes: u64, fits: bool) -> bool {
        let total = (self.spend.memory_bytes - current_bytes.min(self.spend.memory_bytes)).saturating_add(desired_bytes);
        if total > self.limits.memory_bytes {
            self.refused = Some(Fault::Memory { limit_bytes: self.limits.memory_bytes, asked_bytes: total });
            return false;
        }
        if !fits {
            return false;
        }
        if let Err(fault) = self.account.charge_memory(total.saturating_sub(self.spend.memory_bytes)) {
            self.refused = Some(fault);
            return false;
        }
        self.spend.memory_bytes = total;
        self.spend.memory_peak_bytes = self.spend.memory_peak_bytes.max(total);
        true
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.hand_over();
        self.account.release_memory(self.spend.memory_bytes + self.messages_bytes);
        self.account.instance_gone();
    }
}

impl ResourceLimiter for Ledger {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.charge(current as u64, desired as u64, maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| (elements as u64).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.charge(bytes(current), bytes(desired), maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn instances(&self) -> usize {
        self.limits.core_instances as usize
    }

    fn memories(&self) -> usize {
        self.limits.memories as usize
    }

    fn tables(&self) -> usize {
        self.limits.tables as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(memory_bytes: u64) -> Ledger {
        let limits = Limits { memory_bytes, plugin_memory_bytes: 250, ..Limits::interactive() };
        let package = "test:plugin".parse().unwrap();
        let digest = plugwork_core::Digest::of(b"x");
        let subject = plugwork_core::Subject { tenant: "default".to_owned(), instance: String::new(), package, digest };
        Ledger::new(limits, Arc::new(Account::open(subject, 0, limits, None, Arc::new(crate::admission::Seats::new(8)))))
    }

    #[test]
    fn instances_of_one_plugin_are_summed_and_give_back_what_they_held() {
        let mut first = ledger(200);
        let mut second = Ledger::new(*first.limits(), first.account.clone());
        assert!(first.memory_growing(0, 150, None).unwrap() && second.memory_growing(0, 100, None).unwrap());
        assert!(!second.memory_growing(100, 101, None).unwrap());
        assert_eq!(second.memory_fault(), Some(Fault::PluginMemory { limit_bytes: 250, asked_bytes: 251 }));
        drop(first);
        assert!(second.memory_growing(100, 200, None).unwrap());
    }

    #[test]
    fn memories_and_tables_are_summed() {
        let mut ledger = ledger(200);
        assert!(ledger.memory_growing(0, 100, None).unwrap());
        assert!(ledger.memory_growing(0, 68, None).unwrap());
        assert!(ledger.table_growing(0, 2, None).unwrap());
        assert!(!ledger.memory_growing(100, 101, None).unwrap());
        assert_eq!(ledger.memory_fault(), Some(Fault::Memory { limit_bytes: 200, asked_bytes: 201 }));
        assert_eq!(ledger.spend.memory_peak_bytes, 200);
    }

    #[test]
    fn a_huge_table_cannot_wrap_around() {
        assert!(!ledger(u64::MAX - 1).table_growing(0, usize::MAX, None).unwrap());
    }
}
