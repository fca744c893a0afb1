//! One instance of another plugin within an instance of its caller: made at the first call, called by one at a time, ended with its caller.
//!
//! While it is called it is out of its place, so that whatever happens to that call, nobody finds it half way. Easily got wrong: it belongs to a version. When that
//! closes (its plugin was replaced, disabled, removed) the next call makes one of the version that came after it, and handles of the old one are no more.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use plugwork_core::Fault;
use plugwork_core::chain::{CHAIN_PLUGINS_MAX, Caller};
use plugwork_core::events::Chain;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, Type, Val};
use wasmtime::{StoreContextMut, format_err};

use super::Provider;
use super::broker::Called;
use super::failed;
use super::handles::Owner;
use crate::breaker::{Guarded, Permit};
use crate::cause::Cause;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::{Entered, Generation};
use crate::guards::{Asked, Call as GuardedCall};
use crate::live::Live;
use crate::runtime::Shared;
use crate::state::State;
use crate::usage::HostInterface;

/// How often a version is looked for that is not closed by the time it is entered.
const ENTERS_MAX: usize = 3;

/// An instance of another plugin.
pub(super) struct Callee {
    generation: Arc<Generation>,
    breaker: Arc<Guarded>,
    /// Whether it has all of its rights: then it says something of its version how it does.
    has_all: bool,
    live: Live,
    /// Its functions, bound when they are first called, by number.
    functions: Vec<Option<Box<dyn Any + Send + Sync>>>,
    made: u64,
}

/// A call that came to nothing.
pub(super) struct Failed {
    fault: Fault,
    message: String,
}

impl Failed {
    fn of(plugin: &str, error: &Error) -> Self {
        Self { fault: failed::fault(plugin, error), message: error.to_string() }
    }

    /// The caller's own time is over, or its call was given up: there is nobody to tell.
    fn caller(fault: Fault) -> Self {
        Self { message: fault.to_string(), fault }
    }

    /// As an answer of this type, or as the end of the caller's call.
    pub(super) fn told(self, ty: Option<&Type>, results: &mut [Val]) -> wasmtime::Result<()> {
        let can_be_told = matches!(self.fault, Fault::Callee { .. });
        match (ty.filter(|_| can_be_told).and_then(|ty| failed::unavailable(ty, &self.message)), results.first_mut()) {
            (Some(answer), Some(result)) => {
                *result = answer;
                Ok(())
            }
            _ => Err(failed::stopped(self.fault)),
        }
    }
}

/// What a callee has to know of the call in which it is called.
pub(crate) struct From {
    /// The tick at which that one ends.
    pub(crate) until_tick: u64,
    /// What that one is made for.
    pub(crate) cause: Option<Arc<Cause>>,
    /// The chain of events that it answers, so that no call begins another one.
    pub(crate) answering: Option<Chain>,
    /// For whom it is made, as guards are told.
    pub(crate) asked: Asked,
}

pub(super) fn caller(store: &StoreContextMut<'_, State>) -> From {
    let state = store.data();
    let cause = state.is_caused.then(|| state.log.cause()).flatten();
    From { until_tick: state.deadline_tick, cause, answering: state.answering_events, asked: state.asked.clone() }
}

/// Calls a function by its types.
pub(super) async fn call_typed<P, R>(mut store: StoreContextMut<'_, State>, line: &Called, params: P) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let (mut callee, owner) = take(&mut store, line).await.map_err(|failed| failed::stopped(failed.fault))?;
    let answer = callee.call_types::<P, R>(caller(&store), line, params).await;
    done(&mut store, owner, callee, answer).map_err(|failed| failed::stopped(failed.fault))
}

/// Takes the callee out of its place, or makes one.
pub(super) async fn take(store: &mut StoreContextMut<'_, State>, line: &Called) -> std::result::Result<(Box<Callee>, Owner), Failed> {
    let state = store.data_mut().counted_as(HostInterface::Plugin);
    let Some(chained) = state.chained.as_mut() else {
        return Err(Failed::of("", &Error::new(ErrorKind::Invalid, "an instance without wires calls nobody")));
    };
    if let Some(callee) = chained.callees[line.slot].take() {
        let owner = Owner { slot: line.slot, made: callee.made };
        // One of a version that is closed is not called again; what it held is given back here.
        if !callee.generation.is_closed() {
            if callee.generation.guarded.is_empty() {
                return Ok((callee, owner));
            }
            return Box::pin(callee.allowed(store, line, owner)).await;
        }
        callee.end().await;
    }
    // Boxed: nearly every call finds one.
    Box::pin(make(store, line)).await
}

async fn make(store: &mut StoreContextMut<'_, State>, line: &Called) -> std::result::Result<(Box<Callee>, Owner), Failed> {
    let (from, slot) = (caller(store), line.slot);
    let state = store.data_mut();
    let subject = state.subject.clone();
    let Some(chained) = state.chained.as_mut() else {
        return Err(Failed::of("", &Error::new(ErrorKind::Invalid, "an instance without wires calls nobody")));
    };
    let provider = chained.wires.providers[slot].clone();
    let name = provider.name();
    let failed = |error: Error| Failed::of(&name, &error);
    // Itself, those who called it, and the one to be called.
    if chained.callers.len() + 2 > CHAIN_PLUGINS_MAX {
        let message = format!("{} plugins have called each other already, and at most {CHAIN_PLUGINS_MAX} may", chained.callers.len() + 1);
        return Err(failed(Error::new(ErrorKind::Refused, message)));
    }
    let (version, runtime) = (chained.wires.version.clone(), chained.wires.runtime.upgrade());
    let itself = Caller { subject: (*subject).clone(), version };
    let callers: Arc<[Caller]> = chained.callers.iter().cloned().chain([itself]).collect();
    chained.made += 1;
    let (made, view) = (chained.made, chained.view.clone());
    let until_tick = from.until_tick;
    let wires = chained.wires.clone();
    let (generation, breaker, has_all, live) = {
        let Some(runtime) = runtime else { return Err(failed(Error::new(ErrorKind::Unavailable, "its runtime is closed"))) };
        let settings = runtime.breaker;
        let (_entered, generation) = enter(&provider, runtime).await.map_err(failed)?;
        let breaker = wires.breakers.of(&generation, settings);
        if let Some(answer) = generation.asks(&line.guarded(&callers, &from.asked, from.answering)) {
            answer.await.map_err(failed)?;
        }
        let now_ms = generation.now_ms();
        let permit = breaker.admit(now_ms).map_err(|open| failed(tripped(&generation, open.retry_after_ms)))?;
        let linked = view.of_callee(&generation).map_err(failed)?;
        let has_all = Arc::ptr_eq(&linked, &generation.own);
        match Live::start_called(&generation, &linked, callers, from).await {
            // Given back untold: it is a call that says how it does.
            Ok(live) => {
                drop(permit);
                (generation, breaker, has_all, live)
            }
            Err(error) => {
                if matches!(error.fault(), Some(Fault::Deadline { .. } | Fault::Cpu { .. })) && generation.ticker.now() >= until_tick {
                    return Err(Failed::caller(crate::call::overrun(store.data())));
                }
                told(&generation, &breaker, has_all, permit, Duration::ZERO, Some(&error));
                return Err(failed(error));
            }
        }
    };
    let callee = Callee { generation, breaker, has_all, live, functions: Vec::new(), made };
    Ok((Box::new(callee), Owner { slot, made }))
}

/// Begins a call in the version that is current; once more where that closed in between.
async fn enter(provider: &Provider, runtime: Arc<Shared>) -> Result<(Entered, Arc<Generation>)> {
    for _ in 0..ENTERS_MAX {
        let generation = provider.current(Some(runtime.clone())).await?;
        if let Some(entered) = generation.enter() {
            return Ok((entered, generation));
        }
    }
    Err(Error::new(ErrorKind::Unavailable, format!("`{}` was replaced, disabled or removed", provider.name())))
}

fn tripped(generation: &Generation, retry_after_ms: u64) -> Error {
    let message = "it failed too often in calls of this plugin, which may not call it for a while (the breaker between them is open)";
    Error::new(ErrorKind::Unavailable, message).retry_after(retry_after_ms).of(&generation.subject)
}

/// Notes how a call ended, for the breaker between the two and, where the callee had all of its rights, for the watch over its version.
fn told(generation: &Generation, breaker: &Guarded, has_all: bool, permit: Permit<'_>, time: Duration, error: Option<&Error>) {
    let faulted = Error::says_of_plugin(error);
    if let (true, Some(faulted)) = (has_all, faulted) {
        generation.work.observed.add(time, faulted);
    }
    breaker.told(permit, generation.now_ms(), faulted);
}

/// Puts the callee back where it can be called again.
pub(super) fn put_back(store: &mut StoreContextMut<'_, State>, owner: Owner, callee: Box<Callee>) {
    if let Some(chained) = store.data_mut().chained.as_mut() {
        chained.callees[owner.slot] = Some(callee);
    }
}

/// After a call: keeps a callee that can be called again, and says what the caller is told.
pub(super) fn done<T>(
    store: &mut StoreContextMut<'_, State>,
    owner: Owner,
    callee: Box<Callee>,
    answer: Result<T>,
) -> std::result::Result<T, Failed> {
    match answer {
        Ok(value) => {
            put_back(store, owner, callee);
            Ok(value)
        }
        Err(error) => {
            let state = store.data();
            let is_over = state.is_over(callee.generation.ticker.now());
            let failed = match error.fault() {
                Some(Fault::Deadline { .. } | Fault::Cpu { .. }) if is_over => Failed::caller(crate::call::overrun(state)),
                _ => Failed::of(&callee.generation.subject.to_string(), &error),
            };
            // It did not run, and can be asked again.
            if error.fault().is_none() && callee.live.fault().is_none() {
                put_back(store, owner, callee);
            }
            Err(failed)
        }
    }
}

/// Ends a resource that the caller let go of.
pub(super) async fn drop_handle(mut store: StoreContextMut<'_, State>, rep: u32) -> wasmtime::Result<()> {
    let Some(chained) = store.data_mut().chained.as_mut() else { return Ok(()) };
    let Some((owner, resource)) = chained.handles.take(rep) else { return Ok(()) };
    // Of one that is gone: there is nothing left to end.
    let Some(mut callee) = chained.callees[owner.slot].take_if(|callee| callee.made == owner.made) else { return Ok(()) };
    let from = caller(&store);
    let answer = callee.guarded(from, async |live, generation| live.drop_resource(generation, resource).await).await;
    done(&mut store, owner, callee, answer).map_err(|failed| failed::stopped(failed.fault))
}

impl Called {
    /// The call, as its guards are asked about it.
    fn guarded<'a>(&'a self, callers: &'a [Caller], asked: &'a Asked, answering: Option<Chain>) -> GuardedCall<'a> {
        GuardedCall { interface: &self.export, function: Some(&self.name), callers, asked, answering }
    }
}

impl Callee {
    /// Itself, where those who guard the function allow the call; otherwise it is put back.
    async fn allowed(
        mut self: Box<Self>,
        store: &mut StoreContextMut<'_, State>,
        line: &Called,
        owner: Owner,
    ) -> std::result::Result<(Box<Self>, Owner), Failed> {
        let state = store.data();
        let callers = self.live.callers();
        let generation = self.generation.clone();
        let guarded = line.guarded(&callers, &state.asked, state.answering_events);
        let Some(answer) = generation.asks(&guarded) else { return Ok((self, owner)) };
        match answer.await {
            Ok(()) => Ok((self, owner)),
            Err(error) => {
                put_back(store, owner, self);
                Err(Failed::of(&generation.subject.to_string(), &error))
            }
        }
    }

    pub(super) async fn call_values(&mut self, from: From, line: &Called, params: &[Val], results: &mut [Val]) -> Result<()> {
        let function = *self.bound(line, |function, _| Ok(function))?;
        self.guarded(from, async |live, generation| live.call_values(generation, &function, params, results).await).await
    }

    async fn call_types<P, R>(&mut self, from: From, line: &Called, params: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let function = *self.bound(line, |function, live| function.typed::<P, R>(&*live.store()))?;
        self.guarded(from, async |live, generation| live.call_typed(generation, &function, params).await).await
    }

    /// Enters its version and its breaker, makes the call, and tells both how it ended.
    async fn guarded<T>(&mut self, from: From, call: impl AsyncFnOnce(&mut Live, &Generation) -> Result<T>) -> Result<T> {
        let Self { generation, breaker, has_all, live, .. } = self;
        let Some(entered) = generation.enter() else {
            return Err(Error::new(ErrorKind::Unavailable, "it was replaced, disabled or removed").of(&generation.subject));
        };
        let permit = breaker.admit(generation.now_ms()).map_err(|open| tripped(&entered, open.retry_after_ms))?;
        live.is_called(from);
        let before = live.time();
        let answer = call(live, &entered).await;
        let is_callers = matches!(&answer, Err(error) if live.ended_with_caller(error.fault(), entered.ticker.now()));
        if !is_callers {
            let time = live.time().checked_sub(before).unwrap_or(Duration::ZERO);
            told(generation, breaker, *has_all, permit, time, answer.as_ref().err());
        }
        answer
    }

    /// The function, bound in this instance when it is first called.
    fn bound<F: Any + Send + Sync>(&mut self, line: &Called, bind: impl FnOnce(Func, &mut Live) -> wasmtime::Result<F>) -> Result<&F> {
        if self.functions.len() <= line.number {
            self.functions.resize_with(line.number + 1, || None);
        }
        if self.functions[line.number].is_none() {
            let failed = |error: wasmtime::Error| {
                let message = format!("its `{}#{}` cannot be called: {error:#}", line.export, line.name);
                Error::new(ErrorKind::Unavailable, message).of(&self.generation.subject)
            };
            let function = self.live.function(&line.export, &line.name).ok_or_else(|| format_err!("there is none")).map_err(failed)?;
            self.functions[line.number] = Some(Box::new(bind(function, &mut self.live).map_err(failed)?));
        }
        let bound = self.functions[line.number].as_ref().and_then(|function| function.downcast_ref());
        Ok(bound.expect("a function is called in one way, by types or by values"))
    }

    pub(super) async fn end(self) {
        self.live.end(&self.generation).await;
    }
}
