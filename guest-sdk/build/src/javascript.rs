//! The JavaScript step: an entry module around the author's, one bundle, one component of it with QuickJS inside.
//!
//! What the entry module says is in `javascript/entry.rs`, and how positions in the bundle become positions in the author's files
//! is in `javascript/lines.rs`. The author's top-level code runs here, inside the tool's own sandbox, because a component
//! is a snapshot taken after it: an error that it throws is a build error.

mod entry;
mod lines;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_parser::Resolve;

use crate::{BuildError, ErrorKind, Step, run};
use lines::Lines;

/// The file names in the scratch folder. The bundle's is short, because it stands in every line of a stack trace.
const ENTRY: &str = "entry.js";
const SETUP: &str = "setup.js";
const BUNDLE: &str = "bundle.js";
const COMPONENT: &str = "component.wasm";

/// How componentize-qjs 0.4.5 begins to tell that the author's module threw.
const EVALUATION: &str = "Error: : Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: ";

/// Builds the component of a JavaScript plugin.
pub(crate) fn build(step: &Step<'_>) -> Result<Vec<u8>, BuildError> {
    tools_ready(step.sdk_dir)?;
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(step.wit_dir).map_err(|error| unreadable(&error))?;
    let world = resolve.select_world(&[package], Some(step.world)).map_err(|error| unreadable(&error))?;
    let exports = entry::exports(&resolve, world, step.exports)?;

    write(step, SETUP, &entry::setup_module(step.sdk_dir, step.dev))?;
    write(step, ENTRY, &entry::entry_module(step.sdk_dir, step.source, &exports))?;
    bundle(step, &entry::import_namespaces(&resolve, world))?;

    let path = step.work_dir.join(BUNDLE);
    let map_path = step.work_dir.join(format!("{BUNDLE}.map"));
    let map = fs::read(&map_path).map_err(|error| BuildError::io("read", &map_path, &error))?;
    let lines = Lines::read(&map, step)?;
    let mut code = fs::read_to_string(&path).map_err(|error| BuildError::io("read", &path, &error))?;
    code.push_str(&lines.statement(BUNDLE));
    write(step, BUNDLE, &code)?;

    componentize(step, &lines)?;
    let component = step.work_dir.join(COMPONENT);
    fs::read(&component).map_err(|error| BuildError::io("read", &component, &error))
}

/// Whether the pinned tools are in the SDK's folder; the error says how they get there.
pub(crate) fn tools_ready(sdk_dir: &Path) -> Result<(), BuildError> {
    for tool in ["esbuild", "componentize-qjs"] {
        if !tool_path(sdk_dir, tool).exists() {
            return Err(BuildError::tool_missing(tool, format!("run `npm ci` in `{}`", sdk_dir.display())));
        }
    }
    // The tools are scripts that begin with `#!/usr/bin/env node`: without it they fail in `env`'s words, which name no remedy.
    let on_path = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("node").is_file()));
    match on_path {
        true => Ok(()),
        false => Err(BuildError::tool_missing("node", "install Node 20 or later and make sure that `node` is in PATH")),
    }
}

/// The world was synthesised a moment ago, so this is a fault of ours and says so in full.
fn unreadable(error: &dyn std::fmt::Display) -> BuildError {
    BuildError::world(format!("cannot read the synthesised WIT: {error:#}"))
}

fn tool_path(sdk_dir: &Path, tool: &str) -> PathBuf {
    sdk_dir.join("node_modules").join(".bin").join(tool)
}

fn write(step: &Step<'_>, name: &str, text: &str) -> Result<(), BuildError> {
    let path = step.work_dir.join(name);
    fs::write(&path, text).map_err(|error| BuildError::io("write", &path, &error))
}

/// One file of the entry module, the author's modules, their packages and the SDK; imports of the world stay imports.
fn bundle(step: &Step<'_>, namespaces: &[String]) -> Result<(), BuildError> {
    let mut command = tool(step, "esbuild");
    command
        // There, so that its complaints name the author's files as the author does.
        .current_dir(step.project_dir)
        .arg(step.work_dir.join(ENTRY))
        .arg("--bundle")
        .arg(format!("--outfile={}", step.work_dir.join(BUNDLE).display()))
        .args(["--format=esm", "--platform=neutral", "--main-fields=module,main", "--target=es2024", "--charset=utf8"])
        .args(["--sourcemap=external", "--sources-content=false", "--legal-comments=none", "--log-level=warning", "--color=false"])
        .args(namespaces.iter().map(|namespace| format!("--external:{namespace}:*")))
        // The SDK of this build, whatever the project has installed for its editor: there must be only one copy of it.
        .arg(format!("--alias:@plugwork/guest/fetch={}", step.sdk_dir.join("src/fetch.js").display()))
        .arg(format!("--alias:@plugwork/guest/events={}", step.sdk_dir.join("src/events.js").display()))
        .arg(format!("--alias:@plugwork/guest={}", step.sdk_dir.join("src/index.js").display()));
    run(command).map(drop).map_err(|error| {
        let said = error.output();
        // After its own words comes the stack trace of the script that started it.
        let said = said.split("\nnode:child_process:").next().unwrap_or(said);
        retold("esbuild", &error, said.to_owned())
    })
}

fn componentize(step: &Step<'_>, lines: &Lines) -> Result<(), BuildError> {
    let mut command = tool(step, "componentize-qjs");
    // The synchronous runtime: the other one needs component-model async in the host.
    command.arg("--sync").arg("--wit").arg(step.wit_dir).args(["--world", step.world, "--js", BUNDLE, "--output", COMPONENT]);
    if !step.dev {
        command.arg("--stub-wasi");
    }
    run(command).map(drop).map_err(|error| {
        // What the author's top-level code threw, in the author's own lines.
        let said = lines.translate(error.output(), BUNDLE).replace(EVALUATION, "the module could not be evaluated: ");
        retold("componentize-qjs", &error, said).hint("code outside of functions runs while the component is built, not in the host")
    })
}

/// The same error with the tool's name for the command line and with `said` for its words.
fn retold(tool: &str, error: &BuildError, said: String) -> BuildError {
    match error.kind() {
        ErrorKind::ToolMissing => BuildError::tool_missing(tool, error.hint_text()),
        _ => BuildError::tool_failed(tool, said),
    }
}

fn tool(step: &Step<'_>, name: &str) -> Command {
    let mut command = Command::new(tool_path(step.sdk_dir, name));
    command.current_dir(step.work_dir).env("NO_COLOR", "1");
    command
}
