//! Builds one plugin project, or every project below a folder: `cargo run -p plugwork-build --example build-plugin -- DIR OUT [--dev]`.
//!
//! `OUT` is a file where `DIR` has a `plugin.toml`, a folder otherwise. SDKs and contract are those of this repository.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::path::Path;
use std::process::ExitCode;

use plugwork_build::{BuildError, BuildOptions, Built, Project, build_all};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dev = arguments.iter().any(|argument| argument == "--dev");
    let paths: Vec<&Path> = arguments.iter().filter(|argument| *argument != "--dev").map(Path::new).collect();
    let [dir, out] = paths.as_slice() else {
        eprintln!("usage: build-plugin DIR OUT [--dev]");
        return ExitCode::from(2);
    };
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var("PLUGWORK_TARGET_DIR").map_or_else(|_| root.join("target"), Into::into);
    let options = BuildOptions {
        sdk_root: &root.join("guest-sdk"),
        contract: &root.join("wit"),
        target_dir: &target,
        dev,
        progress: &|line| eprintln!("{line}"),
    };
    let results = if dir.join("plugin.toml").is_file() {
        Project::open(dir).map(|project| vec![project.build(&options, out)])
    } else {
        build_all(dir, &options, out).map(|results| results.into_iter().map(|(_, built)| built).collect())
    };
    match results {
        Ok(results) if results.iter().map(report).filter(|good| !good).count() == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn report(result: &Result<Built, BuildError>) -> bool {
    match result {
        Ok(built) => {
            let how = if built.cached { "unchanged" } else { "built" };
            println!("{} {how}, {} bytes, {:.1} s, {}", built.path.display(), built.bytes, built.elapsed.as_secs_f64(), built.digest);
            true
        }
        Err(error) => {
            eprintln!("{error}");
            false
        }
    }
}
