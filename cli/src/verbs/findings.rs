//! What `plugwork check` looks for: rules over a component's facts and its manifest, each giving findings with a stable code.
//!
//! Pure: facts in, findings out. The manifest is judged by the same functions as at load (`core::reach`), with everything granted that it
//! asks for: an import that is refused even then is an error. Easy to get wrong: interfaces that are inert without a grant (files, clocks)
//! need no permission, so importing them unasked is no finding.

use std::collections::BTreeSet;
use std::fmt;

use plugwork::Point;
use plugwork_component::StructureLimits;
use plugwork_core::reach::{self, Kind};
use plugwork_core::{Grants, InterfaceName, Issue, Manifest};
use plugwork_points::{Analyzer, DataSource, Exporter, Lifecycle, Transformer, Visualization};
use serde::Serialize;

use super::component::{Component, ENGINE, Import};
use super::words::{closest, grouped};
use crate::host;

/// Points that plugwork itself calls.
const POINTS: [&str; 5] =
    [DataSource::INTERFACE, Transformer::INTERFACE, Analyzer::INTERFACE, Exporter::INTERFACE, Visualization::INTERFACE];
/// Capabilities that plugwork knows beside those that this command offers.
const ELSEWHERE: [&str; 9] = ["keyvalue", "blob", "sql", "secrets", "events", "call", "deputy", "sockets", ENGINE];
/// From here on a structural limit counts as close.
const NEAR_PERCENT: u64 = 80;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// A host refuses it.
    Error,
    /// It works and will disappoint somebody.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Stable, for scripts.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// What to do; may be empty.
    pub(super) hint: String,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl Finding {
    pub(super) fn error(code: &'static str, message: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { level: Level::Error, code, message: message.to_string(), hint: hint.into() }
    }

    pub(super) fn warning(code: &'static str, message: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, message, hint) }
    }

    pub(super) fn note(code: &'static str, message: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::error(code, message, hint) }
    }
}

/// A manifest that is none.
pub(super) fn of_manifest_issues(issues: &[Issue]) -> Vec<Finding> {
    issues.iter().map(|issue| Finding::error("manifest", format_args!("`plugin.toml` is wrong: {issue}"), "")).collect()
}

/// A manifest by itself.
pub(super) fn of_manifest(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = Vec::new();
    if manifest.description.is_empty() {
        findings.push(Finding::warning(
            "no-description",
            "there is no description",
            "add `description = \"…\"`: one line, at most 256 bytes",
        ));
    }
    if manifest.license.is_empty() {
        findings.push(Finding::warning("no-licence", "there is no licence", "add `license = \"…\"`: an SPDX expression"));
    }
    let known = known();
    for permission in manifest.permissions.values() {
        let capability = permission.capability.as_str();
        if !known.contains(&capability) {
            let hint = match closest(capability, known.iter().copied()) {
                Some(meant) => format!("was `{meant}` meant?"),
                None => "right only for an application that offers a capability of that name".to_owned(),
            };
            findings.push(Finding::warning(
                "unknown-capability",
                format_args!("`permissions.{capability}`: plugwork knows no such capability"),
                hint,
            ));
        } else if permission.reason.is_empty() {
            let hint = "add `reason = \"…\"`: people read it before they grant";
            findings.push(Finding::note("no-reason", format_args!("`permissions.{capability}` does not say why it is needed"), hint));
        }
    }
    findings
}

/// Everything about a component.
pub(super) fn of_component(component: &Component) -> Vec<Finding> {
    let asked = component.manifest.as_ref().map(Grants::all_asked).unwrap_or_default();
    let imports = component.imports(&asked);
    let mut findings = of_manifest_issues(&component.manifest_issues);
    match &component.manifest {
        Some(manifest) => {
            findings.extend(of_manifest(manifest));
            findings.extend(promised(component, manifest, &imports));
            findings.extend(metadata(component, manifest));
        }
        None if component.manifest_issues.is_empty() => {
            let message = "it carries no `plugin.toml`: what it imports is what it needs, and nothing is optional";
            findings.push(Finding::warning("no-manifest", message, "build it with `plugwork build`"));
        }
        None => {}
    }
    // Judged against a manifest that is wrong, every import would look unasked.
    if component.manifest_issues.is_empty() {
        findings.extend(imports.iter().filter_map(|import| refused(import, component.manifest.as_ref())));
    }
    findings.extend(profile(component));
    findings.extend(exports(component));
    findings.extend(near_limits(component));
    findings.extend(component.report.notes.iter().map(|note| Finding::note("oddity", note, "")));
    findings
}

/// An import that would be refused although everything asked for is granted.
fn refused(import: &Import, manifest: Option<&Manifest>) -> Option<Finding> {
    let Import { name, kind: Kind::Refused, capability, because, .. } = import else { return None };
    // An application's own capability has interfaces that only this application knows.
    let own = manifest.is_some_and(|manifest| manifest.permissions.keys().any(|capability| !known().contains(&capability.as_str())));
    Some(match (capability, manifest) {
        (None, _) => {
            let level = if own { Level::Warning } else { Level::Error };
            let message = format!("it imports `{name}`: {because}");
            Finding { level, ..Finding::error("unknown-import", message, "only an application that offers this interface can load it") }
        }
        (Some(capability), None) => {
            Finding::note("needs-grant", format_args!("it imports `{name}`: it needs `{capability}` granted to load"), "")
        }
        // Another plugin is behind it, wherever both run.
        (Some(capability), Some(manifest)) if capability == reach::CALL && manifest.permissions.contains_key(capability) => return None,
        (Some(capability), Some(manifest)) if manifest.permissions.contains_key(capability) => Finding::warning(
            "not-offered-here",
            format_args!("it imports `{name}`: this command does not offer `{capability}`"),
            "another host may",
        ),
        (Some(capability), Some(_)) => {
            let hint = format!("add `[permissions.{capability}]` to `plugin.toml`, or do not import it");
            Finding::error("import-not-asked", format_args!("it imports `{name}`, and `plugin.toml` does not ask for `{capability}`"), hint)
        }
    })
}

/// What the manifest says that the component does not bear out.
fn promised(component: &Component, manifest: &Manifest, imports: &[Import]) -> Vec<Finding> {
    let used: BTreeSet<&str> = imports.iter().filter_map(|import| import.capability.as_deref()).collect();
    let mut findings = Vec::new();
    for capability in manifest.permissions.keys().filter(|capability| *capability != ENGINE && known().contains(&capability.as_str())) {
        if !used.contains(capability.as_str()) {
            let message = format!("`plugin.toml` asks for `{capability}`, and the component imports nothing of it");
            findings.push(Finding::warning(
                "asked-not-imported",
                message,
                format!("remove `[permissions.{capability}]`: people grant what they read"),
            ));
        }
    }
    let exported: Vec<&InterfaceName> = component.report.exports.iter().filter_map(|export| export.wit.as_ref()).collect();
    for listed in manifest.build.iter().flat_map(|build| &build.exports) {
        if !exported.iter().any(|export| listed.is_satisfied_by(export)) {
            let message = format!("`build.exports` lists `{listed}`, and the component does not export it");
            findings.push(Finding::error("export-missing", message, "build it again with `plugwork build`"));
        }
    }
    findings
}

/// Capabilities that plugwork has a name for.
fn known() -> Vec<&'static str> {
    host::offered().iter().map(|offer| offer.capability).chain(ELSEWHERE).collect()
}

/// Standard metadata, which other tools read and plugwork does not believe.
fn metadata(component: &Component, manifest: &Manifest) -> Option<Finding> {
    let said = &component.report.metadata;
    let (name, version) = (manifest.name.to_string(), manifest.version.to_string());
    let fields = [
        ("name", &said.name, name.as_str()),
        ("version", &said.version, version.as_str()),
        ("description", &said.description, manifest.description.as_str()),
        ("licenses", &said.licenses, manifest.license.as_str()),
    ];
    let differing = fields.iter().filter(|(_, said, promised)| said.as_deref().unwrap_or_default() != *promised);
    let differing: Vec<String> = differing.map(|(field, ..)| format!("`{field}`")).collect();
    let hint = "other tools show the metadata; `plugwork build` writes both";
    match differing.len() {
        0 => None,
        _ if said.name.is_none() && said.version.is_none() => {
            Some(Finding::warning("no-metadata", "its standard metadata sections are absent", hint))
        }
        _ => {
            let message = format!("its standard metadata differs from `plugin.toml`: {}", differing.join(", "));
            Some(Finding::warning("metadata-differs", message, hint))
        }
    }
}

fn profile(component: &Component) -> Option<Finding> {
    let asks = component.manifest.as_ref().map(|manifest| {
        let engine = manifest.permissions.get(ENGINE);
        engine.and_then(|permission| permission.bounds.get("profile")).is_some_and(|profile| profile == "full")
    });
    match (component.report.needs_full, asks) {
        (true, Some(false)) => Some(Finding::error(
            "full-profile",
            "it uses component async, which needs the full engine profile, and `plugin.toml` does not ask for it",
            "add `[permissions.engine]` with `profile = \"full\"`",
        )),
        (true, _) => Some(Finding::note("full-profile", "it needs the full engine profile: it loads only where that is granted", "")),
        (false, Some(true)) => Some(Finding::warning(
            "full-profile-unused",
            "`plugin.toml` asks for the full engine profile, and the component runs in the hardened one",
            "remove `[permissions.engine]`",
        )),
        (false, _) => None,
    }
}

fn exports(component: &Component) -> Vec<Finding> {
    let report = &component.report;
    let mut findings = Vec::new();
    if report.points.is_empty() {
        let message = "it exports no interface with functions: no host has anything to call";
        findings.push(Finding::warning("no-point", message, "export a point, such as `plugwork:points/analyzer@0.1.0`"));
    }
    let parse = |text: &str| text.parse::<InterfaceName>().ok();
    let known: Vec<InterfaceName> = POINTS.iter().filter_map(|point| parse(point)).collect();
    let mut ours = false;
    for point in report.points.iter().filter_map(|point| parse(point)) {
        match known.iter().find(|known| known.path() == point.path()) {
            Some(known) if known.is_satisfied_by(&point) => ours = true,
            Some(known) => {
                let hint = format!("build it against `{known}`");
                findings.push(Finding::error(
                    "point-version",
                    format_args!("it exports `{point}`, which this version of plugwork does not call"),
                    hint,
                ));
            }
            None => {
                let message = format!("`{point}` is no point of plugwork's: only an application that binds it calls it");
                findings.push(Finding::note("unknown-point", message, ""));
            }
        }
    }
    let lifecycle = report
        .exports
        .iter()
        .filter_map(|export| export.wit.as_ref())
        .any(|export| parse(Lifecycle::INTERFACE).is_some_and(|known| known.is_satisfied_by(export)));
    if ours && !lifecycle {
        let message = format!("it does not export `{}`: it takes no configuration and does not describe its options", Lifecycle::INTERFACE);
        findings.push(Finding::warning("no-lifecycle", message, "build it with `plugwork build`, which adds it"));
    }
    findings
}

fn near_limits(component: &Component) -> Vec<Finding> {
    let limits = StructureLimits::default();
    let near = component.report.measured.against(&limits).filter(|(_, measured, allowed)| measured * 100 >= allowed * NEAR_PERCENT);
    near.map(|(limit, measured, allowed)| {
        let message = format!("`{limit}` is {} of {} allowed ({} %)", grouped(measured), grouped(allowed), measured * 100 / allowed);
        Finding::warning("near-limit", message, "past the limit no host loads it")
    })
    .collect()
}
