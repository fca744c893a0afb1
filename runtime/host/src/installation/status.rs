//! What `ps` shows: one line of facts for each installation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::breaker::BreakerState;
use plugwork_core::lifecycle::State as LifeState;
use plugwork_core::record::ConsentKey;
use plugwork_core::{Digest, InterfaceName};
use serde::Serialize;

use super::Member;
use crate::breaker::Guarded;
use crate::dispatch::Origin;
use crate::gate::Gate;
use crate::native::AnyNative;
use crate::runtime::Runtime;

/// How an installation is doing, as of now.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Whose it is.
    #[serde(flatten)]
    pub key: ConsentKey,
    /// `component` or `native`.
    pub kind: Origin,
    /// Its version, where it is loaded and has one.
    pub version: Option<String>,
    /// Which file it is.
    pub digest: Digest,
    /// Where it is in its life.
    pub state: LifeState,
    /// The points it is attached to.
    pub points: Vec<InterfaceName>,
    /// Whether the start fails without it.
    pub critical: bool,
    /// Its place in the order of dispatch.
    pub weight: i32,
    /// Whether its code is in memory.
    pub loaded: bool,
    /// How many versions of it this process has loaded.
    pub generation: u64,
    /// Calls and sessions under way in the version that is current.
    pub in_flight: u64,
    /// Instances that wait for the next call.
    pub idle_instances: usize,
    /// All its instances.
    pub instances: u32,
    /// Calls that wait for an instance.
    pub waiting: u32,
    /// Calls that ended, in the version that is current.
    pub calls: u64,
    /// Of those, how many with a fault.
    pub faults: u64,
    /// Nine of ten answers took no longer, in microseconds.
    pub latency_us: u64,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// Milliseconds since it was last called; none before the first call.
    pub used_ms_ago: Option<u64>,
    /// Why a version of it last went back by itself.
    pub rolled_back: Option<String>,
}

impl Runtime {
    /// How every installation is doing, in the order of their keys.
    pub fn status(&self) -> Vec<Status> {
        let now_ms = self.shared().now_ms();
        self.shared().members.all().iter().map(|member| member.status(now_ms)).collect()
    }
}

impl Member {
    /// The breaker of a plugin that is not loaded.
    fn breaker_left(&self) -> BreakerState {
        let left = self.breaker_left.lock().expect("no panic happens under this lock");
        left.as_ref().map_or(BreakerState::Closed, |left| left.1.state())
    }

    fn status(self: &Arc<Self>, now_ms: u64) -> Status {
        let current = self.current.load();
        let generation = current.as_ref();
        let observed = match (&self.native, generation) {
            (Some(native), _) => native.observed.snapshot(),
            (None, generation) => generation.map(|generation| generation.work.observed.snapshot()).unwrap_or_default(),
        };
        let service = self.native.as_ref().and_then(AnyNative::service);
        let (gate, breaker) = match (&service, generation) {
            (Some(service), _) => (Some(&service.gate), Some(&service.breaker)),
            (None, generation) => generation.map(|generation| (&generation.work.gate, &generation.work.breaker)).unzip(),
        };
        let settings = self.settings.load();
        let used_ms = self.used_ms.load(Ordering::Relaxed);
        Status {
            key: self.key.clone(),
            kind: if self.native.is_some() { Origin::Native } else { Origin::Component },
            version: generation.and_then(|generation| generation.version()).map(ToString::to_string),
            digest: self.subject().digest,
            state: self.state(),
            points: settings.points.clone(),
            critical: settings.critical,
            weight: settings.weight,
            loaded: generation.is_some() || self.native.is_some(),
            generation: self.generations(),
            in_flight: gate.map_or(0, Gate::in_flight),
            idle_instances: generation.map_or(0, |generation| generation.idle()),
            instances: generation.map_or(0, |generation| generation.account.seats().taken()),
            waiting: generation.map_or(0, |generation| generation.account.seats().waiting()),
            calls: observed.calls,
            faults: observed.faults,
            latency_us: observed.quantile(plugwork_core::rollback::QUANTILE),
            breaker: match breaker.map_or_else(|| self.breaker_left(), Guarded::state) {
                BreakerState::Closed => "closed",
                BreakerState::Open { .. } => "open",
                BreakerState::HalfOpen => "half-open",
            },
            used_ms_ago: (used_ms > 0).then(|| now_ms.saturating_sub(used_ms)),
            rolled_back: self.rolled_back.lock().expect("no panic happens under this lock").clone(),
        }
    }
}
