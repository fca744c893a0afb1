//! Remembers, by content, that something was already fetched. One small file beside the result; no clocks and no file times.
//!
//! Easily got wrong: the stamp lies *inside* what was fetched, so that whoever deletes that folder deletes the stamp with it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Whether a folder still is what its inputs ask for.
pub(crate) struct Stamp {
    path: PathBuf,
    wanted: String,
}

impl Stamp {
    /// A stamp in `folder` over the contents of `files` and the text `also` (a version, a platform).
    pub(crate) fn new(folder: &Path, files: &[PathBuf], also: &str) -> Result<Self> {
        let mut digest = Sha256::new();
        digest.update(also.as_bytes());
        for file in files {
            let bytes = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(&bytes);
        }
        let wanted = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: folder.join(".plugwork-setup"), wanted })
    }

    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|found| found == self.wanted)
    }

    /// To be called when the work is done, never before.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.wanted).with_context(|| format!("cannot write `{}`", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_current_until_an_input_changes() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("lock");
        fs::write(&lock, "one").unwrap();
        let stamp = |also| Stamp::new(folder.path(), std::slice::from_ref(&lock), also).unwrap();
        assert!(!stamp("3.11").is_current());
        stamp("3.11").write().unwrap();
        assert!(stamp("3.11").is_current());
        assert!(!stamp("3.12").is_current());
        fs::write(&lock, "two").unwrap();
        assert!(!stamp("3.11").is_current());
    }
}
