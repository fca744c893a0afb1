//! The two engine profiles and how they are set up. Which profile a plugin gets is decided by its grant, not here.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmFeatures};

use crate::error::{Error, ErrorKind, Result};
use crate::reset::PageScan;
use crate::ticker::Ticker;

/// Which wasm features a plugin may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Components with SIMD and multi-memory; no GC, exceptions, threads, 64 bit memories, stack switching or component async.
    Hardened,
    /// `Hardened` and component async (WASI 0.3); only for a plugin that was granted `engine = { profile = "full" }`.
    Full,
}

/// Where instances come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Each instance maps its own memory. Nothing is reserved up front: for a process that makes few calls.
    OnDemand,
    /// Slots are reserved at start and reset between uses: a fresh instance in microseconds. The number is how many instances may live
    /// at once; one more waits for one to end, until its deadline, and is then an error of kind `Unavailable`.
    Pooling {
        /// 1 to 2,500: each takes about four of the process's memory maps (65,530 by default).
        instances: u32,
    },
}

impl Allocation {
    /// Instances that a pool may have.
    pub const INSTANCES_MAX: u32 = 2_500;
}

/// Bytes of a slot's memory that are cleared in place instead of given back to the kernel: measured as the best reset for small guests.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// Native stack of a guest; the fiber's stack is larger so that host functions fit.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Stacks beyond one for each instance.
const SPARE_STACKS: u32 = 16;
/// The largest single memory; the ledger limits the sum far below it.
const MEMORY_BYTES_MAX: usize = 4 << 30;

pub(crate) struct Engines {
    allocation: Allocation,
    pub(crate) scan: PageScan,
    hardened: Engine,
    /// The others, made when the first plugin needs one: full, and either with fuel.
    others: [OnceLock<Engine>; 3],
    pub(crate) ticker: Arc<Ticker>,
}

impl Engines {
    pub(crate) fn start(allocation: Allocation, scan: PageScan) -> Result<Self> {
        if let Allocation::Pooling { instances } = allocation
            && !(1..=Allocation::INSTANCES_MAX).contains(&instances)
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a pool of {instances} instances: expected 1 to {}", Allocation::INSTANCES_MAX),
            ));
        }
        let ticker = Ticker::start().map_err(|error| Error::io("cannot start the ticker thread", &error))?;
        let hardened = engine(Variant { profile: Profile::Hardened, fuel: false }, allocation, scan)?;
        ticker.watch(&hardened);
        Ok(Self { allocation, scan, hardened, others: Default::default(), ticker: Arc::new(ticker) })
    }

    pub(crate) fn get(&self, variant: Variant) -> Result<&Engine> {
        let other = match (variant.profile, variant.fuel) {
            (Profile::Hardened, false) => return Ok(&self.hardened),
            (Profile::Full, false) => &self.others[0],
            (Profile::Hardened, true) => &self.others[1],
            (Profile::Full, true) => &self.others[2],
        };
        match other.get() {
            Some(engine) => Ok(engine),
            None => {
                let engine = engine(variant, self.allocation, self.scan)?;
                self.ticker.watch(&engine);
                Ok(other.get_or_init(|| engine))
            }
        }
    }
}

/// What code is compiled for: a profile, with or without a count of instructions in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Variant {
    pub(crate) profile: Profile,
    pub(crate) fuel: bool,
}

impl Variant {
    /// The configuration of an engine that runs such code.
    pub(crate) fn config(self, allocation: Allocation, scan: PageScan) -> Config {
        let mut config = config_with(self.profile, allocation, scan);
        config.consume_fuel(self.fuel);
        config
    }
}

fn engine(variant: Variant, allocation: Allocation, scan: PageScan) -> Result<Engine> {
    Engine::new(&variant.config(allocation, scan))
        .map_err(|error| Error::new(ErrorKind::Engine, format!("cannot start the engine: {error:#}")))
}

/// The configuration of a profile: what benchmarks must give raw wasmtime to compare like with like.
pub fn config(profile: Profile, allocation: Allocation) -> Config {
    config_with(profile, allocation, PageScan::here(allocation, true))
}

fn config_with(profile: Profile, allocation: Allocation, scan: PageScan) -> Config {
    let mut config = Config::new();
    let off = WasmFeatures::GC
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::WIDE_ARITHMETIC;
    config.wasm_features(off, false);
    config.concurrency_support(profile == Profile::Full);
    config.wasm_features(WasmFeatures::CM_ASYNC, profile == Profile::Full);
    config.epoch_interruption(true);
    // For debuggers of the host only: our own backtraces do not need it, and every load would have to register it with the process.
    config.native_unwind_info(false);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(WASM_STACK_BYTES + (1 << 20));
    config.wasm_backtrace_max_frames(NonZeroUsize::new(32));
    config.allocation_strategy(match allocation {
        Allocation::OnDemand => InstanceAllocationStrategy::OnDemand,
        Allocation::Pooling { instances } => InstanceAllocationStrategy::Pooling(pool(instances, scan)),
    });
    config
}

fn pool(instances: u32, scan: PageScan) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // A Rust component is one to four core instances with one memory; an interpreter up to twelve with three.
    pool.total_component_instances(instances)
        .total_core_instances(instances * 12)
        .total_memories(instances * 3)
        .total_tables(instances * 4)
        // A start that finds the pool full, and a stub that drops a handle, borrow a stack for a moment: not from a live session.
        .total_stacks(instances + SPARE_STACKS)
        .max_core_instances_per_component(64)
        .max_memories_per_component(16)
        .max_tables_per_component(32)
        .max_tables_per_module(4)
        .max_memories_per_module(4)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(MEMORY_BYTES_MAX)
        // What the component reader lets through must fit in a slot, or it would fail only here.
        .table_elements(table_entries_max())
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .max_unused_warm_slots(instances);
    if scan == PageScan::Used {
        pool.pagemap_scan(Enabled::Yes);
    }
    pool
}

fn table_entries_max() -> usize {
    usize::try_from(plugwork_component::StructureLimits::default().table_entries_count).unwrap_or(usize::MAX)
}

/// What a compiled component depends on, as a number: version, settings, processor features.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
