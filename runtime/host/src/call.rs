//! One guarded guest call: deadline, panic barrier, accounting, and the name of whatever went wrong.
//!
//! The deadline has two walls. The epoch callback ends guest code; a timer ends the future when the guest sits in a host call. The timer is
//! made only when the future first waits, so that a call that answers at once never pays for it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use plugwork_core::Fault;
use tokio::time::Sleep;
use wasmtime::{PoolConcurrencyLimitError, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace};

use crate::error::{Error, ErrorKind, Result};
use crate::state::State;
use crate::ticker::{TICK, Ticker};

/// A boxed future that may borrow the guest and its store.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Debug)]
struct DeadlinePassed;

impl std::fmt::Display for DeadlinePassed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("deadline passed")
    }
}

impl std::error::Error for DeadlinePassed {}

/// Sets up a new store: limits, and the callback that ends a call past its deadline.
pub(crate) fn arm_store(store: &mut Store<State>, ticker: &Arc<Ticker>) {
    store.limiter(|state| &mut state.ledger);
    let fuel = usize::try_from(store.data().ledger.limits().call_data_bytes).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(fuel);
    let ticker = ticker.clone();
    store.epoch_deadline_callback(move |context| {
        if ticker.now() >= context.data().deadline_tick {
            return Err(DeadlinePassed.into());
        }
        // Once a tick the guest gives way to whatever else runs on its thread.
        Ok(UpdateDeadline::Yield(1))
    });
}

/// Runs one call. On a fault the store must not be used again.
pub(crate) async fn guarded<W, R>(
    store: &mut Store<State>,
    ticker: &Arc<Ticker>,
    with: &W,
    call: impl for<'a> FnOnce(&'a W, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>>,
) -> Result<R> {
    let _armed = ticker.arm();
    let state = store.data_mut();
    state.ledger.begin_call();
    // Words of an earlier call, which did not trap after all, explain nothing.
    state.last_words = None;
    let limit_ms = state.ledger.limits().deadline_ms;
    // One tick more: the first may end at once.
    state.deadline_tick = ticker.now().saturating_add(limit_ms).saturating_add(1);
    store.set_epoch_deadline(1);
    let started = Instant::now();
    let outcome = {
        let running = AssertUnwindSafe(call(with, wasmtime::AsContextMut::as_context_mut(store))).catch_unwind();
        Timed { running, limit: Duration::from_millis(limit_ms) + 2 * TICK, timer: None }.await
    };
    store.data_mut().ledger.spend.time += started.elapsed();
    match outcome {
        Some(Ok(Ok(value))) => Ok(value),
        Some(Ok(Err(error))) if error.is::<PoolConcurrencyLimitError>() => {
            Err(Error::new(ErrorKind::Engine, format!("no free instance: {error:#}; allow more with `Allocation::Pooling`")))
        }
        // A system call of the host's own failed (out of descriptors, of address space): not the guest's doing.
        Some(Ok(Err(error))) if error.is::<std::io::Error>() || error.is::<rustix::io::Errno>() => {
            Err(Error::new(ErrorKind::Engine, format!("the host could not do its part: {error:#}")))
        }
        Some(Ok(Err(error))) => Err(Error::from_fault(fault_of(&error, store.data()))),
        Some(Err(panic)) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
        None => Err(Error::from_fault(Fault::Deadline { limit_ms })),
    }
}

struct Timed<F> {
    running: F,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future + Unpin> Future for Timed<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(output) = Pin::new(&mut this.running).poll(context) {
            return Poll::Ready(Some(output));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.limit)));
        timer.as_mut().poll(context).map(|()| None)
    }
}

fn fault_of(error: &wasmtime::Error, state: &State) -> Fault {
    if error.downcast_ref::<DeadlinePassed>().is_some() {
        return Fault::Deadline { limit_ms: state.ledger.limits().deadline_ms };
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Fault::Exit { code: exit.0 };
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        return Fault::Stack;
    }
    // A guest that is refused memory aborts, and its allocator may say so first: memory is the cause, the words are not.
    if let Some(fault) = state.ledger.memory_fault() {
        return fault;
    }
    if let Some((message, stack)) = state.last_words.clone() {
        return Fault::Panic { message, stack };
    }
    // wasmtime has no type for spent hostcall fuel, only this text.
    let text = format!("{:#}", root_cause(error));
    if text.contains("fuel allocated for hostcalls has been exhausted") {
        return Fault::Data { limit_bytes: state.ledger.limits().call_data_bytes };
    }
    Fault::Trap { message: text, backtrace: backtrace_of(error) }
}

fn root_cause(error: &wasmtime::Error) -> String {
    match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => format!("{}", error.root_cause()),
    }
}

fn backtrace_of(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    backtrace
        .frames()
        .iter()
        .map(|frame| {
            let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), demangle);
            match frame.module().name() {
                Some(module) => format!("{name} in {module}"),
                None => name,
            }
        })
        .collect()
}

fn demangle(name: &str) -> String {
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"))
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
