//! Runs a tool and keeps what it said, within bounds of memory and time.
//!
//! Nothing reaches the terminal from here: a step decides what the author gets to see. A tool that exits with anything but 0 is an
//! error that carries its standard error, so an `Output` always means success.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::BuildError;

/// How much of each stream is kept. More is dropped from the middle: first errors and last words matter most.
const STREAM_BYTES_MAX: usize = 256 << 10;

/// How much standard output is kept; more is an error, because half a machine-readable answer is worse than none.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// How long one tool may run. A cold `cargo build` of a plugin with many dependencies takes minutes on a small machine.
const TOOL_SECONDS_MAX: u64 = 30 * 60;

/// What a tool that succeeded wrote.
pub(crate) struct Output {
    /// Everything from standard output, at most 32 MiB.
    pub(crate) stdout: Vec<u8>,
    /// Standard error as text, at most 256 KiB: its beginning and its end.
    pub(crate) stderr: String,
}

/// Runs the tool to its end with no standard input.
pub(crate) fn run(mut command: Command) -> Result<Output, BuildError> {
    let shown = shown(&command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let tool = command.get_program().to_string_lossy().into_owned();
            BuildError::tool_missing(&tool, format!("install `{tool}` and make sure that it is in PATH"))
        }
        _ => BuildError::tool_failed(&shown, error.to_string()),
    })?;
    let (stdout, stderr) = capture(&mut child, &shown)?;
    let status = child.wait().map_err(|error| BuildError::tool_failed(&shown, error.to_string()))?;
    let stderr = stderr.text();
    if !status.success() {
        // Some tools complain on standard output only.
        let said = if stderr.trim().is_empty() { stdout.text() } else { stderr };
        return Err(BuildError::tool_failed(&shown, format!("{said}\n({status})")));
    }
    if stdout.dropped > 0 {
        return Err(BuildError::tool_failed(&shown, format!("it answered with more than {ANSWER_BYTES_MAX} bytes")));
    }
    Ok(Output { stdout: stdout.head, stderr })
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Both streams until both are closed, or the tool killed when its time is up.
fn capture(child: &mut Child, shown: &str) -> Result<(Kept, Kept), BuildError> {
    let stdout = child.stdout.take().expect("spawned with a pipe");
    let stderr = child.stderr.take().expect("spawned with a pipe");
    let (send, receive) = mpsc::channel();
    // Two threads, because a tool that fills one pipe while we read the other would stand still for ever.
    let send_stderr = send.clone();
    std::thread::spawn(move || send.send((true, Kept::read(stdout, ANSWER_BYTES_MAX, 0))));
    std::thread::spawn(move || send_stderr.send((false, Kept::read(stderr, STREAM_BYTES_MAX / 2, STREAM_BYTES_MAX / 2))));
    let until = Instant::now() + Duration::from_secs(TOOL_SECONDS_MAX);
    let (mut out, mut err) = (None, None);
    while out.is_none() || err.is_none() {
        match receive.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok((true, kept)) => out = Some(kept),
            Ok((false, kept)) => err = Some(kept),
            Err(_) => {
                // The tool may have ended in between; then there is nothing left to kill.
                let _ = child.kill();
                let _ = child.wait();
                return Err(BuildError::tool_failed(shown, format!("it ran longer than {TOOL_SECONDS_MAX} seconds and was stopped")));
            }
        }
    }
    Ok((out.unwrap_or_default(), err.unwrap_or_default()))
}

/// The beginning and the end of a stream.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: usize,
}

impl Kept {
    fn read(mut stream: impl Read, head_bytes_max: usize, tail_bytes_max: usize) -> Self {
        let mut kept = Self::default();
        let mut chunk = vec![0; 64 << 10];
        // A read that fails is the end of the stream; the exit status says whether anything went wrong.
        while let Ok(length @ 1..) = stream.read(&mut chunk) {
            let (first, rest) = chunk[..length].split_at(length.min(head_bytes_max - kept.head.len()));
            kept.head.extend_from_slice(first);
            kept.tail.extend_from_slice(rest);
            let excess = kept.tail.len().saturating_sub(tail_bytes_max);
            kept.tail.drain(..excess);
            kept.dropped += excess;
        }
        kept
    }

    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.head).into_owned();
        if self.dropped > 0 {
            text.push_str(&format!("\n… {} bytes left out …\n", self.dropped));
        }
        text.push_str(&String::from_utf8_lossy(&self.tail));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn keeps_both_streams_of_a_success() {
        let output = run(shell("echo answer; echo remark >&2")).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_str()), (&b"answer\n"[..], "remark\n"));
    }

    #[test]
    fn a_failure_carries_what_the_tool_said() {
        let error = run(shell("echo 'line 3: oops' >&2; exit 4")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ToolFailed);
        assert!(error.to_string().contains("line 3: oops") && error.to_string().contains("exit status: 4"), "{error}");
    }

    #[test]
    fn a_missing_tool_is_named_with_a_hint() {
        let error = run(Command::new("plugwork-tool-that-is-not-there")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert!(error.to_string().contains("`plugwork-tool-that-is-not-there` is not installed"), "{error}");
    }

    #[test]
    fn endless_words_are_cut_in_the_middle() {
        let kept = Kept::read(&b"0123456789"[..], 3, 4);
        assert_eq!(kept.text(), "012\n… 3 bytes left out …\n6789");
    }

    #[test]
    fn a_stream_at_its_limit_is_kept_whole() {
        assert_eq!(Kept::read(&b"0123456"[..], 3, 4).text(), "0123456");
    }
}
