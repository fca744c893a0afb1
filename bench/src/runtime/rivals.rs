//! The rivals of another workspace (`bench/rivals`), as sides of a contest: a child process that times a batch when it is told to.
//!
//! Not here: what each of them is; `docs/benchmarks.md` says it. May be misread: the clock runs in the child, around the calls alone, so the pipe is in
//! no number; and asking blocks the thread, which is meant: nothing else of ours runs meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};

use crate::ROOT;
use crate::measure::Side;

/// Where `cargo xtask bench runtime` builds it.
const PROGRAM: &str = "bench/rivals/target/release/rivals";

/// The running program. It ends when its input does.
pub(super) struct Rivals {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// One rival with one job.
pub(super) struct Rival {
    rivals: Arc<Mutex<Rivals>>,
    name: &'static str,
    /// It does one for so many of ours: a batch of it should last no longer than one of ours.
    one_for: u32,
}

impl Rivals {
    pub(super) fn start() -> Result<Arc<Mutex<Self>>> {
        let path = Path::new(ROOT).join(PROGRAM);
        let missing = || format!("cannot start `{}`; `cargo xtask bench runtime` builds it", path.display());
        let mut child = Command::new(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().with_context(missing)?;
        let output = child.stdout.take().context("its output is a pipe")?;
        let input = child.stdin.take();
        Ok(Arc::new(Mutex::new(Self { child, input, output: BufReader::new(output) })))
    }

    /// Nanoseconds of one call.
    fn batch(&mut self, name: &str, times: u32) -> Result<f64> {
        let input = self.input.as_mut().context("its input is open until it is dropped")?;
        writeln!(input, "batch {name} {times}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        match answer.trim_end().split_once(' ') {
            Some(("ns", took)) => took.parse().with_context(|| format!("`{name}` answered `{took}`")),
            _ => bail!("`{name}` answered `{}`", answer.trim_end()),
        }
    }
}

impl Drop for Rivals {
    fn drop(&mut self) {
        drop(self.input.take());
        // It has nothing left to do; how it ends changes no number.
        let _ = self.child.wait();
    }
}

impl Rival {
    pub(super) fn new(rivals: &Arc<Mutex<Rivals>>, name: &'static str, one_for: u32) -> Self {
        Self { rivals: rivals.clone(), name, one_for }
    }
}

impl Side for Rival {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let mut rivals = self.rivals.lock().expect("no panic happens under this lock");
        rivals.batch(self.name, (times / self.one_for).max(1))
    }
}
