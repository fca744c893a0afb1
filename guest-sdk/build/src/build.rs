//! Builds one project: world, language step, check, embedding, cache, file. The order of the steps and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plugwork_core::Digest;

use crate::cache::{self, Entry};
use crate::files::{digest_of, relative, write_atomically};
use crate::world::{WORLD, World};
use crate::{BuildError, Language, Project, Step, embed, javascript, python, rust, verify};

/// Where things are, and how to build.
#[derive(Clone, Copy)]
pub struct BuildOptions<'a> {
    /// The folder with `rust/`, `js/` and `python/`.
    pub sdk_root: &'a Path,
    /// The folder with plugwork's WIT packages.
    pub contract: &'a Path,
    /// For everything that may be thrown away: Cargo's target folder for guests (`guests/`), scratch and remembered results
    /// (`plugwork-build/`).
    pub target_dir: &'a Path,
    /// Keeps WASI (inert in the host) for richer diagnostics: exact messages where a release build only traps.
    pub dev: bool,
    /// Called with one line at each slow step, from whichever thread builds.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// A plugin that was built, or was already there.
#[derive(Debug, Clone)]
pub struct Built {
    /// The component.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub digest: Digest,
    /// Whether nothing had changed and no tool was run.
    pub cached: bool,
    /// Wall time, waiting for a colleague's build of the same project included.
    pub elapsed: Duration,
}

impl Project {
    /// Builds the component and writes it to `out`, whole or not at all; folders are made as needed.
    ///
    /// Unchanged inputs (manifest, project, SDK, contract, this crate, mode) give the remembered component without running a tool.
    pub fn build(&self, options: &BuildOptions<'_>, out: &Path) -> Result<Built, BuildError> {
        let started = Instant::now();
        let (component, digest, cached) = self.component(options).map_err(|error| error.about(self.manifest.name.as_str()))?;
        if digest_of(out) != Some(digest) {
            write_atomically(out, &component)?;
        }
        Ok(Built { path: out.to_owned(), bytes: component.len() as u64, digest, cached, elapsed: started.elapsed() })
    }

    fn component(&self, options: &BuildOptions<'_>) -> Result<(Vec<u8>, Digest, bool), BuildError> {
        let entry = Entry::of(self, options);
        let _lock = entry.lock()?;
        if let Some((component, digest)) = entry.get(self, options)? {
            return Ok((component, digest, true));
        }
        let world = World::synthesise(&self.build, options.contract, self.wit.as_deref())?;
        let work_dir = entry.work_dir()?;
        let wit_dir = work_dir.join("wit");
        world.write(&wit_dir)?;
        let step_dir = work_dir.join("step");
        let sdk_dir = cache::sdk_dir(self.build.language, options.sdk_root);
        for folder in [&step_dir, options.target_dir] {
            fs::create_dir_all(folder).map_err(|error| BuildError::io("create", folder, &error))?;
        }
        let absolute = |path: &Path| fs::canonicalize(path).map_err(|error| BuildError::io("open", path, &error));
        let (sdk_dir, target_dir) = match self.build.language {
            // A Rust plugin names its SDK in its own Cargo.toml, from wherever.
            Language::Rust => (sdk_dir, absolute(options.target_dir)?),
            Language::JavaScript | Language::Python => (absolute(&sdk_dir)?, absolute(options.target_dir)?),
        };
        let step = Step {
            project_dir: &self.dir,
            source: &self.source,
            wit_dir: &wit_dir,
            world: WORLD,
            exports: &world.exports,
            sdk_dir: &sdk_dir,
            work_dir: &step_dir,
            dev: options.dev,
        };
        (options.progress)(&format!("building {} ({})", self.manifest.name, self.build.language));
        let before = cache::inputs_by_hand(self, options)?;
        let (component, read) = match self.build.language {
            Language::Rust => {
                let made = rust::build(&step, &target_dir.join("guests"), self.build.wasi || options.dev)?;
                if !made.warnings.trim().is_empty() {
                    (options.progress)(made.warnings.trim_end());
                }
                (made.component, made.files_read)
            }
            Language::JavaScript => (javascript::build(&step)?, Vec::new()),
            Language::Python => (python::build(&step)?, Vec::new()),
        };
        let component = embed::embed(&component, &self.manifest, &self.text)?;
        verify::check(&component, &world, self.build.wasi || options.dev)?;
        let more: Vec<PathBuf> = read.iter().filter(|path| !path.starts_with(&self.dir)).map(|path| relative(path, &self.dir)).collect();
        // A file that was saved while the tool ran may or may not be in the component. Then the record gets inputs that match nothing,
        // and the next build runs again.
        let still = cache::inputs_by_hand(self, options)? == before;
        let inputs = if still { cache::inputs(self, options, &more)? } else { String::new() };
        let digest = entry.put(inputs, more, &component)?;
        Ok((component, digest, false))
    }
}
