//! The hop: how a guest gets to a guest thread from wherever it is called.
//!
//! One piece for all who start guests: dispatch, installations, plugins, sessions, and what the host itself asks of a plugin (`init`, `health`,
//! `shutdown`). On a guest thread nothing hops: the caller runs it in place. Nor does a short call elsewhere (`threads::in_place`), except where calls are to run
//! side by side. A call comes in a box: handed on by value, each of the futures here would hold it twice, and those above them that twice again. Easily got
//! wrong: what hops is dropped with the caller's future, but a turn under way comes to its end first; so whatever has to come back to the caller must not be in the hop alone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use plugwork_core::capacity::{Resource, Scarce};

use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::installation::Member;
use crate::runtime::{Runtime, Shared};
use crate::threads::{GuestThreads, Lane, Late, Submitted};

impl Shared {
    /// Makes a call in a lane, where it may wait for as long as the call may take, or here where it is short. It never began where this is an error.
    pub(crate) async fn call_in<T: Send + 'static>(&self, lane: &Lane, deadline_ms: u64, call: BoxFuture<'static, T>) -> Result<T> {
        done(self.threads.submit_or_run(lane, Duration::from_millis(deadline_ms), call), deadline_ms).await
    }

    /// The same, and always on a guest thread.
    pub(crate) async fn hop<T: Send + 'static>(&self, lane: &Lane, deadline_ms: u64, call: BoxFuture<'static, T>) -> Result<T> {
        done(self.threads.submit(lane, Duration::from_millis(deadline_ms), call), deadline_ms).await
    }
}

async fn done<T>(submitted: std::result::Result<Submitted<T>, Scarce>, deadline_ms: u64) -> Result<T> {
    submitted.map_err(Error::scarce)?.done().await.map_err(|Late { waited }| {
        let held = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX).max(deadline_ms);
        Error::scarce(Scarce { what: Resource::LaneTime, held, limit: deadline_ms })
    })
}

impl Member {
    /// Makes a call of whichever version is current on a guest thread: here, or there.
    pub(crate) async fn on_guest_thread<T: Send + 'static>(&self, runtime: &Runtime, call: BoxFuture<'static, Result<T>>) -> Result<T> {
        if GuestThreads::is_here() {
            return call.await;
        }
        self.call_in_lane(runtime, call).await?
    }

    /// The same with whatever the call gives, from a thread that is no guest thread.
    pub(crate) async fn call_in_lane<T: Send + 'static>(&self, runtime: &Runtime, call: BoxFuture<'static, T>) -> Result<T> {
        let shared = runtime.shared();
        shared.call_in(self.lane(&shared.threads), self.patience_ms(shared), call).await.map_err(|error| error.of(&self.subject()))
    }

    /// The same, and always there.
    pub(crate) async fn hop<T: Send + 'static>(&self, runtime: &Runtime, call: BoxFuture<'static, T>) -> Result<T> {
        let shared = runtime.shared();
        shared.hop(self.lane(&shared.threads), self.patience_ms(shared), call).await.map_err(|error| error.of(&self.subject()))
    }
}

impl Generation {
    /// Its lane: that of its installation, or its own where it has none.
    pub(crate) fn lane(&self, shared: &Shared) -> Lane {
        match shared.members.get(&(&*self.subject).into()) {
            Some(member) => member.lane(&shared.threads).clone(),
            None => self.work.lane.get_or_init(|| shared.threads.lane()).clone(),
        }
    }

    /// Makes a call of this version on a guest thread: here, or there.
    pub(crate) async fn on_guest_thread<T: Send + 'static>(&self, call: BoxFuture<'static, Result<T>>) -> Result<T> {
        match self.runtime_to_hop_to() {
            Some(runtime) => {
                let called = runtime.call_in(&self.lane(&runtime), self.limits.deadline_ms, call).await;
                called.map_err(|error| error.of(&self.subject))?
            }
            None => call.await,
        }
    }

    /// Runs what the host itself asks of it. It is not a call that somebody could make a thousand times, so it finds its lane never full, and waits
    /// for its turn as long as that takes.
    pub(crate) async fn asked_by_host<T: Send + 'static>(&self, asked: impl Future<Output = T> + Send + 'static) -> T {
        match self.runtime_to_hop_to() {
            Some(runtime) => runtime.threads.spawn_in(&self.lane(&runtime), asked).await,
            None => asked.await,
        }
    }

    /// The runtime whose threads it has to go to; none where it is on one, and where there are none any more because only the plugin is left.
    pub(crate) fn runtime_to_hop_to(&self) -> Option<Arc<Shared>> {
        if GuestThreads::is_here() { None } else { self.runtime.upgrade() }
    }
}
