//! The parent's side: start a child, watch it, end it in time, and take its result into a sealed file.
//!
//! The thread that starts a child stays until it has ended: the kernel ends the child with that thread, not with the process. What may
//! surprise: bytes go in and out through memory files, not pipes. The parent's own memory stays as it was however big they are, and
//! nothing can change what was checked.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use plugwork_core::{CompileFailure, CompileLimits};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::classify::{End, Meaning, meaning, walls};
use super::order::{HEAPS, MARK, MARKED, Order, SAID_BYTES_MAX, THREADS};
use super::queue::{Place, Queue};
use super::walls::Walls;
use super::{ChildCompiler, Program};
use crate::engine::Variant;
use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;

/// The children of one runtime.
pub(crate) struct Children {
    program: PathBuf,
    pub(crate) limits: CompileLimits,
    queue: Queue,
    /// What stood around the last one.
    walls: Mutex<Option<Walls>>,
}

/// What came of one.
pub(crate) enum Made {
    /// Machine code, sealed.
    Code(File),
    /// None, and why.
    Failed(CompileFailure),
}

impl Children {
    pub(crate) fn new(compiler: &ChildCompiler) -> Result<Self> {
        let program = match &compiler.program {
            // The very file that runs, even where another was put in its place since.
            Program::This => PathBuf::from("/proc/self/exe"),
            // The child is started in `/`.
            Program::Other(path) => std::path::absolute(path).map_err(|error| Error::io("cannot tell where we are", &error))?,
        };
        let queue = Queue::new(compiler.at_once, compiler.waiting_max);
        Ok(Self { program, limits: compiler.limits, queue, walls: Mutex::default() })
    }

    /// What stood around the child that ended last.
    pub(crate) fn walls(&self) -> Option<Walls> {
        *self.walls.lock().expect("no panic happens under this lock")
    }

    /// Waits for a place to compile in.
    pub(crate) async fn enter(&self) -> Result<Place, CompileFailure> {
        self.queue.enter().await
    }

    /// Compiles in a child. Blocks for as long as that takes.
    pub(crate) fn compile(&self, source: &Source, variant: Variant, compatibility: u64, _: &Place) -> Result<Made> {
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Engine, format!("cannot compile {} in a child: {what}: {error}", source.digest()))
        };
        let input = source.sealed()?;
        let bytes = input.metadata().map_err(|error| failed("its input", &error))?.len();
        let order = Order { parent: std::process::id(), digest: source.digest(), bytes, variant, compatibility, limits: self.limits };
        let order = serde_json::to_string(&order).map_err(|error| failed("its order", &error))?;
        let output = memory_file("plugwork-compiled").map_err(|error| failed("its output", &error))?;
        let theirs = output.try_clone().map_err(|error| failed("its output", &error))?;
        let (end, said) = self.run(&order, input, theirs).map_err(|error| failed(&self.program.display().to_string(), &error))?;
        if let Some(walls) = walls(&said) {
            *self.walls.lock().expect("no panic happens under this lock") = Some(walls);
        }
        match meaning(end, &said, &self.limits) {
            Meaning::Code => {}
            Meaning::Failed(failure) => return Ok(Made::Failed(failure)),
            Meaning::Unfit(message) => return Err(failed(&self.program.display().to_string(), &message)),
        }
        let output = seal(output).map_err(|error| failed("its output", &error))?;
        match output.metadata().map_err(|error| failed("its output", &error))?.len() {
            0 => Ok(Made::Failed(CompileFailure::Ended { code: 0, message: "it wrote nothing".to_owned() })),
            length if length > self.limits.output_bytes => {
                Ok(Made::Failed(CompileFailure::Output { limit_bytes: self.limits.output_bytes }))
            }
            _ => Ok(Made::Code(output)),
        }
    }

    fn run(&self, order: &str, input: File, output: File) -> std::io::Result<(End, String)> {
        let mut command = Command::new(&self.program);
        command.arg0(MARKED).arg(MARKED).arg(order).current_dir(Path::new("/"));
        command.env_clear().env(MARK, MARKED).env(THREADS, self.limits.threads.to_string()).env(HEAPS, "2");
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::piped());
        let deadline = Instant::now() + Duration::from_millis(self.limits.wall_ms);
        let mut running = Running(command.spawn()?);
        let mut ears = Ears { stderr: running.0.stderr.take(), said: Vec::new() };
        let in_time = running.watch(deadline, &mut ears)?;
        let status = running.end(!in_time)?;
        ears.hear_out()?;
        let said = String::from_utf8_lossy(&ears.said).into_owned();
        let end = match (in_time, status.code(), status.signal()) {
            (false, ..) => End::Late,
            (true, Some(code), _) => End::Exit(code),
            (true, None, signal) => End::Signal(signal.unwrap_or_default()),
        };
        Ok((end, said))
    }
}

/// A child that does not outlive this value: neither running nor as a zombie.
struct Running(Child);

impl Running {
    /// Until it ends, or until the deadline: whether it ended.
    fn watch(&self, deadline: Instant, ears: &mut Ears) -> std::io::Result<bool> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidData)?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = ears.wait(Some(process.as_fd()), left)?;
            if ended || left.is_zero() {
                return Ok(ended);
            }
        }
    }

    fn end(mut self, kill: bool) -> std::io::Result<std::process::ExitStatus> {
        if kill {
            self.0.kill()?;
        }
        self.0.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing to a child that was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a child says, up to a limit. After that its stderr is closed, and it talks to nobody.
struct Ears {
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

impl Ears {
    /// Until the process ends, something is said, or the time is up: whether the process ended.
    fn wait(&mut self, process: Option<std::os::fd::BorrowedFd<'_>>, left: Duration) -> std::io::Result<bool> {
        let mut watched: Vec<_> = process.iter().map(|process| PollFd::new(process, PollFlags::IN)).collect();
        let ears_at = watched.len();
        watched.extend(self.stderr.iter().map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        let timeout = Timespec::try_from(left).map_err(|_| std::io::ErrorKind::InvalidInput)?;
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = process.is_some() && !watched[0].revents().is_empty();
        let speaks = watched.get(ears_at).is_some_and(|stderr| !stderr.revents().is_empty());
        if speaks {
            self.hear()?;
        }
        Ok(ended)
    }

    fn hear(&mut self) -> std::io::Result<()> {
        let Some(stderr) = &mut self.stderr else { return Ok(()) };
        let mut chunk = [0; 4096];
        let read = stderr.read(&mut chunk)?;
        self.said.extend_from_slice(&chunk[..read]);
        self.said.truncate(SAID_BYTES_MAX);
        if read == 0 || self.said.len() == SAID_BYTES_MAX {
            self.stderr = None;
        }
        Ok(())
    }

    /// The rest of what a child said that has ended. Never waits: something else may hold the other end.
    fn hear_out(&mut self) -> std::io::Result<()> {
        while self.stderr.is_some() {
            let before = self.said.len();
            self.wait(None, Duration::ZERO)?;
            if self.said.len() == before {
                self.stderr = None;
            }
        }
        Ok(())
    }
}

/// A file that has no name and is only memory.
pub(crate) fn memory_file(name: &str) -> std::io::Result<File> {
    Ok(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?.into())
}

/// Makes a memory file unchangeable, whoever else has it open, and stands at its start.
pub(crate) fn seal(mut file: File) -> std::io::Result<File> {
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    file.rewind()?;
    Ok(file)
}
