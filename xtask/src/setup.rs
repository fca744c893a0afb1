//! `cargo xtask setup`: what building and testing need beyond Cargo. Each part is skipped in milliseconds when it is already there.
//!
//! Nothing is installed globally but, by root on Debian, Debian's own packages. Easily got wrong: `npm ci` empties `node_modules` first, so
//! it must not run while a plugin is being built; the lock keeps two xtasks apart.

pub(crate) mod debian;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::house::House;
use crate::program::{Program, is_there, seconds};
use crate::stamp::Stamp;

pub(crate) use debian::chromium;

const TARGETS: [&str; 2] = ["wasm32-wasip2", "wasm32-unknown-unknown"];
const NODE_MAJOR_MIN: u32 = 20;
const PYTHON_MINOR_MIN: u32 = 11;
/// Folders with a `package-lock.json` that building and running the examples need.
const NODE_FOLDERS: [&str; 2] = ["guest-sdk/js", "examples/data"];

/// Everything that `demo`, `guests` and `test` need.
pub(crate) fn everything(house: &House) -> Result<()> {
    let _lock = house.lock("setup")?;
    rust(house)?;
    node(house)?;
    for folder in NODE_FOLDERS {
        node_packages(house, folder)?;
    }
    python(house)
}

/// Does the work and says how long it took.
fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("setup: {what} …");
    let started = Instant::now();
    let done = work().with_context(|| format!("cannot set up: {what}"))?;
    println!("setup: {what}: done in {}", seconds(started.elapsed()));
    Ok(done)
}

fn rust(house: &House) -> Result<()> {
    let sysroot = Program::new("rustc", &house.root).args(["--print", "sysroot"]).read()?;
    let sysroot = Path::new(sysroot.trim());
    let targets: Vec<&str> = TARGETS.into_iter().filter(|target| !sysroot.join("lib/rustlib").join(target).join("lib").is_dir()).collect();
    let components: Vec<&str> = [("rustfmt", "rustfmt"), ("clippy", "cargo-clippy")]
        .iter()
        .filter(|(_, file)| !sysroot.join("bin").join(file).is_file())
        .map(|(name, _)| *name)
        .collect();
    if targets.is_empty() && components.is_empty() {
        return Ok(());
    }
    if !is_there("rustup") {
        bail!(
            "this Rust toolchain lacks {}; there is no `rustup` to add them: install them the way the toolchain was installed",
            [targets, components].concat().join(", ")
        );
    }
    // Said to rustup by name, because it does not add what `rust-toolchain.toml` lists when RUSTUP_AUTO_INSTALL is 0.
    if !targets.is_empty() {
        step(&format!("Rust targets {}", targets.join(", ")), || {
            Program::new("rustup", &house.root).args(["target", "add"]).args(&targets).run()
        })?;
    }
    if !components.is_empty() {
        step(&format!("Rust components {}", components.join(", ")), || {
            Program::new("rustup", &house.root).args(["component", "add"]).args(&components).run()
        })?;
    }
    Ok(())
}

pub(crate) fn node(house: &House) -> Result<()> {
    debian::need(house, &["node", "npm"], &["nodejs", "npm"])?;
    let version = Program::new("node", &house.root).arg("--version").read()?;
    if major(&version).is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!("node is `{}`; the tools for JavaScript plugins need {NODE_MAJOR_MIN} or later: install a newer one", version.trim());
    }
    Ok(())
}

/// `npm ci` where the lock file has changed since the last time.
pub(crate) fn node_packages(house: &House, folder: &str) -> Result<()> {
    let dir = house.root.join(folder);
    let modules = dir.join("node_modules");
    // What is installed differs by platform: esbuild and componentize-qjs are native programs.
    let platform = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let stamp = Stamp::new(&modules, &[dir.join("package-lock.json"), dir.join("package.json")], &platform)?;
    if stamp.is_current() {
        return Ok(());
    }
    step(&format!("npm packages of {folder}"), || {
        Program::new("npm", &dir).args(["ci", "--no-audit", "--no-fund", "--loglevel", "error"]).run()?;
        fs::create_dir_all(&modules)?;
        stamp.write()
    })
}

fn python(house: &House) -> Result<()> {
    debian::need(house, &["python3"], &["python3", "python3-venv"])?;
    let version = Program::new("python3", &house.root).args(["-c", "import sys, venv, ensurepip; print(sys.version)"]).try_read()?;
    let version = match version {
        (true, version) => version,
        (false, _) => {
            debian::install(house, "the Python modules `venv` and `ensurepip` are missing", &["python3-venv"])?;
            Program::new("python3", &house.root).args(["-c", "import sys, venv, ensurepip; print(sys.version)"]).read()?
        }
    };
    if minor(&version).is_none_or(|minor| minor < PYTHON_MINOR_MIN) {
        bail!("python3 is `{}`; the tools for Python plugins need 3.{PYTHON_MINOR_MIN} or later: install a newer one", version.trim());
    }
    let dir = house.root.join("guest-sdk/python");
    let environment = dir.join(".venv");
    let interpreter = environment.join("bin/python");
    let stamp = Stamp::new(&environment, &[dir.join("requirements.txt")], &version)?;
    if stamp.is_current() && interpreter.exists() {
        return Ok(());
    }
    step("Python packages of guest-sdk/python", || {
        // `--clear`: an environment of another Python keeps programs that point to it.
        Program::new("python3", &dir).args(["-m", "venv", "--clear", ".venv"]).run()?;
        Program::new(&interpreter, &dir)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"])
            .args(["-r", "requirements.txt"])
            .run()?;
        stamp.write()
    })
}

/// 20 of `v20.11.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

/// 11 of `3.11.7 (main, …)`, for Python 3 only.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("3.")?.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_versions_that_programs_print() {
        assert_eq!(major("v20.11.0\n"), Some(20));
        assert_eq!(major("unknown"), None);
        assert_eq!(minor("3.11.7 (main, Jan  1 2026) [GCC]"), Some(11));
        assert_eq!(minor("2.7.18"), None);
    }
}
