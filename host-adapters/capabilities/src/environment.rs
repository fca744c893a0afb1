//! `environment`: named variables of the host's process, for `wasi:cli/environment`. Never all of them.

use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::{InterfaceName, Issue, policy};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Offers variables by name: `{ variables = ["LANG"] }`. One that the host does not have is absent for the plugin too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    variables: Vec<String>,
}

struct Variables(Vec<(String, String)>);

impl Capability for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:cli/environment"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: Bounds = policy::parse(bounds)?;
        let bad = |name: &&String| name.is_empty() || name.contains(['=', '\0', '*']);
        if let Some(name) = bounds.variables.iter().find(bad) {
            return Err(Issue {
                what: format!("`{}` is not a variable's name", name.escape_debug()),
                at: "variables".to_owned(),
                expected: "names, one by one".to_owned(),
            });
        }
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
