//! `filesystem`: one host folder, seen by the plugin as `/`, read-only unless the grant says `write`.
//!
//! Paths are resolved by `wasmtime-wasi` over directory handles: `..`, absolute paths and links cannot leave the folder. One folder only,
//! because two roots with different rights over one file system have been a way around the narrower one. What may lie in it is counted by
//! the host (`plugwork::interfaces::filesystem`), over all instances of the plugin.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use plugwork::interfaces::filesystem::Folder;
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime_wasi::FsPerms;
use plugwork::{Capability, Configured, State, Subject, capability::Prepare, wasmtime};
use plugwork_core::policy::filesystem::{Access, FilesystemBounds};
use plugwork_core::{InterfaceName, Issue, policy};
use serde_json::{Map, Value};

/// Offers folders. Which one is in each grant: `{ root = "/srv/data", access = "read" }`, and what may lie in it: `bytes`, `files` (without
/// them: the plugin's `storage-bytes` and `storage-keys`).
///
/// Relative roots are taken from the folder given here.
#[derive(Debug, Clone, Default)]
pub struct Filesystem {
    base: PathBuf,
}

impl Filesystem {
    /// Roots are relative to `base`.
    pub fn new(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into() }
    }
}

struct Root {
    folder: PathBuf,
    permissions: FsPerms,
    bounds: FilesystemBounds,
    /// One for all instances: made with the first.
    shared: OnceLock<Arc<Folder>>,
}

impl Capability for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:filesystem/types", "wasi:filesystem/preopens"]
    }

    fn configure(&self, _: &Subject, bounds: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        let bounds: FilesystemBounds = policy::parse(bounds)?;
        let root = bounds.root.clone().unwrap_or_default();
        let folder = self.base.join(&root);
        if root.is_empty() || !folder.is_dir() {
            return Err(Issue {
                what: format!("`{}` is not a folder", folder.display()),
                at: "root".to_owned(),
                expected: "a folder that exists".to_owned(),
            });
        }
        let permissions = match bounds.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        Ok(Box::new(Root { folder, permissions, bounds, shared: OnceLock::new() }))
    }
}

impl Configured for Root {
    fn link(&self, interface: &InterfaceName, _: &mut Linker<State>) -> wasmtime::Result<()> {
        if interface.version().is_some_and(|version| version.minor == 3) {
            // Its writes are streams of the engine's own that nothing here could count.
            return Err(wasmtime::format_err!("`filesystem` is granted for WASI 0.2 only, `{interface}` would have no quota"));
        }
        Ok(())
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        let shared =
            self.shared.get_or_init(|| Arc::new(Folder::new(self.folder.clone(), self.bounds.clone(), instance.account().clone())));
        instance.folder(&self.folder, self.permissions, shared.clone())
    }
}
