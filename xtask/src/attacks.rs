//! `cargo xtask attacks [--measure] [ROW...]`: the attack catalogue, one line for each row and profile; its rows and what is checked are in
//! `tests/attacks`.
//!
//! Easily got wrong: measuring needs the optimised build, or the compiler's own slowness is what is measured.

use anyhow::Result;

use crate::house::House;
use crate::program::Program;

/// Runs it; a row that does not hold is an error.
pub(crate) fn run(house: &House, words: &[&str]) -> Result<()> {
    let profile: &[&str] = if words.contains(&"--measure") { &["--release"] } else { &[] };
    Program::cargo(house).args(["run", "--quiet", "--package", "plugwork-attacks"]).args(profile).arg("--").args(words).run()
}
