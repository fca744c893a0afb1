//! What is loaded: at most as much as the process can carry, the least recently used goes first.
//!
//! The kernel's limits decide how much that is (`core::capacity`): every loaded plugin takes memory maps and a descriptor, and where maps run out
//! an ordinary allocation ends the process, so plugins are refused long before. Easily got wrong: a plugin that is evicted is still active; its
//! next call loads it again, from the cache on disk. And a plugin with an open session goes last, not never.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use plugwork_core::capacity::{Capacity, Held, Process, Scarce};

use crate::admission::Seats;
use crate::engine::Allocation;
use crate::installation::Member;
use crate::runtime::Shared;

/// Machine code that is kept loaded by default.
pub(crate) const LOADED_BYTES_MAX: u64 = 2 << 30;

/// The cache notes uses in a queue and loses what does not fit there.
const TOUCHED_AT_ONCE: usize = 32;

/// Which plugins are loaded.
pub(crate) struct Density {
    /// By the address of the member, which lives as long as its entry.
    kept: Cache<usize, Arc<Member>>,
    capacity: Capacity,
    /// What one plugin weighs at least and at most.
    least: u32,
    largest: u32,
    loaded: Arc<AtomicU64>,
}

/// Counts one loaded generation for as long as it lives.
pub(crate) struct Loaded(Arc<AtomicU64>);

impl Drop for Loaded {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Density {
    pub(crate) fn new(runtime: Weak<Shared>, capacity: Capacity, bytes_max: u64, plugins_max: Option<u64>) -> Self {
        // A part of what the process can carry is left for those that are on their way out, or in the code cache only.
        let most = (capacity.loaded_max - capacity.loaded_max / 4).max(1);
        let plugins_max = plugins_max.map_or(most, |plugins| plugins.clamp(1, most));
        // A weight has 32 bits: with more bytes than that for each plugin their number would bind nobody.
        let bytes_max = bytes_max.clamp(plugins_max, plugins_max.saturating_mul(u64::from(u32::MAX)));
        // One weight for two bounds: nobody weighs less than its part of the whole, so there are never more than so many.
        let least = u32::try_from(bytes_max / plugins_max).unwrap_or(u32::MAX);
        // One that is larger than the whole is loaded alone. Otherwise it would have to go before its first call could begin.
        let largest = u32::try_from(bytes_max).unwrap_or(u32::MAX);
        let kept = Cache::builder()
            .max_capacity(bytes_max)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(move |_, member: &Arc<Member>| member.code_bytes().clamp(least, largest))
            .eviction_listener(move |_, member: Arc<Member>, cause| {
                if let (RemovalCause::Size, Some(runtime)) = (cause, runtime.upgrade()) {
                    member.evict(&runtime);
                }
            })
            .build();
        Self { kept, capacity, least, largest, loaded: Arc::default() }
    }

    /// Counts a generation that is about to be, if there is room for it: counted first, so that of many at once no more pass than fit.
    pub(crate) fn reserve(&self, seats: &Seats) -> Result<Loaded, Scarce> {
        self.loaded.fetch_add(1, Ordering::SeqCst);
        let reserved = Loaded(self.loaded.clone());
        self.capacity.check(self.held(seats))?;
        Ok(reserved)
    }

    /// Whether the instances that there are may be, beside what is loaded: a pool has its maps from the start, others take them as they come.
    #[inline]
    pub(crate) fn check(&self, seats: &Seats) -> Result<(), Scarce> {
        self.capacity.check(self.held(seats))
    }

    /// Whether one more may be loaded.
    pub(crate) fn admit(&self, seats: &Seats) -> Result<(), Scarce> {
        let with_one_more = || {
            let held = self.held(seats);
            self.capacity.check(Held { loaded: held.loaded + 1, ..held })
        };
        with_one_more().or_else(|_| {
            // Those that should have gone may still be in the cache's own queue.
            self.kept.run_pending_tasks();
            with_one_more()
        })
    }

    /// What is held now.
    pub(crate) fn held(&self, seats: &Seats) -> Held {
        Held { loaded: self.loaded.load(Ordering::Relaxed), instances: u64::from(seats.taken()) }
    }

    pub(crate) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Keeps a member that was just loaded. Where others have to go for it, `with_sessions` are asked to stay: they go after all that have none, and among
    /// themselves in their order.
    pub(crate) fn keep(&self, member: &Arc<Member>, with_sessions: impl FnOnce() -> Vec<Arc<Member>>) {
        let weighs = self.kept.weighted_size() + u64::from(member.code_bytes().clamp(self.least, self.largest));
        if weighs > self.kept.policy().max_capacity().unwrap_or(u64::MAX) {
            for some in with_sessions().chunks(TOUCHED_AT_ONCE) {
                some.iter().for_each(|member| self.touch(member));
                self.kept.run_pending_tasks();
            }
        }
        self.kept.insert(key(member), member.clone());
        // The cache would get to it by itself, but only after some dozens more were loaded.
        self.kept.run_pending_tasks();
    }

    /// It was used.
    pub(crate) fn touch(&self, member: &Arc<Member>) {
        let _ = self.kept.get(&key(member));
    }

    /// It is no longer loaded.
    pub(crate) fn forget(&self, member: &Arc<Member>) {
        self.kept.invalidate(&key(member));
    }
}

fn key(member: &Arc<Member>) -> usize {
    Arc::as_ptr(member) as usize
}

/// What the kernel allows this process, and what it has already.
pub(crate) fn process() -> Process {
    let number = |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    let lines = std::fs::read_to_string("/proc/self/maps").map_or(0, |text| text.lines().count() as u64);
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    Process {
        // The kernel's default, where it does not say.
        maps_max: number("/proc/sys/vm/max_map_count").unwrap_or(65_530),
        descriptors_max: descriptors_max(),
        maps_base: lines,
        descriptors_base: descriptors,
    }
}

/// The soft limit of descriptors, raised to the hard one: programs that use `select` want a low one, this is none of them.
fn descriptors_max() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Where it may not be raised it stays what it is.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many instances the engine's pool has; 0 where each is made on demand.
pub(crate) fn slots(allocation: Allocation) -> u64 {
    match allocation {
        Allocation::OnDemand => 0,
        Allocation::Pooling { instances } => u64::from(instances),
    }
}
