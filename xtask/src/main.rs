//! `cargo xtask VERB`: the chores of this repository, one file per verb. Anything a person wants from plugwork itself is in `cli`, not here.
//!
//! Easily got wrong: this crate is built before everything else by everybody, so it must not reach the engine; `tidy` checks that too.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod attacks;
mod bench;
mod demo;
mod guests;
mod house;
mod program;
mod setup;
mod stamp;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::house::House;
use crate::program::Program;

const USAGE: &str = "\
usage: cargo xtask VERB

  setup                      fetch what building and testing need: Rust targets, npm packages, a Python environment
  guests [--dev]             build every example plugin into target/plugins (--dev: with richer diagnostics)
  demo [--screenshot FILE] [--serve]
                             set up, build, run both pipelines, say where the reports are, serve an application and ask
                             it (--serve: and keep serving)
  test [WORD...]             everything that must hold, in every language; prints one table and one last line
                             (with words: only the parts whose names contain one of them)
  tidy [--fast]              floors, headers, contract, licences, format, lints, docs (--fast: without lints and docs)
  attacks [--measure] [ROW...]
                             the attack catalogue: one line for each row and profile (--measure: with optimisation,
                             how fast attackers are stopped and what a victim feels; --json FILE)
  bench core|containment|runtime|density
                             the benchmarks, with optimisation; arguments go through (--json FILE, --quick, --part PART);
                             runtime builds its rivals first
  bless                      rewrite the expected texts below tests/it/expected; read the diff before you commit it
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<ExitCode> {
    let house = House::here()?;
    match words {
        ["setup"] => setup::everything(&house)?,
        ["guests"] => guests::build(&house, false)?,
        ["guests", "--dev"] => guests::build(&house, true)?,
        ["demo"] => demo::run(&house, None, false)?,
        ["demo", "--serve"] => demo::run(&house, None, true)?,
        ["demo", "--screenshot", file] => demo::run(&house, Some(file), false)?,
        ["test", only @ ..] => return test::run(only),
        ["tidy"] => return tidy::run(&house, tidy::Depth::Full),
        ["tidy", "--fast"] => return tidy::run(&house, tidy::Depth::Fast),
        ["attacks", rest @ ..] => attacks::run(&house, rest)?,
        ["bench", rest @ ..] => bench::run(&house, rest)?,
        ["bless"] => {
            guests::build(&house, false)?;
            Program::cargo(&house).args(["test", "--package", "plugwork-tests"]).env("BLESS", "1").run()?;
            println!("blessed; now read `git diff tests/it/expected`");
        }
        [] | ["help" | "--help" | "-h"] => print!("{USAGE}"),
        _ => {
            eprint!("{USAGE}");
            bail!("there is no verb `{}`", words.join(" "));
        }
    }
    Ok(ExitCode::SUCCESS)
}
