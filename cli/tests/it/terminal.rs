//! A command at a pseudo terminal, with somebody who answers. No claims here.
//!
//! The terminal is made by Python's `pty`, which this repository needs anyway: a crate for it would change the features of one that the engine
//! uses, and compile the engine anew.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a whole conversation may take: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs its arguments with stdin, stdout and stderr at a new terminal, and ends as they ended.
const AT_TERMINAL: &str = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// What was said at a terminal: everything as it stood on the screen.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) screen: String,
}

/// Runs the command at a terminal; types the answers one after the other, each when a question stands there, then the end of input.
pub(crate) fn converse(command: &Command, answers: &[&str]) -> Said {
    let mut python = Command::new("python3");
    python.args(["-c", AT_TERMINAL]).arg(command.get_program()).args(command.get_args());
    python.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (sender, chunks) = channel();
    thread::spawn(move || {
        let mut chunk = [0; 4_096];
        while let Ok(read @ 1..) = screen.read(&mut chunk) {
            if sender.send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let (began, mut seen, mut answered) = (Instant::now(), Vec::new(), 0);
    let mut answers = answers.iter();
    loop {
        match chunks.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            Ok(chunk) => seen.extend(chunk),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("it waits:\n{}", String::from_utf8_lossy(&seen));
            }
        }
        // A question ends with a bracket or a question mark and a space, and nothing behind it.
        if seen[answered..].ends_with(b"] ") || seen[answered..].ends_with(b"? ") {
            answered = seen.len();
            // Ctrl-D is the end of input. Whoever ended meanwhile reads no answer.
            let _ = keyboard.write_all(answers.next().map_or("\u{4}".to_owned(), |answer| format!("{answer}\n")).as_bytes());
            let _ = keyboard.flush();
        }
    }
    let code = child.wait().unwrap().code().unwrap();
    Said { code, screen: String::from_utf8_lossy(&seen).replace('\r', "") }
}
