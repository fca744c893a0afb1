//! A tiny Rust plugin in a temporary folder, and options that build it. No claims here.

use std::fs;
use std::path::{Path, PathBuf};

use plugwork_build::{BuildError, BuildOptions, Built, Project};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// One project; its folders go when it is dropped.
pub(crate) struct Tiny {
    project: tempfile::TempDir,
    out: tempfile::TempDir,
    target: PathBuf,
}

impl Tiny {
    /// An exporter that writes one byte a batch. `name` must differ from test to test: results are remembered by name.
    pub(crate) fn new(name: &str) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugwork-build-tests");
        // What an earlier run of this test remembered must not decide this one.
        let _ = fs::remove_dir_all(target.join("plugwork-build/test").join(name));
        let tiny = Self { project: tempfile::tempdir().unwrap(), out: tempfile::tempdir().unwrap(), target };
        tiny.write("plugin.toml", &manifest(name, "exports = [\"plugwork:points/exporter@0.1.0\"]"));
        tiny.write("Cargo.toml", &cargo(name, "[\"cdylib\"]"));
        tiny.write("src/lib.rs", &source(1));
        // The SDK's own lock file, so that no version is picked anew here.
        fs::copy(format!("{ROOT}/guest-sdk/rust/Cargo.lock"), tiny.path("Cargo.lock")).unwrap();
        tiny
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where the remembered result lies.
    pub(crate) fn remembered(&self, name: &str) -> PathBuf {
        self.target.join("plugwork-build/test").join(name).join("release/component.wasm")
    }

    pub(crate) fn build(&self) -> Result<Built, BuildError> {
        self.build_as(false)
    }

    pub(crate) fn build_as(&self, dev: bool) -> Result<Built, BuildError> {
        let options = BuildOptions {
            sdk_root: &Path::new(ROOT).join("guest-sdk"),
            contract: &Path::new(ROOT).join("wit"),
            target_dir: &self.target,
            dev,
            progress: &|_| {},
        };
        Project::open(self.project.path())?.build(&options, &self.out.path().join("tiny.wasm"))
    }
}

/// `plugin.toml` with the given lines in `[build]`.
pub(crate) fn manifest(name: &str, build: &str) -> String {
    format!(
        "name = \"test:{name}\"\nversion = \"0.1.0\"\ndescription = \"One byte a batch\"\nlicense = \"Apache-2.0\"\n\n\
         [build]\nlanguage = \"rust\"\n{build}\n"
    )
}

/// `Cargo.toml` with the given kinds of library.
pub(crate) fn cargo(name: &str, crate_types: &str) -> String {
    format!(
        "[package]\nname = \"tiny-{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = {crate_types}\n\n\
         [dependencies]\nplugwork-guest = {{ path = \"{ROOT}/guest-sdk/rust\" }}\n\n[workspace]\n"
    )
}

/// `src/lib.rs`: an exporter that writes so many bytes a batch.
pub(crate) fn source(bytes: usize) -> String {
    format!(
        "use plugwork_guest::prelude::*;\n\nstruct Tiny;\n\nimpl Exporter for Tiny {{\n    \
         fn start(_: &Options) -> Result<Self> {{\n        Ok(Self)\n    }}\n    \
         fn push(&mut self, _: &Batch) -> Result<Vec<u8>> {{\n        Ok(vec![46; {bytes}])\n    }}\n    \
         fn finish(&mut self) -> Result<Vec<u8>> {{\n        Ok(Vec::new())\n    }}\n}}\n\n\
         plugwork_guest::plugin! {{\n    descriptor: \"{{}}\",\n    exporter: Tiny,\n}}\n"
    )
}
