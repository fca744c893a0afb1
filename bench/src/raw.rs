//! The rival: wasmtime as its own documentation says to use it, with the settings that plugwork has.
//!
//! Same engine configuration, a thread that moves the epoch once a millisecond, a callback that yields at each, a limiter, a limit on
//! what crosses to the host. Not here: anything else that plugwork does (deadline, ledger, panic barrier, WASI, log). May be misread:
//! this is the least that makes running a stranger's guest defensible, not the fastest that wasmtime can do.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use plugwork::wasmtime::component::{Component, InstancePre, Linker};
use plugwork::wasmtime::{self, Engine, ResourceLimiter, Store, UpdateDeadline};
use plugwork::{Limits, Profile, engine_config};

use crate::calls::ALLOCATION;
use crate::calls::bindings::exports::bench::calls::calls::{Guest, GuestIndices};
use crate::calls::bindings::exports::bench::calls::work;
use crate::measure::Side;

/// What can end a guest that computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// A look at the epoch at each turn of a loop: what plugwork has.
    Epochs,
    /// A counter of instructions.
    Fuel,
    /// Nothing: only to know what the others cost.
    Nothing,
}

/// An engine with its ticker, and a guest ready to be instantiated.
pub(crate) struct Raw {
    pre: InstancePre<Limiter>,
    indices: Arc<GuestIndices>,
    interruption: Interruption,
    _ticking: Ticking,
}

/// An engine that looks at epochs, and what moves them once a millisecond.
pub(crate) struct Ticking {
    pub(crate) engine: Engine,
    stop: Arc<AtomicBool>,
}

impl Ticking {
    /// With plugwork's own settings.
    pub(crate) fn start() -> Result<Self> {
        Self::of(Engine::new(&engine_config(Profile::Hardened, ALLOCATION))?)
    }

    fn of(engine: Engine) -> Result<Self> {
        let (stop, moved) = (Arc::new(AtomicBool::new(false)), engine.clone());
        let stopped = stop.clone();
        thread::Builder::new().name("raw-ticker".to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(1));
                moved.increment_epoch();
            }
        })?;
        Ok(Self { engine, stop })
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What a raw store holds.
pub(crate) struct Limiter {
    memory_bytes_max: usize,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.memory_bytes_max)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }
}

impl Raw {
    /// Compiles the guest and starts the ticker.
    pub(crate) fn start(component: &[u8], interruption: Interruption) -> Result<Self> {
        let mut config = engine_config(Profile::Hardened, ALLOCATION);
        config.epoch_interruption(interruption == Interruption::Epochs);
        config.consume_fuel(interruption == Interruption::Fuel);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, component)?;
        let pre = Linker::new(&engine).instantiate_pre(&component)?;
        let indices = Arc::new(GuestIndices::new(&pre)?);
        Ok(Self { pre, indices, interruption, _ticking: Ticking::of(engine)? })
    }

    /// The side of a warm call.
    pub(crate) async fn warm(&self) -> Result<impl Side> {
        let (store, guest) = instance(&self.pre, &self.indices).await?;
        Ok(Warm { store, guest })
    }

    /// The side of a call with a list.
    pub(crate) async fn list(&self, input: Vec<u8>) -> Result<impl Side> {
        let (store, guest) = instance(&self.pre, &self.indices).await?;
        Ok(List { store, guest, input })
    }

    /// The side of a computing guest; a repetition is so many rounds.
    pub(crate) async fn mixing(&self, rounds: u32) -> Result<impl Side + use<>> {
        let mut store = store(self.pre.engine(), self.interruption)?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        let guest = work::GuestIndices::new(&self.pre)?.load(&mut store, &instance)?;
        Ok(Mixing { store, guest, rounds })
    }

    /// The side of a call in an instance of its own.
    pub(crate) fn fresh(&self) -> impl Side + use<> {
        Fresh { pre: self.pre.clone(), indices: self.indices.clone() }
    }
}

async fn instance(pre: &InstancePre<Limiter>, indices: &GuestIndices) -> Result<(Store<Limiter>, Guest)> {
    let mut store = store(pre.engine(), Interruption::Epochs)?;
    let instance = pre.instantiate_async(&mut store).await?;
    let guest = indices.load(&mut store, &instance)?;
    Ok((store, guest))
}

/// A store with the limits that plugwork has.
pub(crate) fn store(engine: &Engine, interruption: Interruption) -> Result<Store<Limiter>> {
    let limits = Limits::interactive();
    let mut store = Store::new(engine, Limiter { memory_bytes_max: usize::try_from(limits.memory_bytes)? });
    store.limiter(|limiter| limiter);
    store.set_hostcall_fuel(usize::try_from(limits.call_data_bytes)?);
    match interruption {
        Interruption::Epochs => {
            store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
            store.set_epoch_deadline(1);
        }
        Interruption::Fuel => store.set_fuel(u64::MAX)?,
        Interruption::Nothing => {}
    }
    Ok(store)
}

struct Warm {
    store: Store<Limiter>,
    guest: Guest,
}

impl Side for Warm {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for input in 0..times {
            black_box(self.guest.call_add(&mut self.store, black_box(input)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

struct List {
    store: Store<Limiter>,
    guest: Guest,
    input: Vec<u8>,
}

impl Side for List {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            black_box(self.guest.call_echo(&mut self.store, black_box(&self.input)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

struct Mixing {
    store: Store<Limiter>,
    guest: work::Guest,
    rounds: u32,
}

impl Side for Mixing {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            black_box(self.guest.call_mix(&mut self.store, black_box(self.rounds)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

struct Fresh {
    pre: InstancePre<Limiter>,
    indices: Arc<GuestIndices>,
}

impl Side for Fresh {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for input in 0..times {
            let (mut store, guest) = instance(&self.pre, &self.indices).await?;
            black_box(guest.call_add(&mut store, black_box(input)).await?);
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}
