//! One engine: one version at or above the floor, compiled once whichever way the workspace is built.
//!
//! Easily got wrong: a feature that differs between `--package` and `--workspace`, even of a small crate below a macro of wasmtime, compiles
//! wasmtime twice. So the features of everything below the engine are compared, as `cargo tree` resolves them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::Finding;
use super::graph::{Graph, platform};
use crate::house::House;
use crate::program::Program;

/// The release that mended what 48.0.7 and earlier let through; see `docs/decisions/engine.md`.
const FLOOR: [u64; 3] = [48, 0, 8];
/// 49 and later need a newer compiler than the one of `rust-toolchain.toml`.
const MAJOR: u64 = 48;

/// Features of each package, by name and version; a package may be built several times, with different ones.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Checks the root workspace.
pub(super) fn check(house: &House, graph: &Graph) -> Result<Vec<Finding>> {
    let versions: Vec<&str> = graph.named("wasmtime").map(|index| graph.packages[index].version.as_str()).collect();
    let mut findings = versions_allowed(&versions);
    let platform = platform(house)?;
    let resolved = |arguments: &[&str]| -> Result<Features> {
        let tree = Program::cargo(house)
            .args(["tree", "--prefix", "none", "--format", "{p} {f}", "--target", &platform])
            .args(arguments)
            .read()
            .context("cannot ask Cargo for features")?;
        Ok(features(&tree))
    };
    let command = resolved(&["--package", "plugwork-cli", "--edges", "normal,build"])?;
    let tests = resolved(&["--workspace", "--edges", "normal,build,dev"])?;
    let below: BTreeSet<String> = ["wasmtime", "wasmtime-wasi", "wasmtime-wasi-http"]
        .into_iter()
        .flat_map(|name| graph.named(name))
        .flat_map(|index| graph.closure(index))
        .map(|index| format!("{} v{}", graph.packages[index].name, graph.packages[index].version))
        .collect();
    findings.extend(built_twice(&command, &tests, &below));
    Ok(findings)
}

fn versions_allowed(versions: &[&str]) -> Vec<Finding> {
    let place = "Cargo.lock";
    let floor = FLOOR.map(|part| part.to_string()).join(".");
    let mut findings: Vec<Finding> = versions
        .iter()
        .filter(|version| number(version).is_none_or(|number| number < FLOOR || number[0] != MAJOR))
        .map(|version| Finding::error(place, format_args!("has wasmtime {version}"), format_args!("take {floor} or a later {MAJOR}")))
        .collect();
    if versions.len() != 1 {
        let complaint = format!("has {} versions of wasmtime ({})", versions.len(), versions.join(", "));
        findings.push(Finding::error(place, complaint, "let `runtime/host` alone choose it, through the workspace's table"));
    }
    findings
}

fn number(version: &str) -> Option<[u64; 3]> {
    let parts: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
    parts.try_into().ok()
}

/// Reads lines `name v1.2.3 feature,feature (*)`.
fn features(tree: &str) -> Features {
    let mut found = Features::new();
    for line in tree.lines().map(|line| line.trim_end_matches(" (*)")) {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            let features = words.filter(|word| !word.starts_with('(')).collect::<String>();
            found.entry(format!("{name} {version}")).or_default().insert(features);
        }
    }
    found
}

fn built_twice(command: &Features, tests: &Features, below: &BTreeSet<String>) -> Vec<Finding> {
    let differing = command.iter().filter(|(package, _)| below.contains(*package)).filter_map(|(package, here)| {
        let there = tests.get(package)?;
        let extra: Vec<&str> = here.difference(there).map(String::as_str).collect();
        (!extra.is_empty()).then(|| (package, extra.join("` and `"), there.iter().cloned().collect::<Vec<_>>().join("` and `")))
    });
    differing
        .map(|(package, here, there)| {
            let complaint = format!(
                "is built with `{here}` for `--package plugwork-cli` and with `{there}` for the tests of the workspace, so the engine is compiled twice"
            );
            Finding::error(package, complaint, "name the package with the missing features in `runtime/host/Cargo.toml`, with that reason")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_holds_at_its_edge() {
        assert!(versions_allowed(&["48.0.8"]).is_empty());
        assert!(versions_allowed(&["48.1.0"]).is_empty());
        for version in ["48.0.7", "47.9.9", "49.0.0", "48.0", "48.0.8-rc1"] {
            assert_eq!(versions_allowed(&[version]).len(), 1, "{version}");
        }
    }

    #[test]
    fn there_is_exactly_one_engine() {
        assert_eq!(versions_allowed(&["48.0.8", "48.0.9"]).len(), 1);
        assert_eq!(versions_allowed(&[]).len(), 1);
    }

    #[test]
    fn a_difference_below_the_engine_is_found_and_others_are_not() {
        let command = features("wasmtime v48.0.8 std\nindexmap v2.0.0 std\nindexmap v2.0.0 std,serde (*)\nclap v4.0.0 a\n");
        let tests = features("wasmtime v48.0.8 std\nindexmap v2.0.0 std,serde\nclap v4.0.0 a,b\n");
        let below = ["wasmtime v48.0.8", "indexmap v2.0.0"].map(str::to_owned).into();
        let found = built_twice(&command, &tests, &below);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "indexmap v2.0.0");
        assert!(found[0].complaint.contains("is built with `std` for"), "{}", found[0].complaint);
        assert!(built_twice(&tests, &tests, &below).is_empty());
    }

    #[test]
    fn paths_and_repeats_are_no_features() {
        let found = features("plugwork v0.1.0 (/work/x) wave (*)\nserde_derive v1.0.0 (proc-macro) default\n");
        assert_eq!(found["plugwork v0.1.0"], BTreeSet::from(["wave".to_owned()]));
        assert_eq!(found["serde_derive v1.0.0"], BTreeSet::from(["default".to_owned()]));
    }
}
