//! Watching the folders of a project: what changed, once a burst of changes is over.
//!
//! Each folder is watched by itself and a tool's folders are not, so that `node_modules` costs no watch of the kernel. Easy to get wrong: a folder
//! that is new must be watched and looked through, because files may have come into it before the watch did.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::change::{Burst, Meaning, is_tool_folder, meaning};
use crate::exit::Failure;

/// Folders that one project may have. Far above any plugin; the kernel's own limit may be lower.
const FOLDERS_MAX: usize = 4_096;
/// Changes that wait to be looked at. More are dropped: one is enough to build.
const CHANGES_MAX: usize = 1_024;

/// The folders of one project under watch.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    changes: mpsc::Receiver<PathBuf>,
    roots: Vec<PathBuf>,
    watched: BTreeSet<PathBuf>,
    output: PathBuf,
    burst: Burst,
    changed: BTreeSet<PathBuf>,
    began: Instant,
}

impl Watch {
    /// Watches from now on. `roots` are absolute and without links; `output` is written by us and means nothing.
    pub(crate) fn start(roots: &[PathBuf], output: &Path) -> Result<Self, Failure> {
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            // Reading is no change; the compiler reads everything.
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                let _ = sender.try_send(path);
            }
        });
        let watcher = watcher.map_err(|error| failed(roots.first().map_or(Path::new("."), PathBuf::as_path), &error))?;
        let mut watch = Self {
            watcher,
            changes,
            roots: Vec::new(),
            watched: BTreeSet::new(),
            output: output.to_owned(),
            burst: Burst::default(),
            changed: BTreeSet::new(),
            began: Instant::now(),
        };
        watch.roots(roots)?;
        Ok(watch)
    }

    /// Watches these folders; what was watched stays so.
    pub(crate) fn roots(&mut self, roots: &[PathBuf]) -> Result<(), Failure> {
        self.roots = roots.to_vec();
        roots.iter().try_for_each(|root| self.add(root))
    }

    /// Waits until something changed and the burst is over; gives what changed, as seen from the first root. May be dropped and called again.
    pub(crate) async fn changed(&mut self) -> Result<Vec<PathBuf>, Failure> {
        loop {
            let over = self.burst.over_ms().map(|over_ms| self.began + Duration::from_millis(over_ms));
            tokio::select! {
                () = tokio::time::sleep_until(over.unwrap_or_else(Instant::now).into()), if over.is_some() => {
                    return Ok(self.burst_over());
                }
                change = self.changes.recv() => {
                    let Some(path) = change else { return Err(Failure::failed("the folder is not watched any more")) };
                    self.take(path)?;
                }
            }
        }
    }

    /// What changed. What is gone again is named only where nothing else is: careful writers leave a trail of names.
    fn burst_over(&mut self) -> Vec<PathBuf> {
        self.burst.clear();
        let first = self.roots.first().cloned().unwrap_or_default();
        let relative = |path: PathBuf| path.strip_prefix(&first).map(Path::to_owned).unwrap_or(path);
        let (there, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.changed).into_iter().partition(|path| path.exists());
        let named = if there.is_empty() { gone } else { there };
        named.into_iter().map(relative).collect()
    }

    fn take(&mut self, path: PathBuf) -> Result<(), Failure> {
        if self.roots.iter().all(|root| meaning(root, &path, &self.output) == Meaning::Nothing) {
            return Ok(());
        }
        match path.is_dir() {
            true => self.add(&path)?,
            // Made anew under the same name it would need a watch of its own again.
            false => drop(self.watched.remove(&path)),
        }
        self.burst.changed(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.changed.insert(path);
        Ok(())
    }

    /// Watches a folder and those below it.
    fn add(&mut self, folder: &Path) -> Result<(), Failure> {
        if !self.watched.insert(folder.to_owned()) {
            return Ok(());
        }
        if self.watched.len() > FOLDERS_MAX {
            return Err(Failure::failed(format_args!(
                "`{}` has more than {FOLDERS_MAX} folders\nhint: keep data outside the folder of `plugin.toml`",
                folder.display()
            )));
        }
        match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
            // It came and went: the change that told us of it is enough.
            Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) || !folder.exists() => {
                self.watched.remove(folder);
                return Ok(());
            }
            watched => watched.map_err(|error| failed(folder, &error))?,
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            // A link is not followed: it may lead back up.
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if folder && !entry.file_name().to_str().is_some_and(is_tool_folder) {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn failed(folder: &Path, error: &notify::Error) -> Failure {
    let hint = match error.kind {
        notify::ErrorKind::MaxFilesWatch => "\nhint: raise `sysctl fs.inotify.max_user_watches`, or keep data outside the folder",
        _ => "",
    };
    Failure::failed(format_args!("cannot watch `{}`: {error}{hint}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn next(watch: &mut Watch) -> Vec<PathBuf> {
        tokio::time::timeout(PATIENCE, watch.changed()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_what_tools_write_is_not() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("target/deep")).unwrap();
        fs::create_dir(root.join("src")).unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root), &root.join("a.wasm")).unwrap();
        fs::write(root.join("target/deep/x"), "x").unwrap();
        fs::write(root.join("a.wasm"), "x").unwrap();
        fs::write(root.join("src/lib.rs"), "one").unwrap();
        fs::write(root.join("src/lib.rs"), "two").unwrap();
        assert_eq!(next(&mut watch).await, [PathBuf::from("src/lib.rs")]);
        assert!(tokio::time::timeout(Duration::from_millis(200), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn a_folder_that_is_new_is_watched_too() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root), Path::new("/none")).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        assert!(next(&mut watch).await.contains(&PathBuf::from("a")));
        fs::write(root.join("a/b/c.js"), "").unwrap();
        assert_eq!(next(&mut watch).await, [PathBuf::from("a/b/c.js")]);
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_by_renaming_is_a_change() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        fs::write(root.join("plugin.js"), "one").unwrap();
        let mut watch = Watch::start(std::slice::from_ref(&root), Path::new("/none")).unwrap();
        fs::write(root.join("plugin.js.tmp"), "two").unwrap();
        fs::rename(root.join("plugin.js.tmp"), root.join("plugin.js")).unwrap();
        assert_eq!(next(&mut watch).await, [PathBuf::from("plugin.js")]);
    }
}
