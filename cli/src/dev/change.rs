//! What a changed path means for a plugin project, and when a burst of changes is over. Pure: paths and times come in, decisions go out.
//!
//! Easy to get wrong: an editor saves one file with five events under three names, and a build writes into the folder that is watched. The first is
//! waited out, the second is left out by name.

use std::path::{Component, Path};

/// Folders that tools fill by themselves: the same that `plugwork build` leaves out of what it takes for the source.
const TOOL_FOLDERS: [&str; 8] = ["target", "node_modules", ".venv", "venv", "__pycache__", ".git", ".mypy_cache", ".pytest_cache"];
/// How long nothing may change before a burst counts as over. Editors need a few milliseconds, a `git checkout` some tens.
const QUIET_MS: u64 = 80;
/// How long a burst is waited for at most: something that never stops writing must not keep the build from starting.
const BURST_MS: u64 = 1_000;

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing: a tool's folder, an editor's own file, our own output.
    Nothing,
    /// The manifest: which folders belong to the project may be different now.
    Manifest,
    /// A file that may be in the component.
    Source,
}

/// What it means that `path` changed. `root` is the project or the folder of its WIT, `output` where the component is written.
pub(crate) fn meaning(root: &Path, path: &Path, output: &Path) -> Meaning {
    let Ok(inside) = path.strip_prefix(root) else { return Meaning::Nothing };
    let Some(name) = inside.file_name().and_then(|name| name.to_str()) else { return Meaning::Nothing };
    if path == output || is_editors_own(name) || inside.components().any(is_tools_own) {
        return Meaning::Nothing;
    }
    if inside == Path::new("plugin.toml") { Meaning::Manifest } else { Meaning::Source }
}

/// Whether a folder below a root belongs to a tool and need not be watched.
pub(crate) fn is_tool_folder(name: &str) -> bool {
    TOOL_FOLDERS.contains(&name)
}

fn is_tools_own(component: Component<'_>) -> bool {
    matches!(component, Component::Normal(name) if name.to_str().is_some_and(is_tool_folder))
}

/// What editors and careful writers put beside a file while they save it.
fn is_editors_own(name: &str) -> bool {
    // Vim tries whether it may write with a file of this number.
    const VIM_TRIES: &str = "4913";
    let behind = ["~", ".swp", ".swo", ".swx", ".tmp", ".part", ".partial", ".pyc"];
    name == VIM_TRIES
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || behind.iter().any(|end| name.ends_with(end))
}

/// A burst of changes that is waited out. Times are milliseconds of one clock that never steps back.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    first_ms: Option<u64>,
    last_ms: u64,
}

impl Burst {
    /// Something changed.
    pub(crate) fn changed(&mut self, now_ms: u64) {
        self.first_ms.get_or_insert(now_ms);
        self.last_ms = now_ms;
    }

    /// When it is over if nothing more changes; none before the first change.
    pub(crate) fn over_ms(&self) -> Option<u64> {
        self.first_ms.map(|first_ms| (self.last_ms + QUIET_MS).min(first_ms + BURST_MS))
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Meaning {
        meaning(Path::new("/p"), Path::new(path), Path::new("/p/out/a.wasm"))
    }

    #[test]
    fn sources_and_the_manifest_mean_something() {
        for path in [
            "/p/src/lib.rs",
            "/p/plugin.js",
            "/p/descriptor.json",
            "/p/Cargo.lock",
            "/p/.cargo/config.toml",
            "/p/deep/plugin.toml",
            "/p/targets/x",
        ] {
            assert_eq!(of(path), Meaning::Source, "{path}");
        }
        assert_eq!(of("/p/plugin.toml"), Meaning::Manifest);
    }

    #[test]
    fn what_tools_editors_and_we_write_means_nothing() {
        for path in [
            "/p/target/plugwork/a.wasm",
            "/p/node_modules/x/index.js",
            "/p/.git/index",
            "/p/a/__pycache__/b.cpython.pyc",
            "/p/out/a.wasm",
            "/p/out/.a.wasm.7.part",
            "/p/src/.lib.rs.swp",
            "/p/src/lib.rs~",
            "/p/src/.#lib.rs",
            "/p/src/#lib.rs#",
            "/p/4913",
            "/p",
            "/elsewhere/lib.rs",
        ] {
            assert_eq!(of(path), Meaning::Nothing, "{path}");
        }
    }

    #[test]
    fn a_burst_is_over_when_it_is_quiet_or_when_it_lasts_too_long() {
        let mut burst = Burst::default();
        assert_eq!(burst.over_ms(), None);
        burst.changed(10);
        burst.changed(50);
        assert_eq!(burst.over_ms(), Some(50 + QUIET_MS));
        (1..=200).for_each(|step| burst.changed(50 + step * 10));
        assert_eq!(burst.over_ms(), Some(10 + BURST_MS));
        burst.clear();
        assert_eq!(burst.over_ms(), None);
    }
}
