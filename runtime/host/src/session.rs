//! A session: one instance, held by its caller. Every call has its own deadline; any fault ends the session.
//!
//! Resources that a point returns (a cursor, an analysis) live in the session's instance and die with it.

use std::fmt;

use plugwork_core::{Fault, Subject};
use wasmtime::component::Instance;
use wasmtime::{Store, StoreContextMut};

use crate::account::Account;
use crate::call::{self, Running};
use crate::error::{Error, ErrorKind, Result};
use crate::interfaces;
use crate::ledger::Spend;
use crate::plugin::Plugin;
use crate::point::Point;
use crate::state::State;

/// An instance that exists, without a view of its exports.
pub(crate) struct Live {
    store: Store<State>,
    pub(crate) instance: Instance,
    plugin: Plugin,
    lifecycle: Option<interfaces::lifecycle::Guest>,
    fault: Option<Fault>,
}

impl Live {
    /// Instantiates and initialises. `init` runs before anything else, and an instance that refuses it is not used.
    pub(crate) async fn start(plugin: &Plugin) -> Result<Self> {
        let generation = plugin.generation();
        let mut store = generation.new_store()?;
        // Instantiating runs guest code too: a start function, at least.
        store.data_mut().ledger.count_call();
        let instantiate = call::guarded(&mut store, &generation.ticker, &generation.account, &generation.pre, |pre, store| {
            Box::pin(async move { pre.instantiate_async(store).await })
        });
        let started = instantiate.await;
        let instance = started.map_err(|error| noted(&generation.account, error).of(plugin.subject()))?;
        let mut live = Self { store, instance, plugin: plugin.clone(), lifecycle: None, fault: None };
        if let Some(indices) = &generation.lifecycle {
            let guest = interfaces::lifecycle::load(indices, &mut live.store, &instance)
                .map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")).of(plugin.subject()))?;
            live.call(&(&guest, &generation.configuration), |(guest, config), store| {
                Box::pin(async move { guest.call_init(store, config).await })
            })
            .await?
            .map_err(|refusal| Error::from_refusal(refusal.into()).of(plugin.subject()))?;
            live.lifecycle = Some(guest);
        }
        Ok(live)
    }

    /// Makes one call. `with` is whatever the call needs beside the store: typed bindings, an instance.
    pub(crate) async fn call<'w, W, R>(
        &'w mut self,
        with: &'w W,
        call: impl for<'a> FnOnce(&'a W, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>>,
    ) -> Result<R> {
        if let Some(fault) = &self.fault {
            return Err(Error::new(ErrorKind::Invalid, format!("the session has ended: its plugin {fault}")).of(self.plugin.subject()));
        }
        // Set before the call and cleared after it: a caller that drops this future leaves a session that knows it was cancelled.
        self.fault = Some(Fault::Cancelled);
        self.store.data_mut().ledger.count_call();
        let generation = self.plugin.generation();
        match call::guarded(&mut self.store, &generation.ticker, &generation.account, with, call).await {
            Ok(value) => {
                self.fault = None;
                Ok(value)
            }
            Err(error) => {
                // Also where the host failed in the middle of it: whatever the guest was doing, it did not finish.
                self.fault = Some(error.fault().cloned().unwrap_or(Fault::Cancelled));
                Err(noted(&generation.account, error).of(self.plugin.subject()))
            }
        }
    }

    /// Says goodbye: `shutdown`, unless a fault ended it already. What it answers changes nothing any more, so a refusal only goes to its log.
    pub(crate) async fn end(mut self) -> Spend {
        if let (Some(guest), None) = (self.lifecycle.take(), &self.fault) {
            let answer = self.call(&guest, |guest, store| Box::pin(async move { guest.call_shutdown(store).await })).await;
            let refused = match answer {
                Ok(Ok(())) => None,
                Ok(Err(refusal)) => Some(plugwork_core::Refusal::from(refusal).to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(refused) = refused {
                self.store.data().log.write(crate::log::Level::Warn, &format!("`shutdown`: {refused}"));
            }
        }
        self.spend()
    }

    pub(crate) fn spend(&self) -> Spend {
        self.store.data().spend()
    }

    pub(crate) fn store(&mut self) -> &mut Store<State> {
        &mut self.store
    }
}

/// Counts the fault within an error, if one is.
fn noted(account: &Account, error: Error) -> Error {
    if let Some(fault) = error.fault() {
        account.faulted(fault);
    }
    error
}

/// One instance of a plugin, seen through the point `P`.
pub struct Session<P: Point> {
    live: Live,
    guest: P::Guest,
}

impl<P: Point> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} as {}{})", self.subject(), P::INTERFACE, if self.has_ended() { ", ended" } else { "" })
    }
}

impl<P: Point> Session<P> {
    pub(crate) async fn start(plugin: &Plugin, indices: &P::Indices) -> Result<Self> {
        let mut live = Live::start(plugin).await?;
        let instance = live.instance;
        let guest = P::load(indices, wasmtime::AsContextMut::as_context_mut(live.store()), &instance)
            .map_err(|error| Error::new(ErrorKind::Compile, format!("cannot bind `{}`: {error:#}", P::INTERFACE)).of(plugin.subject()))?;
        Ok(Self { live, guest })
    }

    /// Makes one call, within its own deadline. After a fault the session has ended: every further call is an error.
    ///
    /// A future that is dropped before it is done cancels the call and ends the session.
    pub async fn call<R>(
        &mut self,
        call: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>>,
    ) -> Result<R> {
        let guest = &self.guest;
        self.live.call(guest, call).await
    }

    /// As [`Session::call`], with something borrowed for the call: the closure alone cannot borrow from its surroundings.
    pub async fn call_with<W: Sync, R>(
        &mut self,
        with: &W,
        call: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>, &'a W) -> Running<'a, wasmtime::Result<R>>,
    ) -> Result<R> {
        self.live.call(&(&self.guest, with), |(guest, with), store| call(guest, store, with)).await
    }

    /// Ends the session on purpose: the plugin's `shutdown` is called, unless a fault ended it already. A session that is only dropped says
    /// nothing to its plugin.
    pub async fn end(self) -> Spend {
        self.live.end().await
    }

    /// What the instance has used so far.
    pub fn spend(&self) -> Spend {
        self.live.spend()
    }

    /// Whose plugin it is.
    pub fn subject(&self) -> &Subject {
        self.live.plugin.subject()
    }

    /// The growth that was refused in the last call, if one was: a guest that catches it answers in words of its own.
    pub fn refused_growth(&self) -> Option<Fault> {
        self.live.store.data().ledger.memory_fault()
    }

    /// Whether a fault or a cancelled call ended it.
    pub fn has_ended(&self) -> bool {
        self.live.fault.is_some()
    }
}
