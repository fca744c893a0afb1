//! Questions that have no answer, in graphs of ten thousand plugins.
//!
//! May be misread: these are made to be hard. In the registry most refusals are found after a few plugins.

use anyhow::Result;
use plugwork::core::resolve::{CompactIndex, Release};
use plugwork::core::{Dependency, Digest, PackageName};
use semver::Version;

/// Plugins in each.
pub(super) const PLUGINS: usize = 10_000;

/// A question.
pub(super) struct Question {
    pub(super) index: CompactIndex,
    pub(super) roots: Vec<Dependency>,
}

fn release(name: &str, version: &str, needs: &[String]) -> Result<Release> {
    let mut release = Release::new(Version::parse(version)?, Digest::of(format!("{name} {version}").as_bytes()));
    for need in needs {
        release.dependencies.push(need.parse().map_err(|issue| anyhow::anyhow!("{issue}"))?);
    }
    Ok(release)
}

fn plugin(name: &str, versions: &[(&str, &[String])]) -> Result<(PackageName, Vec<Release>)> {
    let releases = versions.iter().map(|(version, needs)| release(name, version, needs)).collect::<Result<_>>()?;
    Ok((name.parse()?, releases))
}

fn question(plugins: Vec<(PackageName, Vec<Release>)>, roots: &[String]) -> Result<Question> {
    let told = |issue: plugwork::core::Issue| anyhow::anyhow!("{issue}");
    let roots = roots.iter().map(|root| root.parse().map_err(told)).collect::<Result<_>>()?;
    Ok(Question { index: CompactIndex::of(plugins).map_err(told)?, roots })
}

/// All in a row, each with two versions that need the next; the last needs what nobody has.
pub(super) fn row() -> Result<Question> {
    let mut plugins = Vec::new();
    for at in 0..PLUGINS {
        let next = [if at + 1 == PLUGINS { "a:nobody@^1".to_owned() } else { format!("a:p{}@^1", at + 1) }];
        plugins.push(plugin(&format!("a:p{at}"), &[("1.0.0", &next), ("1.1.0", &next)])?);
    }
    question(plugins, &["a:p0@^1".to_owned()])
}

/// Forty groups of 250, each of which needs one of a hundred; and one of these is asked for in a version that a member of a group does not take.
pub(super) fn groups() -> Result<Question> {
    let mut plugins = Vec::new();
    let mut roots = vec!["a:base7@=2.0.0".to_owned(), "a:p7@=1.0.0".to_owned()];
    for at in 0..PLUGINS {
        let base = at % 100;
        plugins.push(plugin(&format!("a:p{at}"), &[("1.0.0", &[format!("a:base{base}@^1")]), ("1.1.0", &[format!("a:base{base}@>=1")])])?);
        if at % 250 == 0 {
            let members: Vec<String> = (at..at + 250).map(|member| format!("a:p{member}@^1")).collect();
            plugins.push(plugin(&format!("a:group{}", at / 250), &[("1.0.0", &members)])?);
            roots.push(format!("a:group{}@^1", at / 250));
        }
    }
    for base in 0..100 {
        plugins.push(plugin(&format!("a:base{base}"), &[("1.0.0", &[]), ("1.5.0", &[]), ("2.0.0", &[])])?);
    }
    question(plugins, &roots)
}
