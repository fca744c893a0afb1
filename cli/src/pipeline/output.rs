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
        fs::create_dir_all(folder).map_err(|error| failed("cannot make the folder of", &target, &error))?;
        stay_below(folder, parent, &target)?;
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

/// Makes the folders between, and refuses a link among them: a plugin that may write below the output folder could have put it there, to have
/// the host write where the plugin may not. What a link is swapped for between this look and the next step is a folder of the same owner.
fn stay_below(folder: &Path, parent: &Path, target: &Path) -> Result<(), Failure> {
    let mut place = folder.to_owned();
    for part in parent.strip_prefix(folder).unwrap_or(Path::new("")) {
        place.push(part);
        match fs::create_dir(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(failed("cannot make the folder of", target, &error));
            }
            _ => {}
        }
        let kind = fs::symlink_metadata(&place).map_err(|error| failed("cannot look at the folder of", target, &error))?.file_type();
        if !kind.is_dir() {
            return Err(Failure::refused(format_args!(
                "cannot create `{}`: `{}` is not a folder but a link or a file\nhint: remove it, or name another file in the pipeline",
                target.display(),
                place.display()
            )));
        }
    }
    Ok(())
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

    #[cfg(unix)]
    #[test]
    fn a_link_among_the_folders_leads_nowhere() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), folder.path().join("sub")).unwrap();
        let refused = Output::create(folder.path(), "sub/x.csv").err().unwrap().to_string();
        assert!(refused.contains("is not a folder but a link"), "{refused}");
        assert!(Output::create(folder.path(), "sub/deeper/x.csv").is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
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
