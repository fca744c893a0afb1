//! Compiled plugins, kept: in memory by digest and profile, behind it on disk. A hit is a thousand times cheaper than a compile.
//!
//! Nothing on disk is believed: see `disk` for what is checked before a byte of it is loaded. Everything here may be lost.

mod disk;
mod load;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::future::Cache as Memory;
use plugwork_core::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

pub use disk::{Disk, Entry, Listed, Rejection};

use crate::compile;
use crate::engine::{Profile, compatibility};
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
    /// Compiled.
    pub compiled: u64,
    /// Entries on disk that were refused: broken, foreign, or in a place others can write.
    pub rejected: u64,
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    disk_hits: AtomicU64,
    compiled: AtomicU64,
    rejected: AtomicU64,
}

pub(crate) struct Cache {
    code: Memory<(Digest, Profile), Component>,
    facts: Memory<Digest, Arc<Facts>>,
    disk: Option<Arc<Disk>>,
    counters: Arc<Counters>,
}

impl Cache {
    pub(crate) fn new(disk: Option<Disk>) -> Self {
        let weigh = |_: &(Digest, Profile), component: &Component| {
            let range = component.image_range();
            u32::try_from(range.end as usize - range.start as usize).unwrap_or(u32::MAX)
        };
        Self {
            code: Memory::builder().max_capacity(CODE_BYTES_MAX).weigher(weigh).build(),
            facts: Memory::new(FACTS_MAX),
            disk: disk.map(Arc::new),
            counters: Arc::default(),
        }
    }

    pub(crate) fn counts(&self) -> CacheCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        let (disk_hits, compiled) = (read(&counters.disk_hits), read(&counters.compiled));
        CacheCounts {
            memory_hits: read(&counters.requests).saturating_sub(disk_hits + compiled),
            disk_hits,
            compiled,
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
    pub(crate) async fn component(&self, engine: &Engine, profile: Profile, source: &Source) -> Result<Component> {
        let (disk, counters) = (self.disk.clone(), self.counters.clone());
        counters.requests.fetch_add(1, Ordering::Relaxed);
        let (engine, theirs) = (engine.clone(), source.clone());
        let make = async move { blocking(move || component(disk.as_deref(), &counters, &engine, profile, &theirs)).await };
        self.code.try_get_with((source.digest(), profile), make).await.map_err(|error| (*error).clone())
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

fn component(disk: Option<&Disk>, counters: &Counters, engine: &Engine, profile: Profile, source: &Source) -> Result<Component> {
    let Some(disk) = disk else {
        counters.compiled.fetch_add(1, Ordering::Relaxed);
        return compile::compile(engine, source);
    };
    let entry = Entry::code(source.digest(), profile, compatibility(engine));
    match load::component(disk, &entry, engine) {
        Ok(Some(component)) => {
            counters.disk_hits.fetch_add(1, Ordering::Relaxed);
            return Ok(component);
        }
        Ok(None) => {}
        Err(_) => {
            counters.rejected.fetch_add(1, Ordering::Relaxed);
            if !disk.is_ours() {
                // Nothing may be kept there either.
                counters.compiled.fetch_add(1, Ordering::Relaxed);
                return compile::compile(engine, source);
            }
        }
    }
    counters.compiled.fetch_add(1, Ordering::Relaxed);
    let code = compile::precompile(engine, source)?;
    match disk.write(&entry, &code).and_then(|()| load::component(disk, &entry, engine)) {
        Ok(Some(component)) => Ok(component),
        // Nothing can be kept here: compile once more, for memory only.
        Ok(None) | Err(_) => compile::compile(engine, source),
    }
}
