//! Capabilities: what a host can offer. Each has three moments, and none of them can be skipped:
//! *configure* (is this grant sensible? no engine needed), *link* (once per plugin), *prepare* (once per instance).
//!
//! A capability whose grant is absent is never configured, so it cannot be linked.

use std::any::{Any, TypeId};
use std::path::Path;
use std::sync::Arc;

use plugwork_core::chain::SHARED;
use plugwork_core::policy::config::ConfigBounds;
use plugwork_core::{InterfaceName, Issue, Subject};
use serde_json::Value;

use wasmtime::component::Linker;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::account::Account;
use crate::interfaces::filesystem::Folder;
use crate::interfaces::http::HttpClient;
use crate::state::{Prepared, State};

/// The bounds of one grant: a JSON object, as it stood in the grant.
pub type Bounds = serde_json::Map<String, Value>;

/// Something a host can offer.
pub trait Capability: Send + Sync + 'static {
    /// Its name in manifests and grants, such as `http`.
    fn name(&self) -> &'static str;

    /// The paths (without version) of the interfaces behind it.
    fn interfaces(&self) -> &'static [&'static str];

    /// Whether its bounds say everything: two plugins that were granted the same reach the very same things. Then a plugin that is called by another one does for it what
    /// both may do. Otherwise each plugin has its own behind them, and nobody but a deputy uses its own for another. By default only those of plugwork's own
    /// whose name is in [`SHARED`] are shared.
    fn is_shared(&self) -> bool {
        SHARED.contains(&self.name())
    }

    /// Validates the bounds of one grant. The issue's `at` names the bound.
    fn configure(&self, subject: &Subject, bounds: &Bounds) -> Result<Box<dyn Configured>, Issue>;
}

/// A capability with the bounds of one grant.
pub trait Configured: Send + Sync + 'static {
    /// Defines one of the capability's interfaces, as imported. WASI interfaces that are inert without a grant are defined by the host
    /// itself; for those this is called too and usually has nothing to add.
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()>;

    /// Gives one new instance what it needs.
    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()>;
}

/// A new instance before it exists.
pub struct Prepare<'a> {
    pub(crate) wasi: &'a mut WasiCtxBuilder,
    pub(crate) prepared: &'a mut Prepared,
    pub(crate) account: &'a Arc<Account>,
}

impl Prepare<'_> {
    /// The WASI context under construction: preopened folders, environment, clocks, randomness.
    pub fn wasi(&mut self) -> &mut WasiCtxBuilder {
        self.wasi
    }

    /// What all instances of its plugin hold and spend together: charge it before you allocate, send or store.
    pub fn account(&self) -> &Arc<Account> {
        self.account
    }

    /// Gives it an HTTP client, for `wasi:http` and `plugwork:host/fetch` alike.
    pub fn http(&mut self, client: Arc<dyn HttpClient>) {
        self.prepared.http = Some(client);
    }

    /// Gives it a folder, seen as `/`, whose quota all instances share.
    pub fn folder(&mut self, path: &Path, access: FsPerms, folder: Arc<Folder>) -> wasmtime::Result<()> {
        self.wasi.preopened_dir(path, "/", access)?;
        self.prepared.folder = Some(folder);
        Ok(())
    }

    /// Gives it configuration values, for `wasi:config`.
    pub fn config(&mut self, values: Arc<ConfigBounds>) {
        self.prepared.config = Some(values);
    }

    /// Gives it a value that the capability's host functions find with [`State::get_mut`].
    pub fn insert<T: Any + Send>(&mut self, value: T) {
        self.prepared.slots.push((TypeId::of::<T>(), Box::new(value)));
    }
}
