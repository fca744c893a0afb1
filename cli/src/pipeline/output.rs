//! Output files: written beside their name and renamed when they are whole, so that a torn file never stands under its final name.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::exit::Failure;

/// A file under construction. Dropped before [`Output::finish`], it leaves nothing.
pub(crate) struct Output {
    file: NamedTempFile,
    target: PathBuf,
    bytes: u64,
}

impl Output {
    /// Begins `folder/name`; makes folders where they are missing.
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Self, Failure> {
        let target = folder.join(name);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| failed("cannot make the folder of", &target, &error))?;
        let file = tempfile::Builder::new().prefix(".").suffix(".partial").tempfile_in(parent);
        let file = file.map_err(|error| failed("cannot create", &target, &error))?;
        Ok(Self { file, target, bytes: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| failed("cannot write", &self.target, &error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Syncs it and gives it its name; says how many bytes it has.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        let target = self.target;
        self.file.as_file().sync_all().map_err(|error| failed("cannot finish", &target, &error))?;
        // A temporary is private; an output is as readable as the folder's other files.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let readable = fs::Permissions::from_mode(0o644);
            self.file.as_file().set_permissions(readable).map_err(|error| failed("cannot finish", &target, &error))?;
        }
        self.file.persist(&target).map_err(|error| failed("cannot finish", &target, &error.error))?;
        Ok(self.bytes)
    }
}

fn failed(doing: &str, target: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "make room there, or give another folder with `--output FOLDER`"
        }
        _ => "give a folder that can be written with `--output FOLDER`",
    };
    Failure::failed(format_args!("{doing} `{}`: {error}; what was written so far was removed\nhint: {hint}", target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_output_leaves_nothing_and_a_finished_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut torn = Output::create(folder.path(), "torn.txt").unwrap();
        torn.write(b"half").unwrap();
        drop(torn);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut whole = Output::create(folder.path(), "deep/whole.txt").unwrap();
        whole.write(b"all").unwrap();
        assert_eq!(whole.finish().unwrap(), 3);
        assert_eq!(fs::read(folder.path().join("deep/whole.txt")).unwrap(), b"all");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named() {
        let file = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let temporary = NamedTempFile::from_parts(file, tempfile::TempPath::try_from_path(folder.path().join("x")).unwrap());
        let mut output = Output { file: temporary, target: folder.path().join("full.csv"), bytes: 0 };
        let failure = output.write(&[0; 1 << 16]).unwrap_err().to_string();
        assert!(failure.contains("full.csv") && failure.contains("No space left"), "{failure}");
    }
}
