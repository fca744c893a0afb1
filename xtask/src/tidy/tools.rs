//! Cargo's own checks, over all workspaces: format, lints, docs. Their messages go to the terminal as they are; a finding says which failed.
//!
//! Easily got wrong: guests' workspaces are linted natively, with a target folder of their own, because their profiles differ.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Finding;
use crate::house::{House, RESOLVER, RIVALS, WORKSPACES};
use crate::program::Program;

/// `cargo fmt --check` in each workspace.
pub(super) fn format(house: &House) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    for folder in WORKSPACES.into_iter().chain([RIVALS]) {
        let (formatted, said) = cargo(house, folder).args(["fmt", "--all", "--check", "--", "--files-with-diff"]).try_read()?;
        if formatted {
            continue;
        }
        // `--all` follows path dependencies into the other workspaces: what was already told is not told again.
        let files: Vec<String> = said.lines().filter(|line| line.ends_with(".rs")).map(|file| house.short(file.as_ref())).collect();
        if files.is_empty() {
            findings.push(Finding::error(place(folder), format_args!("`cargo fmt` failed: {said}"), "see its message"));
        }
        let new: Vec<String> = files.into_iter().filter(|file| known.insert(file.clone())).collect();
        if !new.is_empty() {
            let complaint = format!("{} files are not formatted ({})", new.len(), new.join(", "));
            findings.push(Finding::error(place(folder), complaint, "run `cargo fmt --all` there"));
        }
    }
    Ok(findings)
}

/// Clippy in each workspace, warnings denied.
pub(super) fn lints(house: &House) -> Result<Vec<Finding>> {
    let check = |folder: &str, what: &[&str]| {
        cargo(house, folder).args(["clippy", "--quiet", "--all-targets"]).args(what).args(["--", "--deny", "warnings"]).run()
    };
    Ok(each(house, "lints", |folder| {
        check(folder, &["--workspace"])?;
        if folder.is_empty() { check(folder, &RESOLVER) } else { Ok(()) }
    }))
}

/// Docs of each workspace, warnings denied.
pub(super) fn docs(house: &House) -> Result<Vec<Finding>> {
    let check = |folder: &str, what: &[&str]| {
        cargo(house, folder).args(["doc", "--quiet", "--no-deps"]).args(what).env("RUSTDOCFLAGS", "--deny warnings").run()
    };
    Ok(each(house, "docs", |folder| {
        check(folder, &["--workspace"])?;
        if folder.is_empty() { check(folder, &RESOLVER) } else { Ok(()) }
    }))
}

fn each(house: &House, what: &str, run: impl Fn(&str) -> Result<()>) -> Vec<Finding> {
    let failed =
        WORKSPACES.into_iter().filter(|folder| house.root.join(folder).is_dir()).filter_map(|folder| Some((folder, run(folder).err()?)));
    failed.map(|(folder, error)| Finding::error(place(folder), format_args!("{what}: {error:#}"), "mend what is named above")).collect()
}

fn cargo(house: &House, folder: &str) -> Program {
    let target = if folder.is_empty() { house.target.clone() } else { house.guests_native() };
    Program::cargo_in(&house.root.join(folder), &target)
}

fn place(folder: &str) -> &str {
    if folder.is_empty() { "." } else { folder }
}
