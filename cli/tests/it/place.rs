//! A folder for one test, and the command run in it. No claims here.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A folder that goes when it is dropped.
pub(crate) struct Place(tempfile::TempDir);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with its folders.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs `plugwork` in this folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// Runs `plugwork` in this folder, with some environment.
    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Ran {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// `plugwork` in this folder, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plugwork"));
        command.args(arguments).current_dir(self.0.path()).env("PLUGWORK_STATE", self.path("state"));
        command.env("COLUMNS", "80").env("PLUGWORK_HOME", home()).env_remove("CARGO_TARGET_DIR");
        // Nobody is at a terminal unless a test puts somebody there.
        command.stdin(std::process::Stdio::null());
        command
    }
}

impl Ran {
    /// Checks the exit code, with everything that was said where it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Checks that every part was said on stderr.
    #[track_caller]
    pub(crate) fn complains(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "`{part}` is not in:\n{}", self.err);
        }
        self
    }

    /// Checks that every part was said on stdout.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "`{part}` is not in:\n{}", self.out);
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in:\n{}\nstderr:\n{}", self.out, self.err))
    }
}

/// The checkout of plugwork.
pub(crate) fn home() -> PathBuf {
    std::env::var_os("PLUGWORK_HOME").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), PathBuf::from)
}

/// A plugin of `examples/`, as `cargo xtask guests` builds it.
pub(crate) fn plugin(name: &str) -> String {
    let folder = std::env::var_os("PLUGWORK_PLUGINS").map_or_else(|| home().join("target/plugins"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "`{}` is missing: run `cargo xtask guests` first, or set PLUGWORK_PLUGINS", path.display());
    path.to_str().unwrap().to_owned()
}
