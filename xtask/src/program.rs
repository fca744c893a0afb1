//! Runs other programs: seen as they go, or kept to be read. What they print is never parsed here.
//!
//! Easily got wrong: `cargo` is the Cargo that runs this program, so that a toolchain chosen on the command line (`+1.95`) stays chosen.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::house::House;

/// A program about to be run.
pub(crate) struct Program {
    command: Command,
}

impl Program {
    /// A program from `PATH`, to be run in a folder.
    pub(crate) fn new(name: impl AsRef<OsStr>, folder: &Path) -> Self {
        let mut command = Command::new(name);
        command.current_dir(folder);
        Self { command }
    }

    /// The Cargo that runs this program, in the repository, with its target folder.
    pub(crate) fn cargo(house: &House) -> Self {
        Self::cargo_in(&house.root, &house.target)
    }

    /// The same in another workspace.
    pub(crate) fn cargo_in(folder: &Path, target: &Path) -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let program = Self::new(cargo, folder).env("CARGO_TARGET_DIR", target);
        // A clone is built once there: what helps a second build of the same clone only fills the disk.
        if in_ci() && std::env::var_os("CARGO_INCREMENTAL").is_none() { program.env("CARGO_INCREMENTAL", "0") } else { program }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it on this terminal; an exit code other than 0 is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.command.status().with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{self}` failed ({status}); its own messages are above");
        }
        Ok(())
    }

    /// Runs it and keeps what it prints; an exit code other than 0 is an error that carries its messages.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self.command.stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            bail!("`{self}` failed ({}):\n{}", output.status, both(&output));
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` printed something that is not text"))
    }

    /// Runs it, keeps what it prints and says whether it succeeded.
    pub(crate) fn try_read(mut self) -> Result<(bool, String)> {
        let output = self.command.stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        Ok((output.status.success(), both(&output)))
    }

    /// Runs it and hands over each line of its standard output as it comes; standard error goes to this terminal.
    pub(crate) fn each_line(mut self, mut line: impl FnMut(&str)) -> Result<bool> {
        let mut child = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| self.cannot_start())?;
        let stdout = child.stdout.take().context("the pipe was asked for one line above")?;
        for text in BufReader::new(stdout).split(b'\n') {
            line(&String::from_utf8_lossy(&text?));
        }
        Ok(child.wait()?.success())
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`: is it installed and on the PATH?", self.command.get_program().display())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Path::new(self.command.get_program()).file_name().unwrap_or_default();
        write!(f, "{}", name.display())?;
        self.command.get_args().try_for_each(|argument| write!(f, " {}", argument.display()))
    }
}

fn both(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).trim_end().to_owned());
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Whether this is continuous integration, as every such service says it.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Whether a program can be started at all.
pub(crate) fn is_there(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}

/// Seconds as people read them.
pub(crate) fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() {
        short if short < 60.0 => format!("{short:.1} s"),
        long => format!("{}:{:02} min", long as u64 / 60, long as u64 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh", Path::new("/")).args(["-c", script])
    }

    #[test]
    fn a_failure_carries_what_the_program_said() {
        let error = shell("echo to stdout; echo to stderr >&2; exit 3").read().unwrap_err().to_string();
        assert!(error.contains("to stdout\nto stderr") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn lines_arrive_whole_and_the_outcome_is_kept() {
        let mut lines = Vec::new();
        assert!(!shell("echo one; printf two; exit 1").each_line(|line| lines.push(line.to_owned())).unwrap());
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_program_that_is_not_there_says_so() {
        let error = Program::new("no-such-program", Path::new("/")).run().unwrap_err();
        assert!(error.to_string().contains("cannot start `no-such-program`"), "{error}");
    }

    #[test]
    fn times_are_short_to_read() {
        assert_eq!(seconds(Duration::from_millis(1_234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2:05 min");
    }
}
