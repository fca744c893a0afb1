//! A server as a child process: started, asked, looked at, stopped.
//!
//! May be misread: what it writes is read and thrown away by a thread of ours, so that no pipe ever fills; that costs both sides of a contest the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a server that does not say so may take until it listens.
const LISTENS_AFTER_MAX: Duration = Duration::from_secs(20);

/// A server that listens.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Server {
    /// Starts it, and waits for the line that begins with `said` on its standard error.
    pub(super) fn start(command: &mut Command, said: &str) -> Result<Self> {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut told = BufReader::new(child.stderr.take().context("it has a pipe")?);
        let mut server = Self { child, address: String::new() };
        let mut lines = String::new();
        while server.address.is_empty() {
            let from = lines.len();
            if told.read_line(&mut lines)? == 0 {
                bail!("{command:?} ended before it listened:\n{lines}");
            }
            if let Some((_, address)) = lines[from..].split_once(said) {
                server.address = address.trim().trim_end_matches('/').to_owned();
            }
        }
        std::thread::spawn(move || {
            let mut rest = [0; 64 << 10];
            while told.read(&mut rest).is_ok_and(|read| read > 0) {}
        });
        Ok(server)
    }

    /// Starts one that does not say where it listens: it was told to, at `address`.
    pub(super) fn start_at(command: &mut Command, address: String) -> Result<Self> {
        let began = Instant::now();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, address };
        while TcpStream::connect(&server.address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended before it listened: {status}");
            }
            ensure!(began.elapsed() < LISTENS_AFTER_MAX, "{command:?} does not listen at {}", server.address);
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// One request on a connection of its own; its status has to be 200.
    pub(super) fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "`{path}` was answered with {answer}");
        Ok(answer)
    }

    /// What is resident. MiB.
    pub(super) fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say what is resident")?;
        let kibibytes: f64 = resident.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; how it ends changes no number.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
