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

use crate::account::Account;
use crate::error::{Error, ErrorKind, Result};
use crate::state::State;
use crate::ticker::{TICK, Ticker};

/// A boxed future that may borrow the guest and its store.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a running guest was stopped from outside: what the epoch callback answers.
#[derive(Debug)]
struct Stopped(Fault);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Stopped {}

/// Sets up a new store: limits, and the callback that looks after a running guest once a tick.
pub(crate) fn arm_store(store: &mut Store<State>, ticker: &Arc<Ticker>) {
    store.limiter(|state| &mut state.ledger);
    let fuel = usize::try_from(store.data().ledger.limits().call_data_bytes).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(fuel);
    store.set_max_component_handles(store.data().ledger.limits().handles as usize);
    let ticker = ticker.clone();
    store.epoch_deadline_callback(move |mut context| tick(context.data_mut(), ticker.now()).map_err(|fault| Stopped(fault).into()));
}

/// One tick in a running guest: whether it may go on. Once a tick it gives way to whatever else runs on its thread.
fn tick(state: &mut State, now: u64) -> std::result::Result<UpdateDeadline, Fault> {
    state.ledger.hand_over_at(now);
    let account = &state.ledger.account;
    if account.revoked() {
        return Err(Fault::Revoked);
    }
    if now >= state.deadline_tick {
        return Err(overrun(state));
    }
    if let Some(limit_per_second) = account.host_calls_passed() {
        let made = state.ledger.spend.host_calls - state.host_calls_before;
        return Err(Fault::HostCalls { limit_per_second, made });
    }
    let wait = account.cpu_wait();
    if wait.is_zero() {
        return Ok(UpdateDeadline::Yield(1));
    }
    // Never longer than its deadline, which goes on meanwhile.
    let wait = wait.min(Duration::from_millis(state.deadline_tick - now));
    account.waited(wait);
    state.waited += wait;
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(wait))))
}

/// What a call past its deadline died of: its own doing, or the wait for its plugin's share of the processor.
fn overrun(state: &State) -> Fault {
    let limits = state.ledger.limits();
    let ran = state.began.elapsed();
    match limits.cpu_percent {
        Some(limit_percent) if state.waited * 2 >= ran => Fault::Cpu { limit_percent, waited_ms: milliseconds(state.waited) },
        _ => Fault::Deadline { limit_ms: limits.deadline_ms, ran_ms: milliseconds(ran) },
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Runs one call. On a fault the store must not be used again.
pub(crate) async fn guarded<W, R>(
    store: &mut Store<State>,
    ticker: &Arc<Ticker>,
    account: &Account,
    with: &W,
    call: impl for<'a> FnOnce(&'a W, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>>,
) -> Result<R> {
    let _armed = ticker.arm();
    let state = store.data_mut();
    state.ledger.forget_refused();
    // Words of an earlier call, which did not trap after all, explain nothing.
    state.last_words = None;
    state.host_calls_before = state.ledger.spend.host_calls;
    let queued = state.queued;
    let limit_ms = state.ledger.limits().deadline_ms.saturating_sub(milliseconds(queued));
    state.waited = Duration::ZERO;
    if !account.may_run_at_once() {
        state.waited = admit(account, limit_ms).await.map_err(Error::from_fault)?;
    }
    // What it waited for is part of its time.
    let left_ms = if state.waited.is_zero() { limit_ms } else { limit_ms - milliseconds(state.waited).min(limit_ms) };
    // One tick more: the first may end at once.
    state.deadline_tick = ticker.now().saturating_add(left_ms).saturating_add(1);
    store.set_epoch_deadline(1);
    if let Some(fuel) = store.data().ledger.limits().fuel {
        // The engine was chosen to count, so this cannot fail; if it could, the call must not run unbounded.
        store.set_fuel(fuel).map_err(|error| Error::new(ErrorKind::Engine, format!("cannot give fuel: {error:#}")))?;
    }
    let started = Instant::now();
    let state = store.data_mut();
    let before = state.waited + queued;
    state.began = if before.is_zero() { started } else { started - before };
    let mut first_stretch = Duration::ZERO;
    let mut later_cpu = Duration::ZERO;
    let outcome = {
        let running = AssertUnwindSafe(call(with, wasmtime::AsContextMut::as_context_mut(store))).catch_unwind();
        Timed {
            running,
            left_ms,
            started,
            account,
            walls: None,
            first_stretch: &mut first_stretch,
            later_cpu: &mut later_cpu,
            ended: false,
        }
        .await
    };
    let state = store.data_mut();
    state.ledger.spend.time += if later_cpu.is_zero() { first_stretch } else { started.elapsed() };
    state.ledger.spend_cpu(first_stretch);
    state.ledger.spend.cpu += later_cpu;
    state.ledger.hand_over_at(ticker.now());
    match outcome {
        Outcome::Done(Ok(Ok(value))) => Ok(value),
        // The guest ran already, so it was not waiting for a place: a host function called it back until there was no stack left.
        Outcome::Done(Ok(Err(error))) if error.is::<PoolConcurrencyLimitError>() && error.is::<WasmBacktrace>() => {
            Err(Error::from_fault(Fault::Stack))
        }
        Outcome::Done(Ok(Err(error))) if error.is::<PoolConcurrencyLimitError>() => {
            Err(Error::new(ErrorKind::Engine, format!("no free instance: {error:#}; allow more with `Allocation::Pooling`")))
        }
        // A system call of the host's own failed (out of descriptors, of address space): not the guest's doing.
        Outcome::Done(Ok(Err(error))) if error.is::<std::io::Error>() || error.is::<rustix::io::Errno>() => {
            Err(Error::new(ErrorKind::Engine, format!("the host could not do its part: {error:#}")))
        }
        Outcome::Done(Ok(Err(error))) => Err(failed(fault_of(&error, store.data()), store.data())),
        Outcome::Done(Err(panic)) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
        Outcome::TimedOut => Err(failed(overrun(store.data()), store.data())),
        Outcome::Revoked => Err(Error::from_fault(Fault::Revoked)),
    }
}

/// The fault as an error. A call that had little of its time left when it began says nothing against its plugin.
fn failed(fault: Fault, state: &State) -> Error {
    let hurried = matches!(fault, Fault::Deadline { .. }) && state.queued * 2 >= state.began.elapsed();
    let error = Error::from_fault(fault);
    if hurried { error.hurried() } else { error }
}

/// Before a call of a plugin that was revoked or is in debt: says no, or waits until it may run. Gives the time waited.
#[cold]
async fn admit(account: &Account, limit_ms: u64) -> std::result::Result<Duration, Fault> {
    let started = Instant::now();
    let limit = Duration::from_millis(limit_ms);
    loop {
        if account.revoked() {
            return Err(Fault::Revoked);
        }
        if let Some(limit_per_second) = account.host_calls_passed() {
            return Err(Fault::HostCalls { limit_per_second, made: 0 });
        }
        let waited = started.elapsed();
        let wait = account.cpu_wait();
        if wait.is_zero() {
            account.waited(waited);
            return Ok(waited);
        }
        if waited >= limit {
            account.waited(waited);
            let limit_percent = account.limits().cpu_percent.unwrap_or_default();
            return Err(Fault::Cpu { limit_percent, waited_ms: milliseconds(waited) });
        }
        tokio::select! {
            () = tokio::time::sleep(wait.min(limit - waited)) => {}
            () = account.revocation() => {}
        }
    }
}

enum Outcome<T> {
    Done(T),
    TimedOut,
    Revoked,
}

/// What ends a call that waits in the host, where no epoch reaches it.
struct Walls<'a> {
    timer: Pin<Box<Sleep>>,
    revocation: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// A call with its walls and its meter. The meter reads the wall clock for the first stretch, whose two readings are needed anyway, and the
/// thread's own clock (ten times dearer) from then on.
struct Timed<'a, F> {
    running: F,
    /// Milliseconds until a wait in the host is cut off, less two ticks.
    left_ms: u64,
    started: Instant,
    account: &'a Account,
    /// Made only when the future first waits, so that a call that answers at once never pays for them.
    walls: Option<Walls<'a>>,
    first_stretch: &'a mut Duration,
    later_cpu: &'a mut Duration,
    /// Whether whoever waits was answered, and charges the rest.
    ended: bool,
}

impl<F: Future + Unpin> Future for Timed<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = if this.walls.is_none() {
            let polled = Pin::new(&mut this.running).poll(context);
            *this.first_stretch = this.started.elapsed();
            polled
        } else {
            let before = thread_time();
            let polled = Pin::new(&mut this.running).poll(context);
            let spent = thread_time().saturating_sub(before);
            *this.later_cpu += spent;
            this.account.spend_cpu(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
            polled
        };
        if let Poll::Ready(output) = polled {
            this.ended = true;
            return Poll::Ready(Outcome::Done(output));
        }
        let walls = this.walls.get_or_insert_with(|| Walls {
            timer: Box::pin(tokio::time::sleep(Duration::from_millis(this.left_ms) + 2 * TICK)),
            revocation: Box::pin(this.account.revocation()),
        });
        let stopped = if walls.revocation.as_mut().poll(context).is_ready() {
            Outcome::Revoked
        } else if walls.timer.as_mut().poll(context).is_ready() {
            Outcome::TimedOut
        } else {
            return Poll::Pending;
        };
        this.ended = true;
        Poll::Ready(stopped)
    }
}

impl<F> Drop for Timed<'_, F> {
    fn drop(&mut self) {
        // The caller went away in the middle: nobody else will charge the first stretch.
        if !self.ended {
            self.account.spend_cpu(u64::try_from(self.first_stretch.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn fault_of(error: &wasmtime::Error, state: &State) -> Fault {
    if let Some(Stopped(fault)) = error.downcast_ref() {
        return fault.clone();
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Fault::Exit { code: exit.0 };
    }
    if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
        return Fault::Stack;
    }
    if let (Some(Trap::OutOfFuel), Some(limit)) = (error.downcast_ref::<Trap>(), state.ledger.limits().fuel) {
        return Fault::Fuel { limit };
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
