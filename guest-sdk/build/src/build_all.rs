//! Builds every project below a folder, several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use crate::{BuildError, BuildOptions, Built, Project};

/// How deep below the given folder a `plugin.toml` is looked for.
const DEPTH_MAX: usize = 4;

/// One project and what became of it.
pub type Outcome = (Project, Result<Built, BuildError>);

/// Builds each project to `out/<name>.wasm` and answers in the order of the projects' folders.
///
/// One failure does not stop the others: each project has its own answer. As many projects as the machine has processors are under way
/// at once; Rust projects wait for one another, because Cargo locks its target folder. Several versions of one plugin are each written to
/// `out/<name>-<version>.wasm`; two projects that would be written to the same file are an error.
pub fn build_all(folder: &Path, options: &BuildOptions<'_>, out: &Path) -> Result<Vec<Outcome>, BuildError> {
    let mut dirs = Vec::new();
    find(folder, 0, &mut dirs)?;
    let mut projects = dirs.iter().map(Project::open).collect::<Result<Vec<_>, _>>()?;
    mark_versions(&mut projects);
    let mut names = BTreeMap::new();
    for project in &projects {
        if let Some(other) = names.insert(project.file_name(), project.dir()) {
            return Err(BuildError::manifest(format!(
                "`{}` and `{}` would both be written to `{}`",
                other.display(),
                project.dir().display(),
                project.file_name()
            )));
        }
    }
    let waiting = Mutex::new(projects.iter().enumerate());
    let results = Mutex::new(BTreeMap::new());
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(projects.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                // The guard is dropped at the end of this statement, so that nobody waits while a project is built.
                let next = || waiting.lock().expect("no worker panics while holding it").next();
                while let Some((index, project)) = next() {
                    let built = project.build(options, &out.join(project.file_name()));
                    results.lock().expect("no worker panics while holding it").insert(index, built);
                }
            });
        }
    });
    let results = results.into_inner().expect("all workers have ended");
    Ok(projects.into_iter().zip(results.into_values()).collect())
}

/// Finds projects that are versions of one plugin. The same version twice is no such thing, and is left to collide.
fn mark_versions(projects: &mut [Project]) {
    let mut versions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for project in &*projects {
        versions.entry(project.manifest.name.clone()).or_default().insert(project.manifest.version.clone());
    }
    for project in projects {
        project.is_one_of_several_versions = versions[&project.manifest.name].len() > 1;
    }
}

/// Folders with a `plugin.toml`; below one of those none is looked for.
fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), BuildError> {
    if folder.join("plugin.toml").is_file() {
        found.push(folder.to_owned());
        return Ok(());
    }
    let failed = |error: std::io::Error| BuildError::io("read", folder, &error);
    let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let skipped = name == "target" || name == "node_modules" || name.as_encoded_bytes().starts_with(b".");
        if depth < DEPTH_MAX && !skipped && entry.file_type().map_err(failed)?.is_dir() {
            find(&entry.path(), depth + 1, found)?;
        }
    }
    Ok(())
}
