//! The files of `deploy/` that a program can judge: the systemd unit is well formed, and leaves a service little to do harm with.
//!
//! Easily got wrong: systemd wants every program of a unit to be there, so a copy is judged in which it is one that is everywhere.

use std::fs;

use anyhow::{Context, Result};

use super::Finding;
use crate::house::House;
use crate::program::Program;
use crate::setup::debian;

const UNIT: &str = "deploy/plugwork.service";
const PROGRAM: &str = "/usr/local/bin/plugwork";
/// Tenths of what systemd calls exposure, from 0 to 100: what a service is left that it can do without.
const EXPOSURE_MAX: &str = "20";

/// Asks systemd.
pub(super) fn check(house: &House) -> Result<Vec<Finding>> {
    debian::need(house, &["systemd-analyze"], &["systemd"])?;
    let text = fs::read_to_string(house.root.join(UNIT)).with_context(|| format!("cannot read `{UNIT}`"))?;
    let folder = house.target.join("tidy");
    fs::create_dir_all(&folder)?;
    let copy = folder.join("plugwork.service");
    fs::write(&copy, text.replace(PROGRAM, "/bin/true"))?;
    // What it does not know it only mentions, and succeeds.
    let judge = |arguments: &[&str], advice: &str| -> Result<Option<Finding>> {
        let (is_fine, said) = Program::new("systemd-analyze", &house.root).args(arguments).args([&copy]).try_read()?;
        let is_quiet = arguments[0] != "verify" || said.trim().is_empty();
        Ok((!is_fine || !is_quiet).then(|| Finding::error(UNIT, format_args!("`systemd-analyze {}`: {said}", arguments[0]), advice)))
    };
    let verified = judge(&["verify", "--man=no"], "mend what it names")?;
    let exposure = format!("--threshold={EXPOSURE_MAX}");
    let exposed = judge(&["security", "--offline=true", "--no-pager", &exposure], "close what it can do without")?;
    Ok(verified.into_iter().chain(exposed).collect())
}
