//! What one instance holds and has spent. wasmtime's own knob is per memory; this sums over all memories and tables.
//!
//! A refused growth is remembered until the next call, because the guest usually answers it with a bare trap.

use std::time::Duration;

use plugwork_core::{Fault, Limits};
use wasmtime::ResourceLimiter;

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
            memory_bytes: self.memory_bytes + other.memory_bytes,
            memory_peak_bytes: self.memory_peak_bytes.max(other.memory_peak_bytes),
            host_calls: self.host_calls + other.host_calls,
            log_records: self.log_records + other.log_records,
        }
    }
}

pub(crate) struct Ledger {
    limits: Limits,
    pub(crate) spend: Spend,
    refused: Option<u64>,
}

impl Ledger {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, spend: Spend::default(), refused: None }
    }

    #[inline]
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    pub(crate) fn begin_call(&mut self) {
        self.spend.calls += 1;
        self.refused = None;
    }

    /// The fault behind a growth that was refused in this call.
    pub(crate) fn memory_fault(&self) -> Option<Fault> {
        self.refused.map(|asked_bytes| Fault::Memory { limit_bytes: self.limits.memory_bytes, asked_bytes })
    }

    /// Whether it may grow to `desired_bytes`; `fits` is whether the memory's or table's own declared maximum allows it. Where that says no
    /// the engine refuses after this said yes, so nothing may be charged; and that is no fault of this limit.
    fn charge(&mut self, current_bytes: u64, desired_bytes: u64, fits: bool) -> bool {
        let total = (self.spend.memory_bytes - current_bytes.min(self.spend.memory_bytes)).saturating_add(desired_bytes);
        if total > self.limits.memory_bytes {
            self.refused = Some(total);
            return false;
        }
        if !fits {
            return false;
        }
        self.spend.memory_bytes = total;
        self.spend.memory_peak_bytes = self.spend.memory_peak_bytes.max(total);
        true
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
        Ledger::new(Limits { memory_bytes, ..Limits::interactive() })
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
