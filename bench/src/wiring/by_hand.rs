//! The rival: two raw stores, and a closure that locks the second one and calls its function by its types. What an embedder writes by hand.
//!
//! Engine, epochs, limiter and limits of what crosses are those of `raw.rs`. Not here: fresh instances, deadlines of their own, blame, rights, who calls, what
//! becomes of a callee that failed. The lock is tokio's, because it is held while the callee runs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use plugwork::wasmtime::component::{Component, Linker, TypedFunc};
use plugwork::wasmtime::{Store, StoreContextMut};
use tokio::sync::Mutex;

use super::bindings::exports::bench::wiring::asking::{Guest, GuestIndices};
use super::bindings::exports::bench::wiring::work;
use super::calls::Asks;
use super::guests;
use crate::measure::Side;
use crate::raw::{Interruption, Limiter, Ticking, store};

/// The provider's instance, for the closures.
struct Callee {
    store: Store<Limiter>,
    add: TypedFunc<(u32,), (u32,)>,
    length: TypedFunc<(Vec<u8>,), (u32,)>,
}

/// A caller wired to a provider.
pub(super) struct ByHand {
    store: Store<Limiter>,
    guest: Guest,
    asks: Asks,
    _ticking: Arc<Ticking>,
}

impl ByHand {
    pub(super) async fn start(ticking: &Arc<Ticking>, asks: Asks) -> Result<Self> {
        let engine = &ticking.engine;
        let (caller, provider) = guests::bare()?;
        let provider = Linker::new(engine).instantiate_pre(&Component::from_binary(engine, &provider)?)?;
        let mut its_store = store(engine, Interruption::Epochs)?;
        let instance = provider.instantiate_async(&mut its_store).await?;
        let indices = work::GuestIndices::new(&provider)?;
        indices.load(&mut its_store, &instance)?;
        let parent = instance.get_export_index(&mut its_store, None, "bench:wiring/work@0.1.0");
        let mut find = |name: &str| {
            let index = instance.get_export_index(&mut its_store, parent.as_ref(), name);
            index.and_then(|index| instance.get_func(&mut its_store, index))
        };
        let (add, length) = (find("add"), find("length"));
        let missing = || anyhow::anyhow!("the provider has not what it exports");
        let (add, length) = (add.ok_or_else(missing)?.typed(&its_store)?, length.ok_or_else(missing)?.typed(&its_store)?);
        let callee = Arc::new(Mutex::new(Callee { store: its_store, add, length }));

        let mut linker: Linker<Limiter> = Linker::new(engine);
        let mut target = linker.instance("bench:wiring/work@0.1.0")?;
        let adding = callee.clone();
        target.func_wrap_async("add", move |_: StoreContextMut<'_, Limiter>, (input,): (u32,)| {
            let callee = adding.clone();
            Box::new(async move {
                let mut callee = callee.lock().await;
                let Callee { store, add, .. } = &mut *callee;
                add.call_async(store, (input,)).await
            })
        })?;
        target.func_wrap_async("length", move |_: StoreContextMut<'_, Limiter>, (input,): (Vec<u8>,)| {
            let callee = callee.clone();
            Box::new(async move {
                let mut callee = callee.lock().await;
                let Callee { store, length, .. } = &mut *callee;
                length.call_async(store, (input,)).await
            })
        })?;
        let pre = linker.instantiate_pre(&Component::from_binary(engine, &caller)?)?;
        let mut store = store(engine, Interruption::Epochs)?;
        let instance = pre.instantiate_async(&mut store).await?;
        let guest = GuestIndices::new(&pre)?.load(&mut store, &instance)?;
        Ok(Self { store, guest, asks, _ticking: ticking.clone() })
    }
}

impl Side for ByHand {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        black_box(match self.asks {
            Asks::Adds => self.guest.call_adds(&mut self.store, black_box(times)).await?,
            Asks::Lengths => self.guest.call_lengths(&mut self.store, black_box(times)).await?,
        });
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}
