//! Reads the files a build depends on into one digest, and writes results so that no half-written file ever has its final name.
//!
//! Ignored by Git does not mean left out: a generated source may be ignored and still be what is built. Left out are only folders
//! that tools fill by themselves and whose contents lock files decide.

use std::fs;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use plugwork_core::Digest;
use sha2::Digest as _;

use crate::BuildError;

const TOOL_FOLDERS: [&str; 8] = ["target", "node_modules", ".venv", "venv", "__pycache__", ".git", ".mypy_cache", ".pytest_cache"];
/// Files in one project or SDK. Far above any plugin; reached by a project folder that holds data or a build folder.
const FILES_MAX: usize = 20_000;
/// Bytes of all of them.
const BYTES_MAX: u64 = 512 << 20;

/// A running digest over named files. The names are relative, so that a checkout may move.
pub(crate) struct Inputs {
    hasher: sha2::Sha256,
    left_out: &'static str,
    files: usize,
    bytes: u64,
}

impl Inputs {
    pub(crate) fn new() -> Self {
        Self::without("")
    }

    /// Leaves out every file of this name.
    pub(crate) fn without(left_out: &'static str) -> Self {
        Self { hasher: sha2::Sha256::new(), left_out, files: 0, bytes: 0 }
    }

    /// Adds a value under a name. Lengths go first, so that no two lists of inputs look the same.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.hasher.update((part.len() as u64).to_le_bytes());
            self.hasher.update(part);
        }
    }

    /// Adds one file; one that is not there counts as just that.
    pub(crate) fn add_file(&mut self, name: &str, path: &Path) -> Result<(), BuildError> {
        if path.file_name().is_some_and(|name| name == self.left_out) {
            return Ok(());
        }
        match fs::read(path) {
            Ok(content) => {
                self.files += 1;
                self.bytes += content.len() as u64;
                self.add(name, &content);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.add(name, b"absent"),
            Err(error) => return Err(BuildError::io("read", path, &error)),
        }
        if self.files > FILES_MAX || self.bytes > BYTES_MAX {
            let much = format!("the project has more than {FILES_MAX} files or {} MiB", BYTES_MAX >> 20);
            return Err(BuildError::io("take in", path, &std::io::Error::other(much))
                .hint("keep data and build folders outside the folder of `plugin.toml`"));
        }
        Ok(())
    }

    /// Adds every file below a folder, in the order of their names.
    pub(crate) fn add_folder(&mut self, name: &str, folder: &Path) -> Result<(), BuildError> {
        let failed = |error: std::io::Error| BuildError::io("read", folder, &error);
        let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let name = format!("{name}/{file_name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                if !TOOL_FOLDERS.contains(&file_name.as_str()) {
                    self.add_folder(&name, &path)?;
                }
            } else if kind.is_file() || path.is_file() {
                // A link to a file counts as the file; a link to a folder is not followed, because it may lead back up.
                self.add_file(&name, &path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn digest(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Writes the bytes beside their destination and renames: a crash leaves the old file or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| BuildError::io("create", folder, &error))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The process id keeps two builds apart that write the same file at the same time; the last rename wins, whole.
    let staged = folder.join(format!(".{name}.{}.{:?}.part", std::process::id(), std::thread::current().id()));
    let written = fs::File::create(&staged)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&staged, path));
    written.map_err(|error| {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&staged);
        BuildError::io("write", path, &error)
    })
}

/// The file's digest, or none if it cannot be read.
pub(crate) fn digest_of(path: &Path) -> Option<Digest> {
    fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

/// `path` as seen from `base`; both absolute and without links.
pub(crate) fn relative(path: &Path, base: &Path) -> PathBuf {
    let shared = path.components().zip(base.components()).take_while(|(a, b)| a == b).count();
    let up = base.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_digest(folder: &Path) -> String {
        let mut inputs = Inputs::new();
        inputs.add_folder("project", folder).unwrap();
        inputs.digest()
    }

    #[test]
    fn a_changed_a_renamed_and_a_new_file_change_the_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "1").unwrap();
        let first = folder_digest(folder.path());
        assert_eq!(first, folder_digest(folder.path()));
        fs::write(path("a"), "2").unwrap();
        let changed = folder_digest(folder.path());
        fs::rename(path("a"), path("b")).unwrap();
        let renamed = folder_digest(folder.path());
        fs::create_dir(path("below")).unwrap();
        fs::write(path("below/c"), "").unwrap();
        let more = folder_digest(folder.path());
        let all = std::collections::BTreeSet::from([first, changed, renamed, more]);
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn folders_that_tools_fill_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        let before = folder_digest(folder.path());
        fs::create_dir(folder.path().join("node_modules")).unwrap();
        fs::write(folder.path().join("node_modules/x"), "").unwrap();
        assert_eq!(before, folder_digest(folder.path()));
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("out.wasm/occupied")).unwrap();
        assert!(write_atomically(&folder.path().join("out.wasm"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn relative_paths_climb_to_the_shared_folder() {
        assert_eq!(relative(Path::new("/a/b/c"), Path::new("/a/d/e")), Path::new("../../b/c"));
        assert_eq!(relative(Path::new("/a/b"), Path::new("/a")), Path::new("b"));
    }
}
