//! One guarded guest call: deadline, panic barrier, accounting, and the name of whatever went wrong.
//!
//! The deadline has two walls. The epoch callback ends guest code; a timer ends the future when the guest sits in a host call. The timer is
//! made only when the future first waits, so that a call that answers at once never pays for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use plugwork_core::Fault;
use tokio::time::Sleep;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::account::Account;
use crate::error::{Error, ErrorKind, Result};
use crate::interfaces::http::client_wait::ClientWait;
use crate::lateness::Lateness;
use crate::state::State;
use crate::ticker::{Armed, TICK, Ticker};

/// How much later than its deadline a call may end by the clock, where the ticks do not say so.
const LATE_MAX: Duration = Duration::from_millis(500);

/// A boxed future that may borrow the guest and its store.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a running guest was stopped from outside: what the epoch callback answers.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Fault);

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
    store.epoch_deadline_callback(move |mut context| tick(context.data_mut(), ticker.touch()).map_err(|fault| Stopped(fault).into()));
}

/// One tick in a running guest: whether it may go on. Once a tick it gives way to whatever else runs on its thread.
fn tick(state: &mut State, now: u64) -> std::result::Result<UpdateDeadline, Fault> {
    state.ledger.hand_over_at(now);
    let account = &state.ledger.account;
    if account.revoked() {
        return Err(Fault::Revoked);
    }
    // By the clock too, with some patience: the ticks stand still while a host function blocks its thread and nobody else is called.
    let is_over = match &state.room {
        Some(room) => room.is_held_too_long(now),
        None => now >= state.deadline_tick || state.began.elapsed() > Duration::from_millis(state.ledger.limits().deadline_ms) + LATE_MAX,
    };
    if is_over {
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
    let until = state.room.as_ref().map_or(state.deadline_tick, |room| room.until());
    let wait = wait.min(Duration::from_millis(until.saturating_sub(now).max(1)));
    account.waited(wait);
    state.waited += wait;
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::time::sleep(wait))))
}

/// What a call past its deadline died of: its own doing, or the wait for its plugin's share of the processor.
pub(crate) fn overrun(state: &State) -> Fault {
    let limits = state.ledger.limits();
    let ran = state.began.elapsed();
    match limits.cpu_percent {
        Some(limit_percent) if state.waited * 2 >= ran => Fault::Cpu { limit_percent, waited_ms: milliseconds(state.waited) },
        _ => Fault::Deadline { limit_ms: limits.deadline_ms, ran_ms: milliseconds(ran) },
    }
}

/// Whole ones, as in the name of a fault.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Arms the store, makes the call with `$store` in hand, and settles what it used: one guarded call, as a macro, because the future that the
/// call makes borrows the store, and a closure that made it would need a type that cannot be written down without boxing it: a tenth of a warm
/// call. On a fault the store must not be used again.
macro_rules! guarded {
    ($store:expr, $generation:expr, |$inner:ident| $call:expr) => {{
        let begun = match $crate::call::begin($store, &$generation.ticker, &$generation.account) {
            Some(begun) => Ok(begun),
            None => $crate::call::begin_later($store, &$generation.ticker, &$generation.account).await,
        };
        match begun {
            Ok(begun) => {
                let mut meter = $crate::call::Meter::default();
                let outcome = {
                    let $inner = ::wasmtime::AsContextMut::as_context_mut($store);
                    let running = ::futures::FutureExt::catch_unwind(::std::panic::AssertUnwindSafe($call));
                    begun.watch(::std::pin::pin!(running), &mut meter).await
                };
                begun.settle($store, &meter, outcome)
            }
            Err(error) => Err(error),
        }
    }};
}
pub(crate) use guarded;

/// A call that may run now.
pub(crate) struct Begun<'a> {
    ticker: &'a Ticker,
    account: &'a Account,
    left_ms: u64,
    started: Instant,
}

/// What a call used of the processor.
#[derive(Default)]
pub(crate) struct Meter {
    first_stretch: Duration,
    later_cpu: Duration,
}

/// Arms the store for one call; `None` where that has to wait, or cannot be.
#[inline]
pub(crate) fn begin<'a>(store: &mut Store<State>, ticker: &'a Ticker, account: &'a Account) -> Option<Begun<'a>> {
    let limits = store.data().ledger.limits();
    (account.may_run_at_once() && limits.fuel.is_none()).then(|| armed(store, ticker, account, Duration::ZERO))
}

/// The same for all others.
#[cold]
pub(crate) async fn begin_later<'a>(store: &mut Store<State>, ticker: &'a Ticker, account: &'a Account) -> Result<Begun<'a>> {
    let limits = *store.data().ledger.limits();
    let mut waited = Duration::ZERO;
    if !account.may_run_at_once() {
        let _armed = ticker.arm();
        let queued_ms = milliseconds(store.data().queued);
        waited = admit(account, limits.deadline_ms.saturating_sub(queued_ms)).await.map_err(Error::from_fault)?;
    }
    if let Some(fuel) = limits.fuel {
        // The engine was chosen to count, so this cannot fail; if it could, the call must not run unbounded.
        store.set_fuel(fuel).map_err(|error| Error::new(ErrorKind::Engine, format!("cannot give fuel: {error:#}")))?;
    }
    Ok(armed(store, ticker, account, waited))
}

#[inline]
fn armed<'a>(store: &mut Store<State>, ticker: &'a Ticker, account: &'a Account, waited: Duration) -> Begun<'a> {
    // Before the ticker is touched: see there.
    store.set_epoch_deadline(1);
    let state = store.data_mut();
    state.begins_anew();
    state.waited = waited;
    let before = waited + state.queued;
    let limit_ms = state.ledger.limits().deadline_ms;
    // What it waited for is part of its time.
    let left_ms = if before.is_zero() { limit_ms } else { limit_ms - milliseconds(before).min(limit_ms) };
    let tick = ticker.touch();
    // A guard that waits in the host is given up as one that works.
    let left_ms = state.asked.as_ref().map_or(left_ms, |asked| asked.until_tick.saturating_sub(tick).min(left_ms));
    // One tick more: the first may end at once.
    state.deadline_tick = tick.saturating_add(left_ms).saturating_add(1).min(state.until_tick);
    let started = Instant::now();
    state.began = if before.is_zero() { started } else { started - before };
    Begun { ticker, account, left_ms, started }
}

impl Begun<'_> {
    /// The call, with its walls and its meter.
    #[inline]
    pub(crate) fn watch<'a, F: Future>(&'a self, running: Pin<&'a mut F>, meter: &'a mut Meter) -> Timed<'a, F> {
        let Meter { first_stretch, later_cpu } = meter;
        Timed {
            running,
            left_ms: self.left_ms,
            started: self.started,
            account: self.account,
            ticker: self.ticker,
            walls: None,
            first_stretch,
            later_cpu,
            ended: false,
        }
    }

    /// Enters what it used, and names what went wrong.
    #[inline]
    pub(crate) fn settle<R>(
        self,
        store: &mut Store<State>,
        meter: &Meter,
        outcome: Outcome<std::thread::Result<wasmtime::Result<R>>>,
    ) -> Result<R> {
        let state = store.data_mut();
        state.ledger.spend.time += if meter.later_cpu.is_zero() { meter.first_stretch } else { self.started.elapsed() };
        state.ledger.spend_cpu(meter.first_stretch);
        state.ledger.spend.cpu += meter.later_cpu;
        state.ledger.hand_over_at(self.ticker.now());
        let answer = match outcome {
            Outcome::Done(Ok(Ok(value))) => Ok(value),
            Outcome::Done(Ok(Err(error))) => Err(named(&error, store.data(), meter)),
            Outcome::Done(Err(panic)) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
            Outcome::TimedOut => Err(failed(overrun(store.data()), store.data(), meter)),
            Outcome::Revoked => Err(Error::from_fault(Fault::Revoked)),
        };
        // It was this call's wait.
        store.data_mut().queued = Duration::ZERO;
        answer
    }
}

/// An error of the engine: ours, or a fault of the plugin.
#[cold]
pub(crate) fn named(error: &wasmtime::Error, state: &State, meter: &Meter) -> Error {
    // The guest ran already, so it was not waiting for a place: a host function called it back until there was no stack left.
    if error.is::<PoolConcurrencyLimitError>() && error.is::<WasmBacktrace>() {
        return Error::from_fault(Fault::Stack);
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Error::new(ErrorKind::Engine, format!("no free instance: {error:#}; allow more with `Allocation::Pooling`"));
    }
    // A system call of the host's own failed (out of descriptors, of address space): not the guest's doing.
    if error.is::<std::io::Error>() || error.is::<rustix::io::Errno>() {
        return Error::new(ErrorKind::Engine, format!("the host could not do its part: {error:#}"));
    }
    failed(fault_of(error, state), state, meter)
}

/// The fault as an error.
fn failed(fault: Fault, state: &State, meter: &Meter) -> Error {
    let is_late = matches!(fault, Fault::Deadline { .. });
    let error = Error::from_fault(fault);
    if !is_late {
        return error;
    }
    let (ran, queued) = (state.began.elapsed(), state.queued);
    // A guest that works all the time does not wait, whatever its client does.
    let worked = meter.first_stretch + meter.later_cpu;
    let client = state.client_wait.as_ref().map_or(Duration::ZERO, ClientWait::total).min(ran.saturating_sub(worked + queued));
    Lateness { ran, queued, client }.tell(error)
}

/// Before a call of a plugin that was revoked or is in debt: says no, or waits until it may run. Gives the time waited.
#[cold]
pub(crate) async fn admit(account: &Account, limit_ms: u64) -> std::result::Result<Duration, Fault> {
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

/// How a call ended.
pub(crate) enum Outcome<T> {
    Done(T),
    TimedOut,
    Revoked,
}

/// What ends a call that waits in the host, where no epoch reaches it.
struct Walls<'a> {
    /// Its deadline is counted in ticks, and nobody else may be there who needs them.
    _armed: Armed<'a>,
    timer: Pin<Box<Sleep>>,
    revocation: Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// A call with its walls and its meter. The meter reads the wall clock for the first stretch, whose two readings are needed anyway, and the
/// thread's own clock (ten times dearer) from then on.
pub(crate) struct Timed<'a, F> {
    running: Pin<&'a mut F>,
    /// Milliseconds until a wait in the host is cut off, less two ticks.
    left_ms: u64,
    started: Instant,
    account: &'a Account,
    ticker: &'a Ticker,
    /// Made only when the future first waits, so that a call that answers at once never pays for them.
    walls: Option<Walls<'a>>,
    first_stretch: &'a mut Duration,
    later_cpu: &'a mut Duration,
    /// Whether whoever waits was answered, and charges the rest.
    ended: bool,
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = if this.walls.is_none() {
            let polled = this.running.as_mut().poll(context);
            *this.first_stretch = this.started.elapsed();
            polled
        } else {
            let before = thread_time();
            let polled = this.running.as_mut().poll(context);
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
            _armed: this.ticker.arm(),
            // From its beginning: a host function may have kept the thread for long before anything waits.
            timer: Box::pin(tokio::time::sleep_until((this.started + Duration::from_millis(this.left_ms) + 2 * TICK).into())),
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
pub(crate) fn thread_time() -> Duration {
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
