//! `environment`: named variables of the host's process, for `wasi:cli/environment`. Never all of them.

use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::environment::EnvironmentBounds;
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// Offers variables by name: `{ variables = ["LANG"] }`. One that the host does not have is absent for the plugin too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment;

struct Variables(Vec<(String, String)>);

impl Capability for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:cli/environment"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: EnvironmentBounds = policy::parse(bounds)?;
        bounds.check()?;
        let value = |name: String| std::env::var(&name).ok().map(|value| (name, value));
        Ok(Box::new(Variables(bounds.variables.into_iter().filter_map(value).collect())))
    }
}

impl Configured for Variables {
    fn link(&self, _: &InterfaceName, _: &mut Linker<State>) -> wasmtime::Result<()> {
        Ok(())
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.wasi().envs(&self.0);
        Ok(())
    }
}
