//! The step for Rust: `cargo build`, then the core module encoded as a component.
//!
//! Which world the result has is decided by the bindings in the author's crate, not by the synthesised world; `verify.rs` compares the
//! two afterwards. For wasm32-wasip2 Cargo's linker already makes the component; for wasm32-unknown-unknown it is done here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use crate::{BuildError, ErrorKind, Step, run};

/// A component and every file of this machine's own crates that went into it.
pub(crate) struct Made {
    pub(crate) component: Vec<u8>,
    pub(crate) files_read: Vec<PathBuf>,
    /// The compiler's warnings; usually empty.
    pub(crate) warnings: String,
}

/// One line of `cargo build --message-format=json`; other kinds of line lack most of these.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds the Cargo package in the project's folder. `guests` is Cargo's target folder, shared by all plugins.
pub(crate) fn build(step: &Step<'_>, guests: &Path, wasi: bool) -> Result<Made, BuildError> {
    let target = if wasi { "wasm32-wasip2" } else { "wasm32-unknown-unknown" };
    let mut command = Command::new("cargo");
    command
        .current_dir(step.project_dir)
        .args(["build", "--quiet", "--release", "--lib", "--target", target, "--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_DIR", guests)
        // Flags meant for this machine's processor, from a caller's own build, would reach a compiler for another one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    if step.dev {
        command.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only").env("CARGO_PROFILE_RELEASE_STRIP", "none");
    }
    let output = run(command).map_err(|error| explain(error, target))?;
    let artefact = artefact(&output.stdout, step.project_dir)?;
    let bytes = fs::read(&artefact).map_err(|error| BuildError::io("read", &artefact, &error))?;
    let component = if wasi { bytes } else { encode(&bytes)? };
    let files_read = files_read(&artefact, step.project_dir)?;
    Ok(Made { component, files_read, warnings: output.stderr })
}

fn explain(error: BuildError, target: &str) -> BuildError {
    let said = error.output();
    if said.contains("E0463") && said.contains("target may not be installed") {
        let toolchain = env::var("RUSTUP_TOOLCHAIN").map_or(String::new(), |name| format!(" --toolchain {name}"));
        return BuildError::tool_missing(&format!("rust target {target}"), format!("run `rustup target add {target}{toolchain}`"));
    }
    if error.kind() == ErrorKind::ToolFailed && said.contains("no library targets found") {
        return error.hint("a plugin is a library: add `[lib]` with `crate-type = [\"cdylib\"]` and `src/lib.rs`");
    }
    error
}

/// The `.wasm` of the package whose manifest lies in the project's folder.
fn artefact(messages: &[u8], project_dir: &Path) -> Result<PathBuf, BuildError> {
    let manifest = project_dir.join("Cargo.toml");
    let mut artefacts = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    artefacts
        .find(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest)
        .and_then(|message| message.filenames.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "wasm")))
        .ok_or_else(|| {
            BuildError::component("cargo made no `.wasm` of this package")
                .hint("add `crate-type = [\"cdylib\"]` to `[lib]` in its `Cargo.toml`")
        })
}

fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encoded = ComponentEncoder::default().validate(true).module(module).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| {
        BuildError::component(format!("the module cannot become a component: {error:#}"))
            .hint("export the plugin with the SDK's macro; if it needs files, clocks or the environment, set `wasi = true` in `[build]`")
    })
}

/// Reads Cargo's dep-info file beside the artefact, which lists the sources of all local crates, and adds their `Cargo.toml`s.
fn files_read(artefact: &Path, project_dir: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let path = artefact.with_extension("d");
    let text = fs::read_to_string(&path).map_err(|error| BuildError::io("read", &path, &error))?;
    let mut files = dependencies(&text, project_dir);
    let mut manifests: Vec<PathBuf> = files.iter().filter_map(|file| manifest_above(file)).collect();
    files.append(&mut manifests);
    files.sort();
    files.dedup();
    Ok(files)
}

/// `artefact: file file …`, with `\ ` for a space within a name.
fn dependencies(text: &str, project_dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else { continue };
        let escaped = list.replace("\\ ", "\0");
        files.extend(escaped.split_whitespace().map(|name| project_dir.join(name.replace('\0', " "))));
    }
    // Without links and `..`, so that one file has one name.
    files.iter().filter_map(|file| fs::canonicalize(file).ok()).collect()
}

fn manifest_above(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).map(|folder| folder.join("Cargo.toml")).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_target_says_how_to_add_it() {
        let said = "error[E0463]: can't find crate for `core`\n  = note: the `wasm32-wasip2` target may not be installed\n";
        let error = explain(BuildError::tool_failed("cargo build", said), "wasm32-wasip2");
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert!(error.to_string().contains("rustup target add wasm32-wasip2"), "{error}");
    }

    #[test]
    fn finds_the_artefact_of_this_package_only() {
        let line = |manifest: &str, file: &str| {
            format!("{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"{manifest}\",\"filenames\":[\"{file}\"]}}\n")
        };
        let lines = [line("/w/other/Cargo.toml", "/t/other.wasm"), "not json\n".to_owned(), line("/w/mine/Cargo.toml", "/t/mine.wasm")];
        assert_eq!(artefact(lines.concat().as_bytes(), Path::new("/w/mine")).unwrap(), Path::new("/t/mine.wasm"));
        let error = artefact(line("/w/mine/Cargo.toml", "/t/libmine.rlib").as_bytes(), Path::new("/w/mine")).unwrap_err();
        assert!(error.to_string().contains("cdylib"), "{error}");
    }

    #[test]
    fn dep_info_names_may_hold_spaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap().join("a b.rs");
        fs::write(&path, "").unwrap();
        let text = format!("/t/x.wasm: {} /not/there.rs\n", path.display().to_string().replace(' ', "\\ "));
        assert_eq!(dependencies(&text, Path::new("/")), [path]);
    }

    #[test]
    fn a_module_that_exports_no_world_is_refused() {
        assert_eq!(encode(b"\0asm\x01\0\0\0nonsense").unwrap_err().kind(), ErrorKind::Component);
    }
}
