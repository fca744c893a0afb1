//! From text to a [`Lock`].
//!
//! What a reader may get wrong: order is not checked, because a merge may leave tables out of order and still be right. Writing sorts them.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::{LOCK_BYTES_MAX, LOCK_PLUGINS_MAX, Lock, Locked};
use crate::dependency::range;
use crate::resolve::{PluginId, Provider};
use crate::section::{Findings, Section, place, table};
use crate::{Issue, Target};

/// Findings that are told.
const FINDINGS_MAX: usize = 32;
const ID: &str = "a plugin and its version, such as `acme:geo@1.2.0`";
const IMPORT: &str = "an interface and who provides it, such as `acme:geo/lookup@1.0.0 = acme:geo@1.2.0` or `… = host`";

pub(super) fn lock(text: &str) -> Result<Lock, Vec<Issue>> {
    let one = |what: String, expected: String| vec![Issue { what, at: String::new(), expected }];
    if text.len() > LOCK_BYTES_MAX {
        return Err(one(format!("it has {} bytes", text.len()), format!("at most {LOCK_BYTES_MAX}")));
    }
    let entries: toml::Table = toml::from_str(text).map_err(|error| one(error.to_string().trim_end().to_owned(), String::new()))?;
    let mut findings = Findings::default();
    let mut file = Section::new("", entries);
    match file.take("version") {
        Some(toml::Value::Integer(1)) => {}
        Some(other) => findings.add("version", other.to_string(), "1: a newer plugwork wrote this"),
        None => findings.add("version", "it is missing", "1"),
    }
    let roots = file.table("roots", &mut findings).unwrap_or_default();
    let plugins = file.list("plugin", "tables `[[plugin]]`", &mut findings).unwrap_or_default();
    file.end(&mut findings);
    let mut lock = Lock::default();
    for (key, value) in roots {
        let at = place("roots", &key);
        let target: Option<Target> = findings.check(&at, key.parse());
        let versions = match value {
            toml::Value::String(text) => findings.check(&at, range(&text)),
            _ => {
                findings.add(&at, "not text", "a range of versions");
                None
            }
        };
        lock.roots.extend(target.zip(versions));
    }
    if plugins.len() > LOCK_PLUGINS_MAX {
        findings.add("plugin", format!("{} of them", plugins.len()), format!("at most {LOCK_PLUGINS_MAX}"));
    }
    for (index, value) in plugins.into_iter().take(LOCK_PLUGINS_MAX).enumerate() {
        let at = format!("plugin[{index}]");
        if let Some((id, locked)) = table(value, &at, &mut findings).and_then(|entries| plugin(&at, entries, &mut findings)) {
            if lock.plugins.contains_key(&id) {
                findings.add(&at, format!("`{id}` a second time"), "each plugin once");
            }
            lock.plugins.insert(id, locked);
        }
    }
    let mut issues = findings.0;
    if issues.len() > FINDINGS_MAX {
        let more = issues.len() - FINDINGS_MAX;
        issues.truncate(FINDINGS_MAX);
        issues.push(Issue { what: format!("{more} more findings"), at: String::new(), expected: String::new() });
    }
    if issues.is_empty() { Ok(lock) } else { Err(issues) }
}

fn plugin(at: &str, entries: toml::Table, findings: &mut Findings) -> Option<(PluginId, Locked)> {
    let mut section = Section::new(at, entries);
    let mut needed = |key: &'static str, expected: &str| {
        let place = section.place(key);
        section.needed(key, expected, findings).map(|text| (place, text))
    };
    let name = needed("name", "`namespace:name`");
    let version = needed("version", "a version");
    let digest = needed("digest", "`sha256:…`");
    let interfaces = needed("interfaces", "`sha256:…`");
    let granted = section.text("granted", findings).map(|text| (section.place("granted"), text));
    let needs = section.list("needs", "a list of text", findings).unwrap_or_default();
    let imports = section.list("imports", "a list of text", findings).unwrap_or_default();
    section.end(findings);
    let id = parsed(name, findings).zip(parsed(version, findings)).map(|(name, version)| PluginId { name, version });
    let is_granted = granted.is_some();
    let granted = parsed(granted, findings);
    let digests = parsed(digest, findings).zip(parsed(interfaces, findings));
    let needs = texts(at, "needs", needs, findings, id_of, ID);
    let imports = texts(at, "imports", imports, findings, import, IMPORT);
    let counts = (needs.len(), imports.len());
    let (needs, imports): (BTreeSet<_>, BTreeMap<_, _>) = (needs.into_iter().collect(), imports.into_iter().collect());
    if counts != (needs.len(), imports.len()) {
        findings.add(at, "an entry a second time", "each need and each import once");
    }
    let ((digest, interfaces), id) = (digests?, id?);
    (is_granted == granted.is_some()).then_some((id, Locked { digest, interfaces, granted, needs, imports }))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(found: Option<(String, String)>, findings: &mut Findings) -> Option<T> {
    let (at, text) = found?;
    text.parse().map_err(|error: T::Err| findings.add(&at, error.to_string(), "")).ok()
}

fn texts<T>(
    at: &str,
    key: &str,
    values: Vec<toml::Value>,
    findings: &mut Findings,
    parse: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Vec<T> {
    let mut found = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        match value.as_str().and_then(&parse) {
            Some(parsed) => found.push(parsed),
            None => findings.add(&format!("{}[{index}]", place(at, key)), "it is something else", expected),
        }
    }
    found
}

fn id_of(text: &str) -> Option<PluginId> {
    let (name, version) = text.split_once('@')?;
    Some(PluginId { name: name.parse().ok()?, version: Version::parse(version).ok()? })
}

fn import(text: &str) -> Option<(crate::InterfaceName, Provider)> {
    let (import, provider) = text.split_once(" = ")?;
    let provider = if provider == "host" { Provider::Host } else { Provider::Plugin(id_of(provider)?) };
    Some((import.parse().ok()?, provider))
}
