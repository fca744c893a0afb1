//! `config`: values by key name, for `wasi:config`.

use std::sync::Arc;

use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::config::ConfigBounds;
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// Offers the values that each grant carries: `{ keys = ["theme"], values = { theme = "dark" } }`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Config;

struct Values(Arc<ConfigBounds>);

impl Capability for Config {
    fn name(&self) -> &'static str {
        "config"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:config/store"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        Ok(Box::new(Values(Arc::new(policy::parse(bounds)?))))
    }
}

impl Configured for Values {
    fn link(&self, _: &InterfaceName, _: &mut Linker<State>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.config(self.0.clone());
        Ok(())
    }
}
