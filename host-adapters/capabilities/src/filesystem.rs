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
use plugwork_core::policy::filesystem::{Access, FilesystemBounds, holds_the_system};
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
        let unusable = |what: String, expected: &str| Issue { what, at: "root".to_owned(), expected: expected.to_owned() };
        // Policy has judged its letters; a link may lead elsewhere. From here on the folder is the one it led to now.
        let folder = folder
            .canonicalize()
            .map_err(|error| unusable(format!("`{}` cannot be opened: {error}", folder.display()), "a folder that exists"))?;
        if folder.to_str().is_none_or(holds_the_system) {
            let what = format!("`{root}` leads to `{}`, which holds `/proc`, `/sys` or `/dev`, or lies in one of them", folder.display());
            return Err(unusable(what, "a folder of files"));
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn configured(base: &std::path::Path, root: &str) -> Result<(), Issue> {
        let package = "test:plugin".parse().unwrap();
        let subject = Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: plugwork_core::Digest::of(b"x") };
        let bounds = serde_json::json!({ "root": root, "access": "read" });
        Filesystem::new(base).configure(&subject, bounds.as_object().unwrap()).map(drop)
    }

    #[test]
    fn a_link_to_what_holds_the_system_is_no_root() {
        let base = tempfile::tempdir().unwrap();
        for (name, to) in [("all", "/"), ("memory", "/proc"), ("kernel", "/sys"), ("devices", "/dev"), ("within", "/proc/self")] {
            symlink(to, base.path().join(name)).unwrap();
            let issue = configured(base.path(), name).unwrap_err();
            assert!(issue.at == "root" && issue.what.contains("holds `/proc`"), "{issue}");
            configured(std::path::Path::new("/"), &base.path().join(name).display().to_string()).unwrap_err();
        }
        configured(&base.path().join("all"), ".").unwrap_err();
        configured(base.path(), "../../../../../../..").unwrap_err();
    }

    #[test]
    fn a_link_to_a_folder_of_files_is_a_root() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir(base.path().join("data")).unwrap();
        symlink("data", base.path().join("link")).unwrap();
        configured(base.path(), "link").unwrap();
        configured(base.path(), ".").unwrap();
    }
}
