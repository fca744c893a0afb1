//! `http`: outgoing requests, for `wasi:http` and `plugwork:host/fetch` alike.
//!
//! The decision falls on every request (each hop of a redirect is one) and again on every address just before it is dialled. A name is
//! resolved once for each connection, and the connection goes to the address that was allowed, so a second answer of the name server changes
//! nothing. Each grant has a client, hence a connection pool, of its own: no connection serves a request that another grant decided.

mod budget;
mod client;
mod dial;
mod redirect;
mod resolve;

pub use resolve::{Resolve, Resolved, SystemResolver};

use std::fmt;
use std::sync::Arc;

use plugwork::interfaces::http::HttpClient;
use plugwork::interfaces::{link_fetch, link_outgoing};
use plugwork::wasmtime::component::Linker;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::{self, http::HttpBounds};
use plugwork_core::{InterfaceName, Issue};
use serde_json::{Map, Value};

use client::Client;
use dial::Decider;

/// Offers HTTP: `{ hosts = ["api.example.com"], methods = ["GET"], networks = [] }`. See `plugwork_core::policy::http`.
///
/// Names are resolved by the operating system unless [`Http::resolving`] says otherwise.
#[derive(Clone)]
pub struct Http {
    resolver: Arc<dyn Resolve>,
}

impl Http {
    /// Names are resolved by `resolver`. Its answers are not trusted: each address is decided on before it is dialled.
    pub fn resolving(resolver: impl Resolve) -> Self {
        Self { resolver: Arc::new(resolver) }
    }

    /// A client for requests of the host itself, within bounds as a grant's: the same decisions on hosts and on each address before it is dialled.
    /// `who` stands in denials.
    ///
    /// # Errors
    /// What is wrong with the bounds.
    pub fn client(&self, who: &str, bounds: &Map<String, Value>) -> Result<Arc<dyn HttpClient>, Issue> {
        let bounds: HttpBounds = policy::parse(bounds)?;
        Ok(Arc::new(Client::new(Arc::new(Decider::of_host(bounds, who)), self.resolver.clone())))
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::resolving(SystemResolver)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

struct Granted(Client);

impl Capability for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["plugwork:host/fetch", "wasi:http/outgoing-handler"]
    }

    fn configure(&self, subject: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: HttpBounds = policy::parse(bounds)?;
        if bounds.hosts.is_empty() {
            return Err(Issue { what: "no host".to_owned(), at: "hosts".to_owned(), expected: "at least one host pattern".to_owned() });
        }
        let decider = Arc::new(Decider::new(bounds, subject));
        Ok(Box::new(Granted(Client::new(decider, self.resolver.clone()))))
    }
}

impl Configured for Granted {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match interface.path() {
            "plugwork:host/fetch" => link_fetch(linker),
            _ => link_outgoing(linker),
        }
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.http(Arc::new(self.0.clone()));
        Ok(())
    }
}
