//! Programs that come from the operating system: installed by root on Debian, asked for everywhere else.
//!
//! Easily got wrong: a container's package lists may be empty, so an install that finds nothing fetches them and tries once more.

use std::fs;

use anyhow::{Result, bail};

use crate::house::House;
use crate::program::{Program, is_there};

/// Sees to it that programs are on the `PATH`.
pub(crate) fn need(house: &House, programs: &[&str], packages: &[&str]) -> Result<()> {
    let missing: Vec<&str> = programs.iter().copied().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(house, &format!("`{}` is missing", missing.join("`, `")), packages)
}

/// The name of a Chromium that can make a screenshot, installed if need be.
pub(crate) fn chromium(house: &House) -> Result<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    if !names.into_iter().any(is_there) {
        install(house, "no Chromium was found", &["chromium"])?;
    }
    Ok(names.into_iter().find(|name| is_there(name)).unwrap_or("chromium"))
}

/// Installs Debian packages, or says why it cannot and what to install.
pub(super) fn install(house: &House, why: &str, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !is_there("apt-get") {
        bail!("{why}: install it (on Debian the packages are called `{list}`)");
    }
    if !is_root() {
        bail!("{why}: run `sudo apt-get install {list}`");
    }
    println!("setup: {why}; installing {list} …");
    let apt = |words: &[&str]| Program::new("apt-get", &house.root).env("DEBIAN_FRONTEND", "noninteractive").args(words);
    let install = || apt(&["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages).run();
    install().or_else(|_| {
        apt(&["update", "--quiet"]).run()?;
        install()
    })
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_user(&status) == Some(0)
}

/// The second number of the line `Uid:` in `/proc/self/status`.
fn effective_user(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t5\n"), Some(0));
        assert_eq!(effective_user("Name:\tx\n"), None);
    }
}
