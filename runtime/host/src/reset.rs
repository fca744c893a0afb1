//! How a slot of the pool is cleared for its next instance: with the kernel's page scan, or by giving up its pages. The decision and its reasons.
//!
//! The scan (`PAGEMAP_SCAN`, Linux 6.7) tells which pages a guest has written, so that only those are cleared: a fresh instance costs half as much.
//! Easily got wrong: wasmtime 48.0.8 asks for pages that are present, and a written page that was swapped out is not; the next tenant would find it.
//! So where there is swap there is no scan. That is looked at when a runtime opens: who adds swap later has to open it again.

use std::fmt;

use serde::Serialize;
use wasmtime::PoolingAllocationConfig;

use crate::engine::Allocation;

/// Whether slots are cleared with the kernel's page scan, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PageScan {
    /// They are.
    Used,
    /// This system has swap, where the scan can miss a page.
    Swap,
    /// This kernel has none.
    Kernel,
    /// [`Builder::page_scan`](crate::Builder::page_scan) said no.
    Off,
    /// There is no pool: each instance has memory of its own, which the kernel has cleared.
    NoPool,
}

impl PageScan {
    /// What it is to be here.
    pub(crate) fn here(allocation: Allocation, wanted: bool) -> Self {
        let swaps = std::fs::read_to_string("/proc/swaps").ok();
        Self::of(allocation, wanted, PoolingAllocationConfig::is_pagemap_scan_available(), has_swap(swaps.as_deref()))
    }

    fn of(allocation: Allocation, wanted: bool, in_kernel: bool, has_swap: bool) -> Self {
        match (allocation, wanted, in_kernel, has_swap) {
            (Allocation::OnDemand, ..) => Self::NoPool,
            (_, false, ..) => Self::Off,
            (_, _, false, _) => Self::Kernel,
            (.., true) => Self::Swap,
            _ => Self::Used,
        }
    }

    /// What an operator should hear at the start, if anything.
    pub(crate) fn warning(self) -> Option<String> {
        match self {
            Self::Swap => Some(format!(
                "{self}, so a fresh instance costs about twice as much\n\
                 hint: run the host without swap (`swapoff -a`) and start it again, or turn the scan off yourself with `Builder::page_scan`"
            )),
            _ => None,
        }
    }
}

impl fmt::Display for PageScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Used => "slots are cleared with the kernel's page scan",
            Self::Swap => {
                "the kernel's page scan is not used: this system has swap, and a written page that was swapped out would be missed"
            }
            Self::Kernel => "the kernel's page scan is not used: this kernel has none (Linux 6.7 has)",
            Self::Off => "the kernel's page scan is not used, as asked",
            Self::NoPool => "there is no pool, and no slot to clear",
        })
    }
}

/// Whether `/proc/swaps` lists anything below its header. Where it cannot be read, assume the worse.
fn has_swap(swaps: Option<&str>) -> bool {
    swaps.is_none_or(|text| text.lines().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: Allocation = Allocation::Pooling { instances: 1 };

    #[test]
    fn swap_disables_the_scan_and_says_so() {
        let scan = PageScan::of(POOL, true, true, true);
        assert_eq!(scan, PageScan::Swap);
        let warning = scan.warning().unwrap();
        assert!(warning.contains("this system has swap") && warning.contains("\nhint: run the host without swap"), "{warning}");
    }

    #[test]
    fn it_is_used_only_where_all_allow_it() {
        assert_eq!(PageScan::of(POOL, true, true, false), PageScan::Used);
        assert_eq!(PageScan::of(POOL, true, false, false), PageScan::Kernel);
        assert_eq!(PageScan::of(POOL, false, true, false), PageScan::Off);
        assert_eq!(PageScan::of(POOL, false, true, true), PageScan::Off, "nothing is lost to swap that was not wanted");
        assert_eq!(PageScan::of(Allocation::OnDemand, true, true, true), PageScan::NoPool);
        for quiet in [PageScan::Used, PageScan::Kernel, PageScan::Off, PageScan::NoPool] {
            assert_eq!(quiet.warning(), None);
        }
    }

    #[test]
    fn a_header_is_no_swap_and_what_cannot_be_read_is() {
        let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!has_swap(Some(header)) && !has_swap(Some("")));
        assert!(has_swap(Some(&format!("{header}/swapfile file 4194300 0 -2\n"))));
        assert!(has_swap(None));
    }
}
