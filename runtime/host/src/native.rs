//! Native plugins: Rust of the application's own, called through the same points as components, without a sandbox.
//!
//! A native plugin can do whatever the process can do: it is there for rules that the application itself ships. It is shown as `native` wherever
//! plugins are shown. Easily got wrong: no deadline ends it; a native plugin that blocks its thread blocks it.

use std::any::{Any, TypeId};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use plugwork_core::{Fault, Refusal};

use crate::call::{Running, panic_message};
use crate::error::{Error, Result};
use crate::observed::Observed;
use crate::point::Call;

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
    /// Whether it takes calls: a dispatch that was made before it was disabled still asks it.
    active: AtomicBool,
    pub(crate) observed: Observed,
}

impl AnyNative {
    pub(crate) fn new<P: Call>(plugin: impl Native<P>) -> Self {
        let plugin: Box<dyn Native<P>> = Box::new(plugin);
        Self {
            point: TypeId::of::<P>(),
            interface: P::INTERFACE,
            plugin: Box::new(plugin),
            active: AtomicBool::new(true),
            observed: Observed::default(),
        }
    }

    pub(crate) fn activate(&self, active: bool) {
        self.active.store(active, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Calls it; a panic is a fault like a component's.
    pub(crate) async fn call<P: Call>(&self, input: &P::Input) -> Result<P::Output> {
        let plugin = self.plugin.downcast_ref::<Box<dyn Native<P>>>().expect("looked up by the type of its point");
        // Made within the barrier too: a closure does its work before there is a future.
        let call = AssertUnwindSafe(async { plugin.call(input).await }).catch_unwind();
        match call.await {
            Ok(answer) => answer.map_err(Error::from_refusal),
            Err(panic) => Err(Error::from_fault(Fault::HostPanic { message: panic_message(&*panic) })),
        }
    }
}
