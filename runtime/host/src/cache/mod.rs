//! Compiled plugins, kept: in memory by digest and profile, behind it on disk. A hit is a thousand times cheaper than a compile.
//!
//! Nothing on disk is believed: see `disk` for what is checked before a byte of it is loaded. Everything here may be lost.

mod disk;
mod load;
mod refusal;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::future::Cache as Memory;
use plugwork_core::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

pub use disk::{Disk, Entry, Listed, Rejection};

use wanted::Wanted;

use crate::compile::{Children, Walls};
use crate::engine::Variant;
use crate::error::{Error, ErrorKind, Result};
use crate::inspect::Facts;
use crate::source::Source;

/// Bytes of machine code kept in memory.
const CODE_BYTES_MAX: u64 = 1 << 30;
/// Components whose facts are kept in memory.
const FACTS_MAX: u64 = 20_000;

/// Where compiled components came from, counted since the runtime was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Found in memory.
    pub memory_hits: u64,
    /// Loaded from disk.
    pub disk_hits: u64,
    /// Compiled, or tried to.
    pub compiled: u64,
    /// Not even tried, because an earlier try failed for a reason that still stands.
    pub refused: u64,
    /// Entries on disk that were refused: broken, foreign, or in a place others can write.
    pub rejected: u64,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    /// Requests that memory could not answer.
    misses: AtomicU64,
    disk_hits: AtomicU64,
    compiled: AtomicU64,
    refused: AtomicU64,
    rejected: AtomicU64,
}

pub(crate) struct Cache {
    code: Memory<(Digest, Variant), Component>,
    facts: Memory<Digest, Arc<Facts>>,
    disk: Option<Arc<Disk>>,
    children: Option<Arc<Children>>,
    counters: Arc<Counters>,
}

impl Cache {
    /// `children` compile where there are any; they need a disk.
    /// Memory keeps no more code than may be loaded.
    pub(crate) fn new(disk: Option<Disk>, children: Option<Children>, loaded_max: u64, code_bytes: u64) -> Self {
        let bytes_max = code_bytes.clamp(1, CODE_BYTES_MAX);
        // Components that are only here take memory maps and descriptors too: at most an eighth of what the process can carry.
        let least = u32::try_from(bytes_max / (loaded_max / 8).max(1)).unwrap_or(u32::MAX);
        let weigh = move |_: &(Digest, Variant), component: &Component| {
            let range = component.image_range();
            u32::try_from(range.end as usize - range.start as usize).unwrap_or(u32::MAX).max(least)
        };
        Self {
            code: Memory::builder().max_capacity(bytes_max).weigher(weigh).build(),
            facts: Memory::new(FACTS_MAX),
            disk: disk.map(Arc::new),
            children: children.map(Arc::new),
            counters: Arc::default(),
        }
    }

    pub(crate) fn counts(&self) -> CacheCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        CacheCounts {
            memory_hits: read(&counters.requests).saturating_sub(read(&counters.misses)),
            disk_hits: read(&counters.disk_hits),
            compiled: read(&counters.compiled),
            refused: read(&counters.refused),
            rejected: read(&counters.rejected),
        }
    }

    /// The facts of a component: read once for each digest, however many ask at the same time.
    pub(crate) async fn facts(&self, source: &Source) -> Result<Arc<Facts>> {
        let (disk, counters) = (self.disk.clone(), self.counters.clone());
        let theirs = source.clone();
        let read = async move { blocking(move || facts(disk.as_deref(), &counters, &theirs).map(Arc::new)).await };
        self.facts.try_get_with(source.digest(), read).await.map_err(|error| (*error).clone())
    }

    /// The compiled component: compiled or loaded once for each digest and profile, however many ask at the same time.
    pub(crate) async fn component(&self, engine: &Engine, variant: Variant, source: &Source) -> Result<Component> {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let wanted =
            Wanted { disk: self.disk.clone(), counters: self.counters.clone(), engine: engine.clone(), variant, source: source.clone() };
        let children = self.children.clone();
        let make = async move {
            wanted.counters.misses.fetch_add(1, Ordering::Relaxed);
            let Some(children) = children else { return blocking(move || wanted.in_process()).await };
            let wanted = Arc::new(wanted);
            let (theirs, limits) = (wanted.clone(), children.limits);
            if let Some(component) = blocking(move || theirs.kept(&limits)).await? {
                return Ok(component);
            }
            let place = children.enter().await.map_err(|failure| Error::compile(wanted.source.digest(), failure))?;
            blocking(move || wanted.in_a_child(&children, &place)).await
        };
        self.code.try_get_with((source.digest(), variant), make).await.map_err(|error| (*error).clone())
    }

    /// What stood around the child that compiled last.
    pub(crate) fn compile_walls(&self) -> Option<Walls> {
        self.children.as_ref().and_then(|children| children.walls())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(Error::new(ErrorKind::Engine, "the work was cancelled because the host stops, or it panicked")),
    }
}

fn facts(disk: Option<&Disk>, counters: &Counters, source: &Source) -> Result<Facts> {
    let Some(disk) = disk else { return Facts::read(source) };
    let entry = Entry::facts(source.digest());
    match disk.read(&entry) {
        Ok(Some(bytes)) => {
            // The MAC says that these are our own bytes, so this cannot fail but for a change of format, which the entry's header names.
            if let Ok(facts) = serde_json::from_slice(&bytes) {
                return Ok(facts);
            }
        }
        Ok(None) => {}
        Err(_) => _ = counters.rejected.fetch_add(1, Ordering::Relaxed),
    }
    let facts = Facts::read(source)?;
    if let Ok(bytes) = serde_json::to_vec(&facts) {
        // A cache that cannot be written costs time, never an answer.
        let _ = disk.write(&entry, &bytes);
    }
    Ok(facts)
}
