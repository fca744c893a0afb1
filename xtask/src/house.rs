//! Where things are in this repository, and which folder compiled things go to. Nothing is created here but the target folder.
//!
//! Easily got wrong: plugins always end in `target/plugins` of the repository, because pipelines and tests name them by that path; only what
//! may be thrown away follows `CARGO_TARGET_DIR`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::program::in_ci;

/// Where a machine for continuous integration keeps compiled crates from one clone to the next.
const SHARED_TARGET: &str = "/var/cache/plugwork-target";

/// The same beside the clone, where somebody made one by hand.
const TARGET_BESIDE: &str = "target-plugwork";

/// Past this the shared target folder is emptied: each clone leaves its own workspace crates behind, for ever.
const SHARED_TARGET_BYTES_MAX: u64 = 24 << 30;

/// The folders of the repository.
pub(crate) struct House {
    /// The folder with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

impl House {
    /// The repository that this program was built in.
    pub(crate) fn here() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies in no repository")?.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()) {
            Some(given) => env::current_dir()?.join(given),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The same, with a target folder that outlives the clone where `CI` is `true` and the machine has a place for one.
    pub(crate) fn for_test() -> Result<Self> {
        let mut house = Self::here()?;
        if !in_ci() {
            return Ok(house);
        }
        let shared = [PathBuf::from(SHARED_TARGET), house.root.with_file_name(TARGET_BESIDE)];
        if env::var_os("CARGO_TARGET_DIR").is_none_or(|value| value.is_empty()) {
            // Only root can make the first of the two; that it cannot be made elsewhere is no error.
            let _ = fs::create_dir_all(SHARED_TARGET);
            if let Some(folder) = shared.iter().find(|folder| is_writable(folder)) {
                house.target.clone_from(folder);
            }
        }
        // Never a folder that somebody else chose.
        if shared.contains(&house.target) {
            empty_if_larger(&house.target, SHARED_TARGET_BYTES_MAX)?;
        }
        Ok(house)
    }

    /// Where built plugins go.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.root.join("target/plugins")
    }

    /// Cargo's target folder for the native tests and lints of guest workspaces: their profiles differ from ours.
    pub(crate) fn guests_native(&self) -> PathBuf {
        self.target.join("guests-native")
    }

    /// Waits until no other xtask in this repository does the same chore; released when the file is dropped.
    pub(crate) fn lock(&self, chore: &str) -> Result<fs::File> {
        let folder = self.root.join("target/xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let path = folder.join(format!("{chore}.lock"));
        let file = fs::File::create(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        file.lock().with_context(|| format!("cannot lock `{}`", path.display()))?;
        Ok(file)
    }

    /// A path as people read it: relative to the repository.
    pub(crate) fn short(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// The Cargo workspaces of the repository, by folder; all but the first are compiled for guests.
pub(crate) const WORKSPACES: [&str; 4] = ["", "examples/plugins", "guest-sdk/rust", GUESTS_OF_TESTS];

/// How Cargo is told of the tests of the resolver, whose second solver is behind a feature that the rest of the workspace does without
/// (`runtime/core/Cargo.toml`).
pub(crate) const RESOLVER: [&str; 4] = ["--package", "plugwork-core", "--features", "plugwork-core/resolve-oracle"];

/// The workspace of what `bench runtime` is measured against. None of the above, because its engine takes minutes to compile: `bench` builds it,
/// and of the rules only those hold for it that compile nothing.
pub(crate) const RIVALS: &str = "bench/rivals";

/// Guests that misbehave for the tests of `tests`: they are run there, and have no tests of their own.
pub(crate) const GUESTS_OF_TESTS: &str = "tests/guests/rust";

fn is_writable(folder: &Path) -> bool {
    let probe = folder.join(format!(".writable-{}", std::process::id()));
    let made = fs::write(&probe, []).is_ok();
    let _ = fs::remove_file(probe);
    made
}

fn empty_if_larger(folder: &Path, bytes_max: u64) -> Result<()> {
    if bytes_in(folder) > bytes_max {
        println!("emptying `{}`: it has grown past {} GiB", folder.display(), bytes_max >> 30);
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some(if about.is_dir() { bytes_in(&entry.path()) } else { about.len() })
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_emptied_only_past_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("debug")).unwrap();
        fs::write(folder.path().join("debug/x"), [0; 100]).unwrap();
        empty_if_larger(folder.path(), 100).unwrap();
        assert_eq!(bytes_in(folder.path()), 100);
        empty_if_larger(folder.path(), 99).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_writable() {
        assert!(!is_writable(Path::new("/nowhere/at/all")));
    }
}
