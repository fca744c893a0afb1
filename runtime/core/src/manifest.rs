//! `plugin.toml`: what a plugin's types cannot say. It is a promise; the component's imports are the fact.
//!
//! Points, capabilities and WIT versions are not declared here: they are read from the component.

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dependency::{self, Dependency};
use crate::guard::{self, GuardNames};
use crate::limits::{MANIFEST_BYTES_MAX, Promised};
use crate::text::is_unseen;
use crate::{InterfaceName, Issue, PackageName, Permission, policy};

/// Bytes of each line that is shown to people.
const LINE_BYTES_MAX: usize = 256;

/// A parsed and checked manifest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// `namespace:name`.
    pub name: PackageName,
    /// Semantic version without build metadata (OCI tags forbid `+`).
    pub version: Version,
    /// One line, at most 256 bytes.
    pub description: String,
    /// An SPDX expression; may be empty for a plugin that is never published.
    pub license: String,
    /// What it builds on, in the order of targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Who is asked before a call of an interface that it exports, in this order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub guards: GuardNames,
    /// What it asks for, by capability.
    pub permissions: BTreeMap<String, Permission>,
    /// Limits it promises to keep; they only tighten the host's.
    pub limits: Promised,
    /// How `plugwork build` makes it; a host ignores it.
    pub build: Option<Build>,
}

/// The `[build]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Build {
    /// Which toolchain.
    pub language: Language,
    /// The entry file for JavaScript and Python, relative to the manifest. Rust has none: the Cargo package beside it.
    #[serde(default)]
    pub source: Option<String>,
    /// The interfaces to export, with versions; the lifecycle comes by itself.
    pub exports: Vec<InterfaceName>,
    /// The interfaces to import beside the log.
    #[serde(default)]
    pub imports: Vec<InterfaceName>,
    /// Rust only: build for wasm32-wasip2 (files through `std::fs`) instead of wasm32-unknown-unknown.
    #[serde(default)]
    pub wasi: bool,
    /// A folder with WIT packages of the application's own, relative to the manifest.
    #[serde(default)]
    pub wit: Option<String>,
}

/// The languages that `plugwork build` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, by Cargo.
    Rust,
    /// JavaScript, on QuickJS.
    JavaScript,
    /// Python, on CPython.
    Python,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::JavaScript => "javascript",
            Self::Python => "python",
        })
    }
}

/// Everything that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// At least one.
    pub issues: Vec<Issue>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`plugin.toml` is not a manifest:")?;
        self.issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
    }
}

impl std::error::Error for ManifestError {}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Raw {
    name: PackageName,
    version: Version,
    #[serde(default)]
    description: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    dependencies: toml::Table,
    #[serde(default)]
    guards: toml::Table,
    #[serde(default)]
    permissions: BTreeMap<String, RawPermission>,
    #[serde(default)]
    limits: Promised,
    #[serde(default)]
    build: Option<Build>,
}

#[derive(Deserialize)]
struct RawPermission {
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    reason: String,
    #[serde(flatten)]
    bounds: Map<String, Value>,
}

impl Manifest {
    /// Reads and checks a manifest; every complaint about its meaning comes at once, a complaint about its syntax alone.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let one =
            |what: String, expected: &str| ManifestError { issues: vec![Issue { what, at: String::new(), expected: expected.to_owned() }] };
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(one(format!("it has {} bytes", text.len()), "at most 65536"));
        }
        let raw: Raw = toml::from_str(text).map_err(|error| one(error.to_string().trim_end().to_owned(), ""))?;
        let mut wrong = Vec::new();
        let manifest = Self {
            dependencies: or_noted(dependency::read(&raw.name, raw.dependencies), &mut wrong),
            guards: or_noted(guard::read(raw.guards), &mut wrong),
            name: raw.name,
            version: raw.version,
            description: raw.description,
            license: raw.license,
            limits: raw.limits,
            build: raw.build,
            permissions: raw
                .permissions
                .into_iter()
                .map(|(capability, raw)| {
                    let permission =
                        Permission { capability: capability.clone(), bounds: raw.bounds, optional: raw.optional, reason: raw.reason };
                    (capability, permission)
                })
                .collect(),
        };
        let mut issues = manifest.issues();
        issues.extend(wrong);
        if issues.is_empty() { Ok(manifest) } else { Err(ManifestError { issues }) }
    }

    fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let issue = |at: &str, what: String, expected: &str| Issue { what, at: at.to_owned(), expected: expected.to_owned() };
        if !self.version.build.is_empty() {
            issues.push(issue("version", format!("`{}` has build metadata", self.version), "a version without `+`"));
        }
        issues.extend(one_line("description", &self.description));
        issues.extend(one_line("license", &self.license));
        if self.limits.deadline_ms == Some(0) {
            issues.push(issue("limits.deadline-ms", "0".to_owned(), "at least 1 ms"));
        }
        if self.limits.memory_bytes.is_some_and(|bytes| bytes < 64 << 10) {
            issues.push(issue("limits.memory-bytes", "less than one page".to_owned(), "at least 65536 bytes"));
        }
        issues.extend(self.build.iter().flat_map(Build::issues));
        for permission in self.permissions.values() {
            let at = format!("permissions.{}", permission.capability);
            if !crate::name::is_label(&permission.capability) {
                issues.push(issue(&at, "not a capability's name".to_owned(), "lower case words joined by `-`"));
            }
            issues.extend(one_line(&format!("{at}.reason"), &permission.reason));
            if permission.bounds.keys().any(|key| !crate::name::is_label(key)) {
                issues.push(issue(&at, "a bound's name is none".to_owned(), "lower case words joined by `-`"));
            }
            if let Err(mut found) = policy::check_bounds(&permission.capability, &permission.bounds, policy::Side::Asked) {
                found.at = if found.at.is_empty() { at } else { format!("{at}.{}", found.at) };
                issues.push(found);
            }
        }
        issues
    }
}

/// What was read, or nothing and what is wrong with it.
fn or_noted<T: Default>(read: Result<T, Vec<Issue>>, wrong: &mut Vec<Issue>) -> T {
    read.unwrap_or_else(|issues| {
        wrong.extend(issues);
        T::default()
    })
}

/// What is shown to the person who consents has to be one plain line: a newline could forge a permission, an override hide one.
fn one_line(at: &str, text: &str) -> Option<Issue> {
    let what = if text.len() > LINE_BYTES_MAX {
        format!("{} bytes", text.len())
    } else {
        let unprintable = text.chars().find(|character| character.is_control() || is_unseen(*character))?;
        format!("it has the character {}", unprintable.escape_unicode())
    };
    Some(Issue { what, at: at.to_owned(), expected: format!("one plain line of at most {LINE_BYTES_MAX} bytes") })
}

impl Build {
    fn issues(&self) -> Vec<Issue> {
        let misfit = |at: &str, expected: &str| Issue {
            what: format!("does not fit language `{}`", self.language),
            at: at.to_owned(),
            expected: expected.to_owned(),
        };
        let mut issues = Vec::new();
        if self.exports.is_empty() {
            issues.push(Issue {
                what: "no interface".to_owned(),
                at: "build.exports".to_owned(),
                expected: "at least one, such as `plugwork:points/analyzer@0.1.0`".to_owned(),
            });
        }
        if (self.language == Language::Rust) == self.source.is_some() {
            issues.push(misfit("build.source", "an entry file for javascript and python, none for rust"));
        }
        if self.wasi && self.language != Language::Rust {
            issues.push(misfit("build.wasi", "nothing: only rust chooses; elsewhere use `build --dev`"));
        }
        issues
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "acme:reader"
        version = "1.2.3"
        [permissions.http]
        hosts = ["*.example.com", "api.example.com:8443"]
        methods = ["GET"]
        optional = true
        reason = "reads the feed"
        [limits]
        memory-bytes = 1048576
    "#;

    #[test]
    fn reads_permissions_with_bounds() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let http = &manifest.permissions["http"];
        assert!(http.optional);
        assert_eq!(http.bounds["methods"], serde_json::json!(["GET"]));
        assert!(!http.bounds.contains_key("optional"));
    }

    #[test]
    fn says_every_complaint_at_once() {
        let text = "name = \"a:b\"\nversion = \"1.0.0+x\"\n[limits]\ndeadline-ms = 0\n[permissions.http]\nhosts = [\"x y\"]\n";
        let error = Manifest::parse(text).unwrap_err();
        let places: Vec<_> = error.issues.iter().map(|issue| issue.at.as_str()).collect();
        assert_eq!(places, ["version", "limits.deadline-ms", "permissions.http.hosts"]);
    }

    #[test]
    fn what_people_read_cannot_forge_a_line_or_hide_one() {
        for text in ["reads the feed\\nrandom (optional)", "\\u001b[2J", "a\\u202eb", "a\\u2028b", &"x".repeat(257)] {
            for line in [format!("description = \"{text}\""), format!("[permissions.http]\nhosts = ['*']\nreason = \"{text}\"")] {
                let manifest = format!("name = \"a:b\"\nversion = \"1.0.0\"\n{line}");
                assert_eq!(Manifest::parse(&manifest).unwrap_err().issues.len(), 1, "{line}");
            }
        }
        let bound = "name = \"a:b\"\nversion = \"1.0.0\"\n[permissions.own]\n\"a\\nb\" = 1";
        assert!(Manifest::parse(bound).is_err());
    }

    #[test]
    fn refuses_a_key_it_does_not_know() {
        assert!(Manifest::parse("name = \"a:b\"\nversion = \"1.0.0\"\nversoin = 1").unwrap_err().to_string().contains("versoin"));
        assert!(Manifest::parse("[permissions.http]\nhost = [\"x\"]\nname=1").is_err());
    }

    #[test]
    fn refuses_one_byte_past_the_limit() {
        let fill = |bytes: usize| format!("{GOOD}#{}", " ".repeat(bytes - GOOD.len() - 1));
        assert!(Manifest::parse(&fill(MANIFEST_BYTES_MAX)).is_ok());
        assert!(Manifest::parse(&fill(MANIFEST_BYTES_MAX + 1)).is_err());
    }
}
