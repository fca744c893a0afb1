//! `cargo xtask bench core|containment|runtime|density`: the benchmarks, with optimisation. What they measure is `bench`'s affair, and so are the
//! arguments after the first.
//!
//! Easily got wrong: the rivals of `runtime` are a workspace with a target folder of its own, so that their engine is compiled once and never
//! meets ours. Nothing else builds them: the first time takes minutes.

use anyhow::{Context, Result};

use crate::house::{House, RIVALS};
use crate::program::Program;

/// Builds what the benchmark needs, and runs it.
pub(crate) fn run(house: &House, words: &[&str]) -> Result<()> {
    if needs_rivals(words) {
        rivals(house).context("without its rivals `runtime` has nothing to be measured against")?;
    }
    Program::cargo(house).args(["run", "--release", "--package", "plugwork-bench", "--"]).args(words).run()
}

fn needs_rivals(words: &[&str]) -> bool {
    words.first() == Some(&"runtime") && !words.iter().any(|word| matches!(*word, "-h" | "--help"))
}

/// Where `bench` looks for them: `bench/rivals/target/release/rivals`.
fn rivals(house: &House) -> Result<()> {
    let folder = house.root.join(RIVALS);
    Program::cargo_in(&folder, &folder.join("target")).args(["build", "--release", "--locked"]).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_measured_against_rivals_builds_them() {
        assert!(needs_rivals(&["runtime"]) && needs_rivals(&["runtime", "--quick"]));
        for words in [&["core"][..], &["containment"], &["density"], &["runtime", "--help"], &["core", "runtime"], &[]] {
            assert!(!needs_rivals(words), "{words:?}");
        }
    }
}
