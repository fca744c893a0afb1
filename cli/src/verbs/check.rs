//! `plugwork check`: a component against its manifest, every finding at once. What the rules are is in [`super::findings`]; here is what
//! they are given and how they are told.
//!
//! Errors are what a host would refuse, warnings what an author will regret, notes what he may know already. Only errors make the
//! command fail.

use std::path::{Path, PathBuf};

use plugwork_core::Manifest;
use serde::Serialize;

use super::component::{self, Component};
use super::findings::{self, Finding, Level};
use super::words::count;
use crate::exit::Failure;
use crate::print;

/// Checks a component or a plugin project: the manifest against what the component really imports and exports.
///
/// Tells every finding at once. Exit code 0 with warnings and notes only, 1 with errors. For a project folder it checks `plugin.toml` and
/// the component that `plugwork build` wrote to `target/plugwork/`. Nothing of a plugin runs.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork check target/plugwork/earthquakes.wasm
  plugwork check . --json

The JSON has: file, errors, warnings, notes (how many), findings (level, code,
message, hint). Codes are stable.")]
pub(crate) struct Check {
    /// The `.wasm` file, or a folder with `plugin.toml`.
    #[arg(value_name = "COMPONENT_OR_PROJECT")]
    path: PathBuf,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork check --json`.
#[derive(Serialize)]
struct Checked<'a> {
    file: String,
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: &'a [Finding],
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut findings = if self.path.is_dir() { project(&self.path)? } else { component(&self.path)? };
        findings.sort_by_key(|finding| finding.level);
        let number = |level| findings.iter().filter(|finding| finding.level == level).count();
        let (errors, warnings, notes) = (number(Level::Error), number(Level::Warning), number(Level::Note));
        let shown = self.path.display();
        if self.json {
            print::json(&Checked { file: shown.to_string(), errors, warnings, notes, findings: &findings });
        } else {
            findings.iter().for_each(tell);
        }
        let summary = format!("{}, {}, {}", count(errors, "error"), count(warnings, "warning"), count(notes, "note"));
        if errors > 0 {
            return Err(Failure::failed(format_args!("`{shown}`: {summary}")));
        }
        if !self.json {
            print::narrate(format_args!("`{shown}`: {summary}"));
        }
        Ok(())
    }
}

fn tell(finding: &Finding) {
    print::data(format_args!("{} [{}]: {}", finding.level, finding.code, finding.message));
    if !finding.hint.is_empty() {
        print::data(format_args!("  hint: {}", finding.hint));
    }
}

fn component(path: &Path) -> Result<Vec<Finding>, Failure> {
    let bytes = component::bytes(path)?;
    Ok(match Component::read(path, &bytes) {
        Ok(component) => findings::of_component(&component),
        // The message has its hint within.
        Err(error) => vec![Finding::error("unreadable", error, "")],
    })
}

/// The manifest as it stands in the folder, then the component that was built from it.
fn project(folder: &Path) -> Result<Vec<Finding>, Failure> {
    let path = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::from(error).while_doing(format_args!("cannot read `{}`, which makes a folder a plugin project", path.display()))
    })?;
    let manifest = match Manifest::parse(&text) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(findings::of_manifest_issues(&error.issues)),
    };
    let built = super::building::default_output(folder, manifest.name.name());
    if !built.is_file() {
        let mut findings = findings::of_manifest(&manifest);
        let message = format!("there is no `{}`: only `plugin.toml` was checked", built.display());
        findings.push(Finding::note("not-built", message, "run `plugwork build`, then check again"));
        return Ok(findings);
    }
    let mut findings = component(&built)?;
    let embedded = Component::open(&built).ok().and_then(|component| component.report.manifest);
    if embedded.is_some_and(|embedded| embedded != text) {
        let message = format!("`{}` was built from another `plugin.toml` than the one in the folder", built.display());
        findings.push(Finding::warning("stale", message, "run `plugwork build`, then check again"));
    }
    Ok(findings)
}
