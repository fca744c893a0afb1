//! The files of the repository that a person wrote: found by walking, so that a clone without Git or with another owner is checked as well.
//!
//! Easily got wrong: new files count before they are committed. What is skipped is what `.gitignore` names, plus Git's own folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const SKIPPED: [&str; 6] = ["target", "node_modules", ".venv", "out", "__pycache__", ".git"];

/// Larger files are data, and no rule reads those.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// One text file.
pub(crate) struct File {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files, sorted by path.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let listing = root.join(&folder);
        for entry in fs::read_dir(&listing).with_context(|| format!("cannot list `{}`", listing.display()))? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let path = folder.join(&name);
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if kind.is_file() && entry.metadata()?.len() <= TEXT_BYTES_MAX {
                // A file may vanish while it is walked: editors save by renaming. What is not text is no rule's concern.
                if let Ok(text) = fs::read_to_string(entry.path()) {
                    found.push(File { path: path.to_string_lossy().replace('\\', "/"), text });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_text_and_skips_what_tools_wrote() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/b.rs", "a/target/c.rs", "node_modules/d.js"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        fs::write(folder.path().join("picture"), [0xff, 0xfe]).unwrap();
        let found = files(folder.path()).unwrap();
        assert_eq!(found.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a/b.rs"]);
    }
}
