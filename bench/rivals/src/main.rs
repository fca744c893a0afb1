//! `rivals`: what plugwork is measured against, as a program that times a batch when it is told to.
//!
//! One line in, one line out: `list` answers the names; `batch NAME TIMES` does it so many times and answers `ns PER_CALL`; `quit` ends it.
//! What cannot be done is answered as `error TEXT`, and the next line is read. Lives here: the protocol. Not here: the rivals, one file each.
//! May be misread: the clock runs in here, around the calls alone, so the pipe that carries the lines is in no number.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a benchmark")]

mod extism_host;
mod native;
mod rival;
mod subprocess;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::rival::{NAMES, Rival};

/// The argument that makes this program the plugin of `subprocess`, followed by the path of its socket.
const SERVE: &str = "serve";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => converse(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()),
        [SERVE, socket] => subprocess::serve(socket.as_ref()),
        _ => Err(anyhow::anyhow!("takes no arguments; write `list`, `batch NAME TIMES` or `quit` to its standard input")),
    };
    if let Err(error) = outcome {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Answers line by line until `quit` or the end of the input.
fn converse(input: &mut impl BufRead, output: &mut impl Write) -> Result<()> {
    let mut rivals = BTreeMap::new();
    for line in input.lines() {
        let line = line?;
        let answer = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["quit"] => return Ok(()),
            ["list"] => Ok(NAMES.join(" ")),
            ["batch", name, times] => batch(&mut rivals, name, times),
            _ => Err(anyhow::anyhow!("cannot understand `{line}`; there are `list`, `batch NAME TIMES` and `quit`")),
        };
        match answer {
            Ok(answer) => writeln!(output, "{answer}")?,
            // On one line, whatever the error says.
            Err(error) => writeln!(output, "error {}", format!("{error:#}").replace('\n', "; "))?,
        }
        output.flush()?;
    }
    Ok(())
}

/// Times a batch; a rival is started when it is first named, and stays.
fn batch(rivals: &mut BTreeMap<String, Box<dyn Rival>>, name: &str, times: &str) -> Result<String> {
    let times: u32 = times.parse().with_context(|| format!("`{times}` is no number of calls"))?;
    if times == 0 {
        bail!("a batch of no calls has no time");
    }
    if !rivals.contains_key(name) {
        rivals.insert(name.to_owned(), rival::start(name)?);
    }
    let rival = rivals.get_mut(name).context("it was started one line above")?;
    let took = rival.batch(times)?;
    Ok(format!("ns {:.3}", took.as_nanos() as f64 / f64::from(times)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &str) -> Vec<String> {
        let mut output = Vec::new();
        converse(&mut lines.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_cannot_be_done_is_said_and_does_not_end_it() {
        let answers = said("batch nobody 1\nbatch native-add 0\nbatch native-add x\nsing\nlist\nquit\nlist\n");
        assert_eq!(answers.len(), 5);
        assert!(answers[..4].iter().all(|answer| answer.starts_with("error ")), "{answers:?}");
        assert_eq!(answers[4].split(' ').collect::<Vec<_>>(), NAMES);
    }
}
