//! The program as the benchmark uses it: started once, asked by lines. Run with `--release`, or another engine is compiled for it.
//!
//! Not here: how fast anybody is. May be misread: a rival that answers at all has answered rightly, because each is asked for known answers
//! before it is timed.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

struct Rivals {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Rivals {
    fn start() -> Self {
        let mut child =
            Command::new(env!("CARGO_BIN_EXE_rivals")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Closes its input, and waits for it. Whether it ended well.
    fn end(mut self) -> bool {
        drop(self.input.take());
        self.child.wait().unwrap().success()
    }
}

/// The processes that a process has started.
fn children(of: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
    list.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

#[test]
fn every_rival_answers_and_is_there_for_the_next_batch() {
    let mut rivals = Rivals::start();
    let names = rivals.ask("list");
    assert_eq!(names.split(' ').count(), 10);
    for name in names.split(' ') {
        for times in [1, 300] {
            let answer = rivals.ask(&format!("batch {name} {times}"));
            let took: f64 = answer.strip_prefix("ns ").unwrap_or_else(|| panic!("{name}: {answer}")).parse().unwrap();
            assert!(took > 0.0, "{name}: {answer}");
        }
    }
    assert!(rivals.end());
}

#[test]
fn a_lost_plugin_process_is_an_error_and_the_others_go_on() {
    let mut rivals = Rivals::start();
    assert!(rivals.ask("batch subprocess-add 1").starts_with("ns "));
    let plugin = children(rivals.child.id());
    assert_eq!(plugin.len(), 1);
    assert!(Command::new("kill").args(["-9", &plugin[0].to_string()]).status().unwrap().success());
    let answer = rivals.ask("batch subprocess-add 1");
    assert!(answer.starts_with("error "), "{answer}");
    assert!(rivals.ask("batch native-add 1").starts_with("ns "));
    assert!(rivals.end());
}

#[test]
fn the_plugin_process_ends_with_its_host() {
    let mut rivals = Rivals::start();
    assert!(rivals.ask("batch subprocess-add 1").starts_with("ns "));
    assert_eq!(children(rivals.child.id()).len(), 1);
    let mut shared = rivals.child.stderr.take().unwrap();
    // Killed, so that nothing of its own can clean up behind it.
    rivals.child.kill().unwrap();
    rivals.child.wait().unwrap();
    let (ended, wait) = mpsc::channel();
    thread::spawn(move || {
        // The plugin has the same standard error: the pipe ends when both have let go of it.
        shared.read_to_end(&mut Vec::new()).unwrap();
        ended.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(10)).expect("the plugin's process ends with its host");
}
