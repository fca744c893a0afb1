//! A host that starts from records, in a process of its own so that its memory is its own: what `plugwork-bench host` does.
//!
//! Lives here: opening, starting, and what the process holds. Not here: which calls it makes (`active.rs`, `installed.rs`, and `start_many.rs` of
//! `runtime`). May be misread: resident memory does not count the part of a sealed file that no page of this process shows; the bytes of those
//! files are told beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use plugwork::{Allocation, Preload, Runtime, Start};
use plugwork_store::Store;
use serde::{Deserialize, Serialize};

use super::prepare::NoPackages;
use crate::runtime::LIMITS;

/// A host, and what its start came to.
pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    /// Since `main` began, in milliseconds.
    pub(crate) started_ms: f64,
    pub(crate) active: usize,
}

/// What a process holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Holds {
    pub(crate) resident_mib: f64,
    /// Sealed files that machine code is mapped from, in full.
    pub(crate) sealed_mib: f64,
    pub(crate) maps: usize,
    pub(crate) loaded: u64,
    pub(crate) instances: u64,
}

/// Opens a runtime with a pool of this many instances and starts what is enabled on record. Nothing may be compiled or skipped.
pub(crate) async fn start(state: &Path, records: &Path, instances: u32, preload: Preload, began: Instant) -> Result<Host> {
    let store = Arc::new(Store::open(records).await?);
    let builder = Runtime::builder(state).allocation(Allocation::Pooling { instances }).limits(LIMITS);
    let runtime = builder.records(store).packages(Arc::new(NoPackages)).open().await?;
    let started = runtime.start(Start { preload, ..Start::default() }).await?;
    let started_ms = began.elapsed().as_secs_f64() * 1e3;
    if let Some(skipped) = started.skipped.first() {
        bail!("{} plugins were not started, among them `{}`: {}", started.skipped.len(), skipped.key, skipped.error);
    }
    Ok(Host { runtime, started_ms, active: started.active })
}

/// What this process holds now; an error where something was compiled on the way.
pub(crate) fn holds(runtime: &Runtime) -> Result<Holds> {
    let counts = runtime.cache_counts();
    ensure!(counts.compiled == 0, "{} plugins were compiled: the cache did not hold them", counts.compiled);
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say what is resident")?;
    let kibibytes: f64 = resident.trim().trim_end_matches(" kB").parse()?;
    let mut sealed_bytes = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let path = entry?.path();
        let is_memory = std::fs::read_link(&path).is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:"));
        if is_memory {
            sealed_bytes += std::fs::metadata(&path)?.len();
        }
    }
    let (held, _) = runtime.capacity();
    Ok(Holds {
        resident_mib: kibibytes / 1024.0,
        sealed_mib: sealed_bytes as f64 / 1024.0 / 1024.0,
        maps: std::fs::read_to_string("/proc/self/maps")?.lines().count(),
        loaded: held.loaded,
        instances: held.instances,
    })
}
