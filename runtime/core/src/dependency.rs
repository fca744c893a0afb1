//! What a plugin builds on: another plugin, or an interface that any plugin may have, each with a range of versions.
//!
//! Words and their checks; which versions are taken is decided in `resolve`. What a reader may get wrong: a dependency is a promise of the
//! manifest. What a component imports is the fact, and the resolver holds the one against the other.

use std::fmt;
use std::str::FromStr;

use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::section::{Findings, Section, place};
use crate::{InterfaceName, Issue, PackageName};

/// Dependencies of one plugin, and roots of one resolution.
pub const DEPENDENCIES_MAX: usize = 256;
/// Bytes of one range of versions.
pub const RANGE_BYTES_MAX: usize = 256;

const RANGE: &str = "a range of versions, such as `^1.2`, `>=1.2, <3` or `*`";
const TARGET: &str = "a plugin such as `acme:geo`, or an interface such as `acme:geo/lookup`, without a version";

/// What is depended on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// One plugin by its name.
    Plugin(PackageName),
    /// An interface by its path, without a version: whoever exports it will do.
    Interface(InterfaceName),
}

/// One dependency. Written `acme:geo@^1.2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Dependency {
    /// On what.
    pub target: Target,
    /// Which versions of it: of the plugin, or of the interface.
    pub versions: VersionReq,
    /// Whether the plugin works without. It is then not brought in: it is taken where a root, or `Options::with`, names the target.
    pub optional: bool,
    /// Whether it is for the application to bring, so that both use the same one. The roots have to name a peer; one that is optional as well may
    /// be absent, and has to fit where anybody brings it.
    pub peer: bool,
}

impl Dependency {
    /// A plain one: needed, and brought in.
    pub fn new(target: Target, versions: VersionReq) -> Self {
        Self { target, versions, optional: false, peer: false }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => name.fmt(f),
            Self::Interface(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.target, self.versions)
    }
}

impl FromStr for Target {
    type Err = Issue;

    fn from_str(text: &str) -> Result<Self, Issue> {
        let refused = || Issue { what: shown(text), at: String::new(), expected: TARGET.to_owned() };
        if text.contains('@') {
            return Err(refused());
        }
        match text.contains('/') {
            true => text.parse().map(Self::Interface).map_err(|_| refused()),
            false => text.parse().map(Self::Plugin).map_err(|_| refused()),
        }
    }
}

impl FromStr for Dependency {
    type Err = Issue;

    /// `acme:geo@^1.2`; without `@` any version will do.
    fn from_str(text: &str) -> Result<Self, Issue> {
        let (target, versions) = text.split_once('@').unwrap_or((text, "*"));
        Ok(Self::new(target.parse()?, range(versions)?))
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = Issue;

    fn try_from(text: String) -> Result<Self, Issue> {
        text.parse()
    }
}

/// A range as semver has it: a bare `1.2` means `^1.2`, and a version before its release is in a range only if that names one of the same release.
pub fn range(text: &str) -> Result<VersionReq, Issue> {
    let refused = |what: String| Issue { what, at: String::new(), expected: RANGE.to_owned() };
    if text.len() > RANGE_BYTES_MAX {
        return Err(refused(format!("{} bytes", text.len())));
    }
    if text.contains('+') {
        return Err(refused(format!("{} has build metadata, which no version has", shown(text))));
    }
    VersionReq::parse(text).map_err(|error| refused(format!("{}: {error}", shown(text))))
}

/// The `[dependencies]` table of the manifest of this plugin, in the order of targets.
pub(crate) fn read(own: &PackageName, table: toml::Table) -> Result<Vec<Dependency>, Vec<Issue>> {
    let mut findings = Findings::default();
    if table.len() > DEPENDENCIES_MAX {
        findings.add("dependencies", format!("{} of them", table.len()), format!("at most {DEPENDENCIES_MAX}"));
        return Err(findings.0);
    }
    let mut dependencies = Vec::new();
    for (key, value) in table {
        let at = place("dependencies", &key);
        let target: Option<Target> = findings.check(&at, key.parse());
        if target.as_ref().is_some_and(|target| matches!(target, Target::Plugin(name) if name == own)) {
            findings.add(&at, "the plugin itself", "another plugin");
        }
        let entry = entry(&at, value, &mut findings);
        if matches!((&target, &entry), (Some(Target::Interface(_)), Some((_, _, true)))) {
            findings.add(&at, "an interface as a peer", "a plugin: only that can be the very one that the application has");
        }
        if let (Some((versions, optional, peer)), Some(target)) = (entry, target) {
            dependencies.push(Dependency { target, versions, optional, peer });
        }
    }
    dependencies.sort_by(|one, other| one.target.cmp(&other.target));
    if findings.0.is_empty() { Ok(dependencies) } else { Err(findings.0) }
}

/// A range alone, or a table: the range, whether it is optional, whether it is a peer.
fn entry(at: &str, value: toml::Value, findings: &mut Findings) -> Option<(VersionReq, bool, bool)> {
    match value {
        toml::Value::String(text) => findings.check(at, range(&text)).map(|versions| (versions, false, false)),
        toml::Value::Table(entries) => {
            let mut section = Section::new(at, entries);
            let versions = section.needed("version", RANGE, findings);
            let optional = truth(&mut section, "optional", findings);
            let peer = truth(&mut section, "peer", findings);
            let version_at = section.place("version");
            section.end(findings);
            let versions = findings.check(&version_at, range(&versions?))?;
            Some((versions, optional, peer))
        }
        _ => {
            findings.add(at, "neither text nor a table", format!("{RANGE}, or a table with `version`, `optional`, `peer`"));
            None
        }
    }
}

fn truth(section: &mut Section, key: &'static str, findings: &mut Findings) -> bool {
    match section.take(key) {
        None => false,
        Some(toml::Value::Boolean(truth)) => truth,
        Some(_) => {
            findings.add(&section.place(key), "not a truth value", "`true` or `false`");
            false
        }
    }
}

fn shown(text: &str) -> String {
    format!("`{}`", text.chars().take(140).collect::<String>().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn manifest(dependencies: &str) -> Result<Manifest, Vec<String>> {
        let text = format!("name = 'acme:maps'\nversion = '1.0.0'\n[dependencies]\n{dependencies}");
        Manifest::parse(&text).map_err(|error| error.issues.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_plugins_interfaces_optional_ones_and_peers() {
        let manifest = manifest(
            "'acme:geo/lookup' = '^1'\n'acme:geo' = '1.2'\n'acme:theme' = { version = '>=2, <4', optional = true }\n\
             'acme:kit' = { version = '*', peer = true }",
        );
        let manifest = manifest.unwrap();
        let read: Vec<_> = manifest.dependencies.iter().map(ToString::to_string).collect();
        assert_eq!(read, ["acme:geo@^1.2", "acme:kit@*", "acme:theme@>=2, <4", "acme:geo/lookup@^1"]);
        let kinds: Vec<_> = manifest.dependencies.iter().map(|one| (one.optional, one.peer)).collect();
        assert_eq!(kinds, [(false, false), (false, true), (true, false), (false, false)]);
        for (one, text) in manifest.dependencies.iter().zip(read).filter(|(one, _)| !one.optional && !one.peer) {
            assert_eq!(text.parse(), Ok(one.clone()));
        }
    }

    #[test]
    fn says_everything_that_is_wrong_with_them() {
        let found = manifest(
            "'acme:maps' = '^1'\n'acme:a' = '^x'\n'acme:b@1' = '*'\n'acme:c' = 3\n'acme:d' = { optional = 1, versoin = '1' }\n\
             'acme:e' = '1.0.0+x'\n'ACME' = '1'\n'acme:f/g' = { version = '1', peer = true }",
        );
        let found = found.unwrap_err();
        for part in [
            "the plugin itself",
            "`^x`",
            "`acme:b@1`",
            "neither text",
            "not a truth value",
            "\"versoin\"",
            "build metadata",
            "`ACME`",
            "as a peer",
        ] {
            let part = part.replace('"', "");
            assert_eq!(found.iter().filter(|line| line.contains(&part)).count(), 1, "{part}: {found:#?}");
        }
        assert_eq!(manifest("'acme:a' = '1'\n'acme:a' = '2'").unwrap_err().len(), 1);
    }

    #[test]
    fn refuses_one_dependency_past_the_limit() {
        let many = |count: usize| (0..count).map(|at| format!("'acme:p{at}' = '1'\n")).collect::<String>();
        assert_eq!(manifest(&many(DEPENDENCIES_MAX)).unwrap().dependencies.len(), DEPENDENCIES_MAX);
        assert!(manifest(&many(DEPENDENCIES_MAX + 1)).is_err());
        let long = |bytes: usize| format!("'acme:a' = '^1{}'", " ".repeat(bytes - 2));
        assert!(manifest(&long(RANGE_BYTES_MAX)).is_ok());
        assert!(manifest(&long(RANGE_BYTES_MAX + 1)).is_err());
    }
}
