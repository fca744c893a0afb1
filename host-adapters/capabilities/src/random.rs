//! `random`: more randomness in one call than the 64 KiB that every plugin may ask for.

use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::random::RandomBounds;
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// Offers bytes in one call: `{ call-bytes = 1048576 }`, at most 16 MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl Capability for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:random/random", "wasi:random/insecure", "wasi:random/insecure-seed"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: RandomBounds = policy::parse(bounds)?;
        bounds.check()?;
        Ok(Box::new(Budget { call_bytes: bounds.call_bytes }))
    }
}

struct Budget {
    call_bytes: u64,
}

impl Configured for Budget {
    fn link(&self, _: &InterfaceName, _: &mut Linker<State>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.wasi().max_random_size(self.call_bytes);
        Ok(())
    }
}
