//! The guests that the tests bring themselves, and how they are built. The tests are in `it/`.
//!
//! They are ordinary plugin projects below `guests/`, built by `plugwork-build` into `target/plugins-tests` and remembered by
//! content. The example plugins are not here: `cargo xtask guests` makes those.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use plugwork_build::{BuildOptions, build_all};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the repository")
}

/// Where what is built goes: `CARGO_TARGET_DIR`, or `target`.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}

/// Builds every guest below `tests/guests` that has changed, one component for each, and gives the folder they are in.
///
/// Needs the tools of all three languages, which `cargo xtask guests` sets up. All failures are told at once.
pub fn build_guests(progress: &(dyn Fn(&str) + Sync)) -> Result<PathBuf> {
    let out = target().join("plugins-tests");
    let options =
        BuildOptions { sdk_root: &root().join("guest-sdk"), contract: &root().join("wit"), target_dir: &target(), dev: false, progress };
    let mut failures = String::new();
    for (project, outcome) in build_all(&root().join("tests/guests"), &options, &out)? {
        if let Err(error) = outcome {
            write!(failures, "\n{}: {error}", project.dir().display())?;
        }
    }
    if !failures.is_empty() {
        bail!("guests of the tests were not built; `cargo xtask guests` sets up the tools:{failures}");
    }
    Ok(out)
}
