//! `cargo xtask bench core|containment|runtime|density|edge|resolve|wiring`: the benchmarks, with optimisation. What they measure is `bench`'s affair, and so are the
//! arguments after the first.
//!
//! Easily got wrong: the rivals of `runtime` are a workspace with a target folder of its own, so that their engine is compiled once and never
//! meets ours. Nothing else builds them: the first time takes minutes. And what `edge` measures is the command itself, built together with the
//! benchmark, because Cargo then resolves features once for both.

use anyhow::{Context, Result};

use crate::guests;
use crate::house::{House, RIVALS};
use crate::program::Program;
use crate::setup::{debian, node, node_packages};

/// The release of wasmtime that plugwork has, whose `serve` is a rival.
const WASMTIME: &str = "48.0.8";

/// Builds what the benchmark needs, and runs it.
pub(crate) fn run(house: &House, words: &[&str]) -> Result<()> {
    if needs_rivals(words) {
        rivals(house, "plugwork-rivals").context("without its rivals `runtime` has nothing to be measured against")?;
    }
    if words.first() == Some(&"edge") && !asks_for_help(words) {
        return edge(house, words);
    }
    Program::cargo(house).args(["run", "--release", "--package", "plugwork-bench", "--"]).args(words).run()
}

fn needs_rivals(words: &[&str]) -> bool {
    words.first() == Some(&"runtime") && !asks_for_help(words)
}

fn asks_for_help(words: &[&str]) -> bool {
    words.iter().any(|word| matches!(*word, "-h" | "--help"))
}

/// Where `bench` looks for them: `bench/rivals/target/release`.
fn rivals(house: &House, package: &str) -> Result<()> {
    let folder = house.root.join(RIVALS);
    Program::cargo_in(&folder, &folder.join("target")).args(["build", "--release", "--locked", "--package", package]).run()
}

/// Everything that `edge` measures, and what loads it; then the benchmark.
fn edge(house: &House, words: &[&str]) -> Result<()> {
    debian::need(house, &["wrk", "taskset"], &["wrk", "util-linux"])?;
    node(house)?;
    node_packages(house, "bench/rivals/workerd")?;
    guests::build(house, false)?;
    rivals(house, "plugwork-rivals-http").context("without native code there is nothing to be measured against")?;
    let (folder, root) = (house.root.join(RIVALS), house.root.join(RIVALS).join(format!("target/wasmtime-{WASMTIME}")));
    if !root.join("bin/wasmtime").is_file() {
        let install = ["install", "wasmtime-cli", "--version", WASMTIME, "--locked", "--root"];
        let program = Program::cargo_in(&folder, &folder.join("target/wasmtime-build")).args(install).arg(&root);
        program.run().context("without `wasmtime serve` there is nothing to be measured against")?;
    }
    Program::cargo(house).args(["build", "--release", "--package", "plugwork-bench", "--package", "plugwork-cli"]).run()?;
    // On two processors, wherever there are more: shares of what native code reaches say something only where both are short of them.
    let bench = house.target.join("release/plugwork-bench");
    Program::new("taskset", &house.root).args(["--cpu-list", "0-1"]).arg(bench).args(words).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_measured_against_rivals_builds_them() {
        assert!(needs_rivals(&["runtime"]) && needs_rivals(&["runtime", "--quick"]));
        for words in [&["core"][..], &["containment"], &["density"], &["resolve"], &["runtime", "--help"], &["core", "runtime"], &[]] {
            assert!(!needs_rivals(words), "{words:?}");
        }
    }
}
