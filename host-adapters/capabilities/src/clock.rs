//! `clock`: clocks finer than the whole milliseconds that every plugin gets.

use std::time::{Duration, Instant, SystemTime};

use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime_wasi::{HostMonotonicClock, HostWallClock};
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::clock::ClockBounds;
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// Offers a resolution: `{ resolution-ns = 1000 }`, 1 to 1,000,000,000 nanoseconds. Fine clocks let a plugin time its neighbours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Capability for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:clocks/wall-clock", "wasi:clocks/monotonic-clock", "wasi:clocks/system-clock"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: ClockBounds = policy::parse(bounds)?;
        bounds.check()?;
        Ok(Box::new(Resolution { resolution_ns: bounds.resolution_ns }))
    }
}

struct Resolution {
    resolution_ns: u64,
}

impl Configured for Resolution {
    fn link(&self, _: &InterfaceName, _: &mut Linker<State>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        let resolution_ns = self.resolution_ns;
        instance.wasi().wall_clock(Wall { resolution_ns }).monotonic_clock(Monotonic { resolution_ns, start: Instant::now() });
        Ok(())
    }
}

struct Wall {
    resolution_ns: u64,
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(self.resolution_ns)
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(now_ns - now_ns % self.resolution_ns)
    }
}

struct Monotonic {
    resolution_ns: u64,
    start: Instant,
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        self.resolution_ns
    }

    fn now(&self) -> u64 {
        let elapsed_ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        elapsed_ns - elapsed_ns % self.resolution_ns
    }
}
