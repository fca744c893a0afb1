//! The parts of `cargo xtask test` and how each is run: what is tested in which folder, by which runner.
//!
//! Plugins in JavaScript and Python are found, not listed: one without tests fails. Easily got wrong: Python finds tests in a subfolder only
//! when that is a package or named as the place to start.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use plugwork_build::{Language, Project};

use super::count::{self, Count};
use crate::house::{GUESTS_OF_TESTS, House, RESOLVER, WORKSPACES};
use crate::program::Program;
use crate::setup;
use crate::tree::File;

/// Something that runs tests and can be counted.
pub(super) struct Part {
    pub(super) name: String,
    run: Box<dyn Fn() -> Result<Count>>,
}

impl Part {
    pub(super) fn run(&self) -> Result<Count> {
        (self.run)()
    }
}

/// The tests in JavaScript and Python: of the SDKs and of every example plugin.
pub(super) fn scripts(house: &House, files: &[File]) -> Result<Vec<Part>> {
    let mut folders = vec![("guest-sdk/js".to_owned(), Language::JavaScript), ("guest-sdk/python".to_owned(), Language::Python)];
    for file in files.iter().filter(|file| file.path.starts_with("examples/")) {
        if let Some(folder) = file.path.strip_suffix("/plugin.toml") {
            folders.push((folder.to_owned(), Project::open(house.root.join(folder))?.language()));
        }
    }
    let parts = folders.into_iter().filter_map(|(folder, language)| {
        let run: Box<dyn Fn() -> Result<Count>> = match language {
            Language::JavaScript => {
                let tests = tests_in(&folder, files, |name| name.ends_with(".test.js"));
                let (dir, register) = (house.root.join(&folder), house.root.join("guest-sdk/js/register.js"));
                Box::new(move || node(&dir, &register, &tests))
            }
            Language::Python => {
                let tests = tests_in(&folder, files, |name| name.starts_with("test_") && name.ends_with(".py"));
                let (dir, sdk) = (house.root.join(&folder), house.root.join("guest-sdk/python"));
                Box::new(move || python(&dir, &sdk, &tests))
            }
            Language::Rust => return None,
        };
        Some(Part { name: folder, run })
    });
    Ok(parts.collect())
}

/// The tests of each Cargo workspace.
pub(super) fn cargo(house: &House) -> Vec<Part> {
    let parts = WORKSPACES.into_iter().filter(|folder| *folder != GUESTS_OF_TESTS).map(|folder| {
        let (dir, root) = (house.root.join(folder), folder.is_empty());
        let target = if root { house.target.clone() } else { house.guests_native() };
        let name = if root { "rust workspace".to_owned() } else { format!("{folder} (native)") };
        Part { name, run: Box::new(move || cargo_test(&dir, &target, &["--workspace"])) }
    });
    let (dir, target) = (house.root.clone(), house.target.clone());
    let resolver = Part { name: "resolver".to_owned(), run: Box::new(move || cargo_test(&dir, &target, &RESOLVER)) };
    parts.chain([resolver]).collect()
}

/// Makes the report's vendored scripts again and compares them with what is committed.
pub(super) fn report_bundle(house: &House) -> Result<Count> {
    let folder = "cli/assets/report";
    setup::node_packages(house, folder)?;
    Program::new("npm", &house.root.join(folder)).args(["run", "--silent", "check"]).run()?;
    Ok(Count::success())
}

fn tests_in(folder: &str, files: &[File], is_test: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let prefix = format!("{folder}/");
    let inside = files.iter().filter_map(|file| file.path.strip_prefix(&prefix));
    inside.filter(|path| is_test(path.rsplit('/').next().unwrap_or_default())).map(PathBuf::from).collect()
}

fn cargo_test(dir: &Path, target: &Path, what: &[&str]) -> Result<Count> {
    let mut count = Count::default();
    let succeeded = Program::cargo_in(dir, target).args(["test", "--no-fail-fast"]).args(what).each_line(|line| {
        count = [count, count::cargo(line)].into_iter().sum();
        // Hundreds of lines that say `ok` hide the one that does not.
        let is_quiet = line.is_empty() || line.starts_with("running ") || line.starts_with("test ") && line.ends_with(" ... ok");
        if !is_quiet {
            println!("{line}");
        }
    })?;
    Ok(count.with_verdict(succeeded))
}

fn node(dir: &Path, register: &Path, tests: &[PathBuf]) -> Result<Count> {
    if tests.is_empty() {
        bail!("there is no test: write one whose name ends in `.test.js`");
    }
    let program = Program::new("node", dir).arg("--import").arg(register).args(["--test", "--test-reporter", "spec"]).args(tests);
    let (succeeded, said) = program.try_read()?;
    Ok(told(count::node(&said).with_verdict(succeeded), &said))
}

fn python(dir: &Path, sdk: &Path, tests: &[PathBuf]) -> Result<Count> {
    let starts: BTreeSet<&Path> = tests.iter().filter_map(|test| test.parent()).collect();
    if starts.is_empty() {
        bail!("there is no test: write one in a file `test_*.py`");
    }
    let mut counts = Vec::new();
    for start in starts {
        let mut program =
            Program::new("python3", dir).env("PYTHONPATH", sdk).env("PYTHONDONTWRITEBYTECODE", "1").args(["-m", "unittest", "discover"]);
        if start != Path::new("") {
            program = program.arg("--start-directory").arg(start);
            // Only a package can be reached from the folder above; its tests may use relative imports.
            if dir.join(start).join("__init__.py").is_file() {
                program = program.args(["--top-level-directory", "."]);
            }
        }
        let (succeeded, said) = program.try_read()?;
        counts.push(told(count::python(&said).with_verdict(succeeded), &said));
    }
    Ok(counts.into_iter().sum())
}

/// Shows what a runner said when it is not all good.
fn told(count: Count, said: &str) -> Count {
    if !count.holds() {
        println!("{said}");
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_those_below_the_folder() {
        let file = |path: &str| File { path: path.to_owned(), text: String::new() };
        let files = ["a/test/x.test.js", "a/x.js", "ab/test/y.test.js", "a/test_z.py"].map(file);
        assert_eq!(tests_in("a", &files, |name| name.ends_with(".test.js")), [PathBuf::from("test/x.test.js")]);
        assert_eq!(tests_in("a", &files, |name| name.starts_with("test_")), [PathBuf::from("test_z.py")]);
    }

    #[test]
    fn a_folder_without_tests_fails() {
        assert!(node(Path::new("/"), Path::new("/x"), &[]).is_err());
        assert!(python(Path::new("/"), Path::new("/x"), &[]).is_err());
    }
}
