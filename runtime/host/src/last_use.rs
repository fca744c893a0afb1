//! Which plugins were used last, kept beside the cache for the next start. A hint and no record: where it is lost, plugins load at their first call.

use std::path::PathBuf;

/// Names that are kept.
const NAMES_MAX: usize = 10_000;
/// Bytes of a file that is believed.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The file; none where nothing is kept.
pub(crate) struct LastUse(Option<PathBuf>);

impl LastUse {
    pub(crate) fn new(state: Option<&std::path::Path>) -> Self {
        Self(state.map(|state| state.join("last-use.json")))
    }

    /// The names, the one used last first. Whatever is wrong with the file: none.
    pub(crate) fn read(&self) -> Vec<String> {
        let read = || {
            let path = self.0.as_ref()?;
            let small = std::fs::metadata(path).ok()?.len() <= FILE_BYTES_MAX;
            small.then(|| std::fs::read(path).ok()).flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        };
        read().unwrap_or_default()
    }

    /// Keeps them. A file that cannot be written costs time at the next start, nothing else.
    pub(crate) fn write(&self, names: &[String]) {
        let Some(path) = &self.0 else { return };
        let beside = path.with_extension(format!("{}.partial", std::process::id()));
        let written = serde_json::to_vec(&names[..names.len().min(NAMES_MAX)]).map_err(std::io::Error::other);
        if written.and_then(|bytes| std::fs::write(&beside, bytes)).and_then(|()| std::fs::rename(&beside, path)).is_err() {
            let _ = std::fs::remove_file(&beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_broken_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let last = LastUse::new(Some(folder.path()));
        assert!(last.read().is_empty());
        last.write(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(last.read(), ["a", "b"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(folder.path().join("last-use.json"), "[1").unwrap();
        assert!(last.read().is_empty());
    }
}
