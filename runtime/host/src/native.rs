//! Native plugins: Rust of the application's own, called through the same points as components, without a sandbox.
//!
//! A native plugin can do whatever the process can do: it is there for rules that the application itself ships. It is shown as `native` wherever
//! plugins are shown. It has the runtime's deadline and breaker. Easily got wrong: a deadline ends only one that waits; a native plugin that blocks
//! its thread blocks it, and is not ended.

use std::any::{Any, TypeId};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use plugwork_core::{Fault, Refusal, breaker};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::breaker::Guarded;
use crate::call::{Running, panic_message};
use crate::drain::drain;
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::observed::Observed;
use crate::point::Call;
use crate::threads::GuestThreads;

/// A plugin written in Rust against the point `P`. Closures `Fn(&Input) -> Result<Output, Refusal>` are such plugins.
pub trait Native<P: Call>: Send + Sync + 'static {
    /// The point's main call.
    fn call<'a>(&'a self, input: &'a P::Input) -> Running<'a, Result<P::Output, Refusal>>;
}

impl<P: Call, F> Native<P> for F
where
    F: Fn(&P::Input) -> Result<P::Output, Refusal> + Send + Sync + 'static,
{
    fn call<'a>(&'a self, input: &'a P::Input) -> Running<'a, Result<P::Output, Refusal>> {
        Box::pin(std::future::ready(self(input)))
    }
}

/// A native plugin of whichever point.
pub(crate) struct AnyNative {
    pub(crate) point: TypeId,
    pub(crate) interface: &'static str,
    plugin: Box<dyn Any + Send + Sync>,
    /// None while it takes no calls: a dispatch that was made before it was disabled still asks it.
    service: ArcSwapOption<Service>,
    pub(crate) observed: Observed,
}

/// The time in which it takes calls, from being enabled to being disabled: what a generation is to a component.
pub(crate) struct Service {
    pub(crate) gate: Gate,
    drained: Notify,
    pub(crate) breaker: Guarded,
}

impl Service {
    /// Takes no call any more, and waits for those under way.
    pub(crate) async fn retire(&self, patience: Duration) -> bool {
        drain(&self.gate, &self.drained, patience).await
    }
}

/// A call under way.
pub(crate) struct Serving(Arc<Service>);

impl Drop for Serving {
    fn drop(&mut self) {
        if self.0.gate.leave() {
            self.0.drained.notify_waiters();
        }
    }
}

impl std::ops::Deref for Serving {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl AnyNative {
    pub(crate) fn new<P: Call>(plugin: impl Native<P>) -> Self {
        let plugin: Box<dyn Native<P>> = Box::new(plugin);
        Self {
            point: TypeId::of::<P>(),
            interface: P::INTERFACE,
            plugin: Box::new(plugin),
            service: ArcSwapOption::empty(),
            observed: Observed::default(),
        }
    }

    /// Takes calls from here on, with a breaker that has seen nothing.
    pub(crate) fn activate(&self, breaker: breaker::Settings) {
        let service = Service { gate: Gate::default(), drained: Notify::new(), breaker: Guarded::new(breaker) };
        self.service.store(Some(Arc::new(service)));
    }

    /// Takes no calls any more; gives what is to be waited for.
    pub(crate) fn deactivate(&self) -> Option<Arc<Service>> {
        self.service.swap(None)
    }

    pub(crate) fn service(&self) -> Option<Arc<Service>> {
        self.service.load_full()
    }

    /// Begins a call; `None` where it takes none.
    #[inline]
    pub(crate) fn enter(&self) -> Option<Serving> {
        let service = self.service()?;
        service.gate.enter().then_some(Serving(service))
    }

    /// Calls it; a panic is a fault like a component's, and so is not to be done at its deadline. The timer runs on `io`, and is made only where the
    /// plugin waits for something.
    pub(crate) async fn call<P: Call>(&self, input: &P::Input, limit_ms: u64, io: &Handle) -> Result<P::Output> {
        let plugin = self.plugin.downcast_ref::<Box<dyn Native<P>>>().expect("looked up by the type of its point");
        let waited = GuestThreads::take_waited();
        let left = Duration::from_millis(limit_ms).saturating_sub(waited);
        let began = Instant::now();
        // Made within the barrier too: a closure does its work before there is a future.
        let mut call = std::pin::pin!(AssertUnwindSafe(async { plugin.call(input).await }).catch_unwind());
        let mut timer = None;
        let ended = poll_fn(|context| {
            if let Poll::Ready(ended) = call.as_mut().poll(context) {
                return Poll::Ready(Some(ended));
            }
            let timer = timer.get_or_insert_with(|| {
                let _io = io.enter();
                // From its beginning: it may have worked for long before it first waits.
                Box::pin(tokio::time::sleep_until((began + left).into()))
            });
            timer.as_mut().poll(context).map(|()| None)
        });
        match ended.await {
            Some(Ok(answer)) => answer.map_err(Error::from_refusal),
            Some(Err(panic)) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
            None => {
                let ran = waited + began.elapsed();
                let late = Error::from_fault(Fault::Deadline { limit_ms, ran_ms: u64::try_from(ran.as_millis()).unwrap_or(u64::MAX) });
                Err(if waited * 2 >= ran { late.hurried() } else { late })
            }
        }
    }
}
