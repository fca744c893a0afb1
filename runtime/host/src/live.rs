//! One instance that exists: its store, what its exports look like from here, and the fault that ended it.
//!
//! Who holds it decides what it is: a call that needs one (`generation`), a pool between two calls (`shelf`), or a [`crate::Session`]. It does not
//! know its generation, because a pool belongs to a generation and must not keep it alive; so every method is given one.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use plugwork_core::chain::Caller;
use plugwork_core::{Fault, Refusal};
use wasmtime::component::{ComponentNamedList, Func, Instance, Lift, Lower, ResourceAny, TypedFunc, Val};
use wasmtime::{AsContextMut, Store, StoreContextMut};

use crate::account::Account;
use crate::admission::Seat;
use crate::call::{Running, guarded};
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Generation;
use crate::guards::Asked;
use crate::interfaces::handover::{Handover, SNAPSHOT_BYTES_MAX};
use crate::interfaces::lifecycle;
use crate::ledger::Spend;
use crate::log::Level;
use crate::point::{Call, Point};
use crate::state::State;
use crate::threads::GuestThreads;
use crate::wiring::From;
use crate::wiring::view::View;

/// Beside the bytes of a snapshot: what the answer around them takes, generously.
const SNAPSHOT_FRAME_BYTES: usize = 64 << 10;
/// Why a view cannot be of another type.
const KEYED: &str = "kept by the type of its point";

/// An instance, without a view of its exports.
pub(crate) struct Live {
    store: Store<State>,
    pub(crate) instance: Instance,
    lifecycle: Option<lifecycle::Guest>,
    /// Typed views of its exports, made when they are first used.
    guests: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
    fault: Option<Fault>,
    /// Given back after the store is gone: fields are dropped in this order.
    _seat: Seat,
}

impl Live {
    /// Instantiates and initialises. `init` runs before anything else, and an instance that refuses it is not used.
    pub(crate) async fn start(generation: &Generation, asked: &Asked) -> Result<Self> {
        Self::start_in(generation, generation.seat().await?, asked).await
    }

    /// The same, in a seat that was taken already.
    pub(crate) async fn start_in(generation: &Generation, seat: Seat, asked: &Asked) -> Result<Self> {
        let nobody: [Caller; 0] = [];
        let mut store = generation.new_store(&generation.own, nobody.into())?;
        store.data_mut().is_for(asked);
        Self::start_with(generation, &generation.own, store, seat).await
    }

    /// Starts one for another plugin, who called it and whose call ends at that tick: linked with what is left of its rights.
    pub(crate) async fn start_called(generation: &Generation, view: &Arc<View>, callers: Arc<[Caller]>, from: From) -> Result<Self> {
        let seat = generation.seat().await?;
        let mut store = generation.new_store(view, callers)?;
        store.data_mut().is_called(from);
        Self::start_with(generation, view, store, seat).await
    }

    async fn start_with(generation: &Generation, view: &View, mut store: Store<State>, seat: Seat) -> Result<Self> {
        // Instantiating runs guest code too: a start function, at least.
        store.data_mut().ledger.count_call();
        let started = guarded!(&mut store, generation, |store| view.pre.instantiate_async(store));
        let state = store.data();
        let is_callers = started.as_ref().is_err_and(|error| state.ends_with_caller(error.fault(), generation.ticker.now()));
        let instance = started.map_err(|error| match is_callers {
            true => error.of(&generation.subject),
            false => noted(&generation.account, error).of(&generation.subject),
        })?;
        let mut live = Self { store, instance, lifecycle: None, guests: Vec::new(), fault: None, _seat: seat };
        if let Some(indices) = &generation.lifecycle {
            let guest = lifecycle::load(indices, &mut live.store, &instance)
                .map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")).of(&generation.subject))?;
            let with = (&guest, &generation.configuration);
            let answer = live.call(generation, &with, |(guest, configuration), store| {
                Box::pin(async move { guest.call_init(store, configuration).await })
            });
            answer.await?.map_err(|refusal| Error::from_refusal(refusal.into()).of(&generation.subject))?;
            live.lifecycle = Some(guest);
        }
        Ok(live)
    }

    /// The next call waited for so long for a guest thread: part of its time.
    #[inline]
    pub(crate) fn has_waited(&mut self, waited: Duration) {
        self.store.data_mut().queued = waited;
    }

    /// Its exports as the point sees them.
    pub(crate) fn guest<P: Point>(&mut self, generation: &Generation) -> Result<Arc<P::Guest>> {
        let at = self.bind::<P>(generation)?;
        Ok(self.guests[at].1.clone().downcast().expect(KEYED))
    }

    /// Binds the point's exports, once; says where they are among the others.
    #[inline]
    fn bind<P: Point>(&mut self, generation: &Generation) -> Result<usize> {
        let wanted = TypeId::of::<P>();
        if let Some(at) = self.guests.iter().position(|(point, _)| *point == wanted) {
            return Ok(at);
        }
        let indices = generation.indices::<P>()?;
        let guest = P::load(&indices, self.store.as_context_mut(), &self.instance).map_err(|error| {
            Error::new(ErrorKind::Compile, format!("cannot bind `{}`: {error:#}", P::INTERFACE)).of(&generation.subject)
        })?;
        self.guests.push((wanted, Arc::new(guest)));
        Ok(self.guests.len() - 1)
    }

    /// Makes the point's main call.
    pub(crate) async fn ask<P: Call>(&mut self, generation: &Generation, input: &P::Input) -> Result<P::Output> {
        let at = self.bind::<P>(generation)?;
        let guest = self.guests[at].1.downcast_ref().expect(KEYED);
        // The same call, wherever it waited for its thread.
        self.store.data_mut().queued = GuestThreads::take_waited();
        begin(&mut self.store, &mut self.fault, generation)?;
        let answer = guarded!(&mut self.store, generation, |store| P::call(guest, store, input));
        end(&mut self.fault, generation, answer)?.map_err(|refusal| Error::from_refusal(refusal).of(&generation.subject))
    }

    /// Makes one call. `with` is whatever the call needs beside the store: typed bindings, an instance.
    pub(crate) async fn call<'w, W, R>(
        &'w mut self,
        generation: &'w Generation,
        with: &'w W,
        call: impl for<'a> FnOnce(&'a W, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>>,
    ) -> Result<R> {
        begin(&mut self.store, &mut self.fault, generation)?;
        let answer = guarded!(&mut self.store, generation, |store| call(with, store));
        self.end_of_call(generation, answer)
    }

    /// Calls a function of another plugin's choice by its types.
    pub(crate) async fn call_typed<P, R>(&mut self, generation: &Generation, function: &TypedFunc<P, R>, params: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        begin(&mut self.store, &mut self.fault, generation)?;
        let answer = guarded!(&mut self.store, generation, |store| function.call_async(store, params));
        self.end_of_call(generation, answer)
    }

    /// The same by values.
    pub(crate) async fn call_values(
        &mut self,
        generation: &Generation,
        function: &Func,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        begin(&mut self.store, &mut self.fault, generation)?;
        let answer = guarded!(&mut self.store, generation, |store| function.call_async(store, params, results));
        self.end_of_call(generation, answer)
    }

    /// Ends a resource of it that somebody had.
    pub(crate) async fn drop_resource(&mut self, generation: &Generation, resource: ResourceAny) -> Result<()> {
        begin(&mut self.store, &mut self.fault, generation)?;
        let answer = guarded!(&mut self.store, generation, |store| resource.resource_drop_async(store));
        self.end_of_call(generation, answer)
    }

    /// Whether this fault is one of its caller's time, and not of its own.
    pub(crate) fn ended_with_caller(&self, fault: Option<&Fault>, now: u64) -> bool {
        self.store.data().ends_with_caller(fault, now)
    }

    /// As [`end`], but that one which ends with its caller's deadline did nothing that would be noted of it.
    fn end_of_call<R>(&mut self, generation: &Generation, answer: Result<R>) -> Result<R> {
        let state = self.store.data();
        let is_callers = answer.as_ref().is_err_and(|error| state.ends_with_caller(error.fault(), generation.ticker.now()));
        match answer {
            Err(error) if is_callers => {
                self.fault = error.fault().cloned();
                Err(error.of(&generation.subject))
            }
            answer => end(&mut self.fault, generation, answer),
        }
    }

    /// An exported function, by the names of its interface and its own.
    pub(crate) fn function(&mut self, interface: &str, name: &str) -> Option<Func> {
        let parent = self.instance.get_export_index(&mut self.store, None, interface)?;
        let index = self.instance.get_export_index(&mut self.store, Some(&parent), name)?;
        self.instance.get_func(&mut self.store, index)
    }

    /// The next call is made by another plugin.
    pub(crate) fn is_called(&mut self, from: From) {
        self.store.data_mut().is_called(from);
    }

    /// Calls from here on are made by the host, for this one.
    #[inline]
    pub(crate) fn is_for(&mut self, asked: &Asked) {
        self.store.data_mut().is_for(asked);
    }

    /// Says goodbye: `shutdown`, unless a fault ended it already. What it answers changes nothing any more, so a refusal only goes to its log.
    pub(crate) async fn end(mut self, generation: &Generation) -> Spend {
        self.store.data_mut().is_ending();
        if let (Some(guest), None) = (self.lifecycle.take(), &self.fault) {
            let answer = self.call(generation, &guest, |guest, store| Box::pin(async move { guest.call_shutdown(store).await })).await;
            let refused = match answer {
                Ok(Ok(())) => None,
                Ok(Err(refusal)) => Some(Refusal::from(refusal).to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(refused) = refused {
                self.store.data().log.write(Level::Warn, &format!("`shutdown`: {refused}"));
            }
        }
        // After it: its last words may be a call to one of them.
        if let Some(chained) = self.store.data_mut().chained.take() {
            chained.end().await;
        }
        self.spend()
    }

    /// What it says of itself; nothing where it has no lifecycle.
    pub(crate) async fn health(&mut self, generation: &Generation) -> Result<String> {
        let Some(guest) = self.lifecycle.take() else { return Ok(String::new()) };
        let answer = self.call(generation, &guest, |guest, store| Box::pin(async move { guest.call_health(store).await })).await;
        self.lifecycle = Some(guest);
        answer?.map_err(|refusal| Error::from_refusal(refusal.into()).of(&generation.subject))
    }

    /// Tells it which version ran before.
    pub(crate) async fn migrate(&mut self, generation: &Generation, from_version: &str) -> Result<()> {
        let Some(guest) = self.lifecycle.take() else { return Ok(()) };
        let with = (&guest, from_version);
        let answer =
            self.call(generation, &with, |(guest, from), store| Box::pin(async move { guest.call_migrate(store, from).await })).await;
        self.lifecycle = Some(guest);
        answer?.map_err(|refusal| Error::from_refusal(refusal.into()).of(&generation.subject))
    }

    /// What it wants its successor to know.
    pub(crate) async fn snapshot(&mut self, generation: &Generation) -> Result<Vec<u8>> {
        let guest = self.guest::<Handover>(generation)?;
        // A snapshot has a limit of its own. A little more than it, so that one byte too many is told as such and not as a fault.
        let usual = self.store.hostcall_fuel();
        self.store.set_hostcall_fuel(usual.max(SNAPSHOT_BYTES_MAX + SNAPSHOT_FRAME_BYTES));
        let answer = self.call(generation, &*guest, |guest, store| Box::pin(async move { guest.call_snapshot(store).await })).await;
        self.store.set_hostcall_fuel(usual);
        let answer = answer?;
        answer.map_err(|refusal| Error::from_refusal(refusal.into()).of(&generation.subject))
    }

    /// Gives it what its predecessor left.
    pub(crate) async fn restore(&mut self, generation: &Generation, state: &Vec<u8>, from_version: &str) -> Result<()> {
        let guest = self.guest::<Handover>(generation)?;
        let with = (&*guest, state, from_version);
        let answer = self
            .call(generation, &with, |(guest, state, from), store| Box::pin(async move { guest.call_restore(store, state, from).await }));
        answer.await?.map_err(|refusal| Error::from_refusal(refusal.into()).of(&generation.subject))
    }

    /// Whether a fault or a cancelled call ended it.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The growth that was refused in the last call, if one was.
    pub(crate) fn refused_growth(&self) -> Option<Fault> {
        self.store.data().ledger.memory_fault()
    }

    /// Wall time inside its calls so far.
    #[inline]
    pub(crate) fn time(&self) -> Duration {
        self.store.data().ledger.spend.time
    }

    pub(crate) fn spend(&self) -> Spend {
        self.store.data().spend()
    }

    /// Several calls are about to be in it: until they are out again it counts as given up.
    pub(crate) fn is_in_use(&mut self) {
        self.fault = Some(Fault::Cancelled);
    }

    /// They are out again, and this is what became of it.
    pub(crate) fn is_out_of_use(&mut self, generation: &Generation, error: Option<&Error>) {
        self.fault = error.map(|error| error.fault().cloned().unwrap_or(Fault::Cancelled));
        if let Some(fault) = self.fault.as_ref().filter(|fault| **fault != Fault::Cancelled) {
            generation.account.faulted(fault);
        }
    }

    /// Who called it, where plugins did.
    pub(crate) fn callers(&mut self) -> Arc<[Caller]> {
        let chained = self.store.data().chained.as_ref();
        chained.map_or_else(|| Arc::from([]), |chained| chained.callers.clone())
    }

    pub(crate) fn store(&mut self) -> &mut Store<State> {
        &mut self.store
    }
}

/// Before a call: whether there is an instance to call.
#[inline]
fn begin(store: &mut Store<State>, fault: &mut Option<Fault>, generation: &Generation) -> Result<()> {
    if let Some(fault) = fault {
        return Err(Error::new(ErrorKind::Invalid, format!("the session has ended: its plugin {fault}")).of(&generation.subject));
    }
    // Set before the call and cleared after it: a caller that drops this future leaves a session that knows it was cancelled.
    *fault = Some(Fault::Cancelled);
    store.data_mut().ledger.count_call();
    Ok(())
}

/// After it: whether there still is.
#[inline]
fn end<R>(fault: &mut Option<Fault>, generation: &Generation, answer: Result<R>) -> Result<R> {
    match answer {
        Ok(value) => {
            *fault = None;
            Ok(value)
        }
        Err(error) => {
            // Also where the host failed in the middle of it: whatever the guest was doing, it did not finish.
            *fault = Some(error.fault().cloned().unwrap_or(Fault::Cancelled));
            Err(noted(&generation.account, error).of(&generation.subject))
        }
    }
}

/// Counts the fault within an error, if one is.
fn noted(account: &Account, error: Error) -> Error {
    if let Some(fault) = error.fault() {
        account.faulted(fault);
    }
    error
}
