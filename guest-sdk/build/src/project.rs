//! A plugin project: a folder whose `plugin.toml` has a `[build]` section.
//!
//! Opening reads and checks the manifest and that the files it names are there; nothing is built. Paths in the manifest are relative
//! to it. `source` must stay inside the folder; `wit` may point outside, because an application's WIT usually lies beside its plugins.

use std::fs;
use std::path::{Path, PathBuf};

use plugwork_core::Manifest;
use plugwork_core::limits::MANIFEST_BYTES_MAX;
use plugwork_core::manifest::Build;

pub use plugwork_core::manifest::Language;

use crate::BuildError;

/// A project that can be built.
pub struct Project {
    pub(crate) dir: PathBuf,
    pub(crate) text: String,
    pub(crate) manifest: Manifest,
    pub(crate) build: Build,
    pub(crate) source: PathBuf,
    pub(crate) wit: Option<PathBuf>,
    /// Whether another version of the same plugin is built beside it: `build_all` sees that.
    pub(crate) is_one_of_several_versions: bool,
}

impl Project {
    /// Reads `plugin.toml` in the folder.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, BuildError> {
        let dir = dir.as_ref();
        let dir = fs::canonicalize(dir).map_err(|error| BuildError::io("open the project", dir, &error))?;
        let path = dir.join("plugin.toml");
        let text = read(&path)?;
        let about = dir.display().to_string();
        let manifest = Manifest::parse(&text).map_err(|error| BuildError::manifest(error.to_string()).about(&about))?;
        let Some(build) = manifest.build.clone() else {
            return Err(BuildError::manifest("`plugin.toml` has no `[build]` section")
                .about(&about)
                .hint("add `[build]` with `language`, `exports` and, except for rust, `source`"));
        };
        let source = source(&dir, &build).map_err(|error| error.about(&about))?;
        let wit = match &build.wit {
            Some(wit) => Some(fs::canonicalize(dir.join(wit)).map_err(|error| {
                BuildError::io("open", &dir.join(wit), &error).about(&about).hint("`build.wit` names a folder, relative to `plugin.toml`")
            })?),
            None => None,
        };
        Ok(Self { dir, text, manifest, build, source, wit, is_one_of_several_versions: false })
    }

    /// The folder, absolute and without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest as it will be embedded.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.build.language
    }

    /// The usual name of the result: the part of the plugin's name after the colon, and `.wasm`. With its version between the two where
    /// [`build_all`](crate::build_all) found several versions of one plugin.
    pub fn file_name(&self) -> String {
        match self.is_one_of_several_versions {
            true => format!("{}-{}.wasm", self.manifest.name.name(), self.manifest.version),
            false => format!("{}.wasm", self.manifest.name.name()),
        }
    }
}

fn read(path: &Path) -> Result<String, BuildError> {
    let failed = |error: std::io::Error| BuildError::io("read", path, &error).hint("a plugin project is a folder with a `plugin.toml`");
    // Before reading: the manifest's own limit, so that a wrong file of any size is not pulled into memory.
    if fs::metadata(path).map_err(failed)?.len() > MANIFEST_BYTES_MAX as u64 {
        return Err(BuildError::manifest(format!("`{}` has more than {MANIFEST_BYTES_MAX} bytes", path.display())));
    }
    fs::read_to_string(path).map_err(failed)
}

fn source(dir: &Path, build: &Build) -> Result<PathBuf, BuildError> {
    let Some(source) = &build.source else {
        let package = dir.join("Cargo.toml");
        return if package.is_file() {
            Ok(dir.to_owned())
        } else {
            Err(BuildError::manifest("a rust plugin needs a `Cargo.toml` beside `plugin.toml`"))
        };
    };
    let path = dir.join(source);
    let path = fs::canonicalize(&path).map_err(|error| BuildError::io("read", &path, &error).hint("see `build.source`"))?;
    if !path.starts_with(dir) {
        return Err(BuildError::manifest(format!("`build.source` is `{source}`, which is outside the project"))
            .hint("keep the entry file in the folder of `plugin.toml`"));
    }
    Ok(path)
}
