//! `secrets`: tokens and passwords of the host, for `plugwork:host/secrets`.
//!
//! Sources are in the files beside; bounds and decisions are in `plugwork::interfaces::secrets`. Easy to get wrong: a grant names a secret, and
//! the host's sources say what it is; a plugin can neither choose a source nor name anything outside of it.

mod environment;
mod file;

pub use environment::EnvironmentSecrets;
pub use file::FileSecrets;

use std::fmt;
use std::sync::Arc;

use plugwork::interfaces::link_secrets;
use plugwork::interfaces::secrets::{GrantedSecrets, SecretSource};
use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// The tenant of a host that has only one.
const TENANT: &str = "default";

/// Offers secrets: `{ names = ["api-token"], hosts = ["api.example.com"], header = "authorization", reveal = false }`. See
/// `plugwork_core::policy::secrets`.
#[derive(Clone, Default)]
pub struct Secrets {
    sources: Vec<Arc<dyn SecretSource>>,
}

impl Secrets {
    /// Secrets from this source.
    pub fn new(source: impl SecretSource) -> Self {
        Self::default().or(source)
    }

    /// Where the sources so far have no such secret, from this one.
    pub fn or(mut self, source: impl SecretSource) -> Self {
        self.sources.push(Arc::new(source));
        self
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} sources)", self.sources.len())
    }
}

struct Granted(GrantedSecrets);

impl Capability for Secrets {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["plugwork:host/secrets"]
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        Ok(Box::new(Granted(GrantedSecrets::new(self.sources.clone(), subject, policy::parse(bounds)?))))
    }
}

impl Configured for Granted {
    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        link_secrets(linker)
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.insert(self.0.clone());
        Ok(())
    }
}
