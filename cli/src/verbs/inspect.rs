//! `plugwork inspect`: what a component is and what it could reach, as a page for people or as JSON. Nothing of it is compiled or run.
//!
//! [`Inspected`] is the documented shape of `--json`; fields are added, never renamed. Names, licences and producers are claims by whoever
//! wrote the file; imports, sizes and the digest are facts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plugwork_core::guard::GuardNames;
use plugwork_core::reach::Kind;
use plugwork_core::{Grants, Manifest, Permission};
use serde::Serialize;

use super::component::{Component, Import};
use super::target::{self, Target};
use super::words::{self, count, grouped, size};
use crate::exit::Failure;
use crate::grants::{GrantArguments, to_inline_table};
use crate::host::{self, Place};
use crate::installed::Which;
use crate::print;

/// Shows what a component is and what it could reach. Nothing of it runs.
///
/// Each import is one of: granted (linked to the real thing, within bounds), inert (linked to something that reaches nothing), denied
/// (optional and not granted: answers the interface's own denial), refused (the plugin does not load), types (nothing to link).
/// Without `--grant` it shows what is reached when nothing is granted.
///
/// Any component can be inspected, also one that was built for another host.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork inspect earthquakes.wasm
  plugwork inspect earthquakes.wasm --grant 'http = { hosts = [\"example.org\"] }'
  plugwork inspect acme:markdown --json

The JSON has: file, digest, bytes, profile, loads, obstacles, manifest (name,
version, description, license, guards, permissions, limits; null where there is
none),
manifest_issues, points, imports (name, kind, capability, because, functions),
exports (name, functions), wit_packages, sizes, memories, metadata, producers,
notes.")]
pub(crate) struct Inspect {
    /// A `.wasm` file, or the name of a plugin that was added.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    grants: GrantArguments,
}

/// The JSON of `plugwork inspect --json`.
#[derive(Serialize)]
struct Inspected<'a> {
    file: String,
    digest: String,
    bytes: u64,
    /// `hardened` or `full`.
    profile: &'static str,
    /// Whether it loads with the grants given.
    loads: bool,
    /// Why it does not, one line each.
    obstacles: &'a [String],
    manifest: Option<Declared<'a>>,
    manifest_issues: &'a [plugwork_core::Issue],
    points: &'a [String],
    imports: &'a [Import],
    exports: Vec<Exported<'a>>,
    /// Versions of each WIT package among imports and exports.
    wit_packages: BTreeMap<&'a str, Vec<String>>,
    sizes: Sizes,
    memories: Vec<plugwork_component::Memory>,
    metadata: &'a plugwork_component::Metadata,
    producers: Vec<Producer<'a>>,
    notes: &'a [String],
}

/// What the embedded `plugin.toml` says.
#[derive(Serialize)]
struct Declared<'a> {
    name: String,
    version: String,
    description: &'a str,
    license: &'a str,
    /// Who has a say before calls of which export.
    guards: &'a GuardNames,
    permissions: Vec<&'a Permission>,
    limits: PromisedLimits,
}

#[derive(Serialize)]
struct PromisedLimits {
    deadline_ms: Option<u64>,
    memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Exported<'a> {
    name: &'a str,
    functions: &'a [String],
}

#[derive(Serialize)]
struct Sizes {
    code_bytes: u64,
    data_bytes: u64,
    custom_bytes: u64,
    modules_count: u64,
    functions_count: u64,
    memories_count: u64,
    memory_initial_bytes: u64,
}

/// A producer, whichever module named it.
#[derive(Serialize, PartialEq)]
struct Producer<'a> {
    field: &'a str,
    name: &'a str,
    version: &'a str,
}

impl Inspect {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let mut given = self.grants.read()?;
        let mut path = PathBuf::from(&self.plugin);
        // Only a name needs the records: a file is inspected without touching anything.
        if target::name(&self.plugin).is_some() {
            let target = host::io_runtime()?
                .block_on(async { Target::find(place, host::store(place).await?.as_ref(), &self.plugin, &Which::default()).await })?;
            if !self.grants.is_given() {
                given = target.grants();
            }
            path = target.path;
        }
        let component = Component::open(&path)?;
        let effective = component.effective(&given).map_err(|issues| {
            let lines: String = issues.iter().map(|issue| format!("\n  {issue}")).collect();
            Failure::refused(format_args!("`{}` cannot be given these grants:{lines}", path.display()))
        })?;
        let imports = component.imports(&effective);
        let obstacles = component.obstacles(&imports, &effective);
        if self.json {
            print::json(&inspected(&component, &imports, &obstacles));
        } else {
            page(&component, &imports, &obstacles, &effective);
        }
        Ok(())
    }
}

fn inspected<'a>(component: &'a Component, imports: &'a [Import], obstacles: &'a [String]) -> Inspected<'a> {
    let report = &component.report;
    Inspected {
        file: component.path.display().to_string(),
        digest: report.digest.to_string(),
        bytes: report.bytes,
        profile: component.profile(),
        loads: obstacles.is_empty(),
        obstacles,
        manifest: component.manifest.as_ref().map(declared),
        manifest_issues: &component.manifest_issues,
        points: &report.points,
        imports,
        exports: report.exports.iter().map(|export| Exported { name: &export.name, functions: &export.functions }).collect(),
        wit_packages: wit_packages(component),
        sizes: sizes(component),
        memories: report.modules.iter().flat_map(|module| module.memories.iter().copied()).collect(),
        metadata: &report.metadata,
        producers: producers(component),
        notes: &report.notes,
    }
}

fn declared(manifest: &Manifest) -> Declared<'_> {
    Declared {
        name: manifest.name.to_string(),
        version: manifest.version.to_string(),
        description: &manifest.description,
        license: &manifest.license,
        guards: &manifest.guards,
        permissions: manifest.permissions.values().collect(),
        limits: PromisedLimits { deadline_ms: manifest.limits.deadline_ms, memory_bytes: manifest.limits.memory_bytes },
    }
}

fn sizes(component: &Component) -> Sizes {
    let report = &component.report;
    Sizes {
        code_bytes: report.modules.iter().map(|module| module.code_bytes).sum(),
        data_bytes: report.measured.data_bytes,
        custom_bytes: report.measured.custom_bytes,
        modules_count: report.measured.modules_count,
        functions_count: report.measured.functions_count,
        memories_count: report.measured.memories_count,
        memory_initial_bytes: report.measured.memory_initial_bytes,
    }
}

fn wit_packages(component: &Component) -> BTreeMap<&str, Vec<String>> {
    let packages = component.report.wit_packages.iter();
    packages.map(|(package, versions)| (package.as_str(), versions.iter().map(ToString::to_string).collect())).collect()
}

/// Each once: an interpreter has the same producers in forty modules.
fn producers(component: &Component) -> Vec<Producer<'_>> {
    let mut producers = Vec::new();
    for producer in &component.report.producers {
        let producer = Producer { field: &producer.field, name: &producer.name, version: &producer.version };
        if !producers.contains(&producer) {
            producers.push(producer);
        }
    }
    producers
}

fn page(component: &Component, imports: &[Import], obstacles: &[String], effective: &Grants) {
    let report = &component.report;
    head(component);
    line("file", format_args!("{}, {}", component.path.display(), size(report.bytes)));
    line("digest", report.digest);
    line("profile", component.profile());
    match obstacles {
        [] if effective.is_empty() => line("loads", "yes, with nothing granted"),
        [] => line("loads", "yes, with these grants"),
        [first, more @ ..] => {
            line("loads", format_args!("no: {first}"));
            more.iter().for_each(|obstacle| line("", format_args!("    {obstacle}")));
        }
    }
    list("points", &report.points);
    if let Some(manifest) = &component.manifest {
        list("guarded", &words::guarded(&manifest.guards));
    }
    reached(imports);
    asked(component);
    measures(component);
    let versions = wit_packages(component).into_iter().map(|(package, versions)| format!("{package} {}", versions.join(", ")));
    list("WIT packages", &versions.collect::<Vec<_>>());
    let made = producers(component)
        .into_iter()
        .map(|producer| format!("{} {} ({})", producer.name, producer.version, producer.field).replace("  ", " "));
    list("made with", &made.collect::<Vec<_>>());
    list("notes", &report.notes);
}

/// Name, version, description, licence: the manifest's, or else what the metadata sections claim.
fn head(component: &Component) {
    let metadata = &component.report.metadata;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (title, description, license) = match &component.manifest {
        Some(manifest) => (format!("{} {}", manifest.name, manifest.version), manifest.description.clone(), manifest.license.clone()),
        None => {
            let name = metadata.name.clone().unwrap_or_else(|| "unnamed component".to_owned());
            (format!("{name} {}", text(&metadata.version)).trim_end().to_owned(), text(&metadata.description), text(&metadata.licenses))
        }
    };
    print::data(title);
    if !description.is_empty() {
        print::data(description);
    }
    print::data("");
    line("licence", if license.is_empty() { "not said" } else { &license });
    if component.manifest.is_none() {
        line("manifest", if component.manifest_issues.is_empty() { "none: what it imports is what it needs" } else { "wrong, see below" });
    }
}

/// The imports, the most telling kinds first.
fn reached(imports: &[Import]) {
    print::data("");
    if imports.is_empty() {
        return print::data("imports: none, it cannot reach anything");
    }
    let mut imports: Vec<&Import> = imports.iter().collect();
    let rank = |kind| [Kind::Refused, Kind::Granted, Kind::Denied, Kind::Inert, Kind::Types].iter().position(|ranked| *ranked == kind);
    imports.sort_by_key(|import| rank(import.kind));
    let row = |import: &&Import| {
        let because = if matches!(import.kind, Kind::Granted | Kind::Types) { "" } else { &import.because };
        vec![format!("  {}", import.name), import.kind.to_string(), import.capability.clone().unwrap_or_default(), because.to_owned()]
    };
    print::table(&["imports", "", "", ""], &imports.iter().map(row).collect::<Vec<_>>());
}

fn asked(component: &Component) {
    let Some(manifest) = &component.manifest else {
        return list("what is wrong with its plugin.toml", &component.manifest_issues.iter().map(ToString::to_string).collect::<Vec<_>>());
    };
    let mut asked = Vec::new();
    for Permission { capability, bounds, optional, reason } in manifest.permissions.values() {
        let bounds = if bounds.is_empty() { String::new() } else { format!(" = {}", to_inline_table(bounds)) };
        asked.push(format!("{capability}{bounds}{}", if *optional { " (optional)" } else { "" }));
        if !reason.is_empty() {
            asked.push(format!("  {reason}"));
        }
    }
    let limits = [
        ("deadline", manifest.limits.deadline_ms.map(|ms| format!("{} ms", grouped(ms)))),
        ("memory", manifest.limits.memory_bytes.map(size)),
    ];
    asked.extend(limits.into_iter().filter_map(|(name, limit)| Some(format!("promises to keep within: {name} {}", limit?))));
    if asked.is_empty() {
        asked.push("nothing".to_owned());
    }
    list("asks for", &asked);
}

fn measures(component: &Component) {
    let sizes = sizes(component);
    let number = |number: u64, what| count(usize::try_from(number).unwrap_or(usize::MAX), what);
    list(
        "sizes",
        &[
            format!("{} code, {} data, {} custom sections", size(sizes.code_bytes), size(sizes.data_bytes), size(sizes.custom_bytes)),
            format!(
                "{}, {}, {}, {} at the start",
                number(sizes.modules_count, "module"),
                number(sizes.functions_count, "function"),
                if sizes.memories_count == 1 { "1 memory".to_owned() } else { format!("{} memories", sizes.memories_count) },
                size(sizes.memory_initial_bytes)
            ),
        ],
    );
}

fn line(label: &str, value: impl std::fmt::Display) {
    print::data(format_args!("{label:8} {value}"));
}

fn list(heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        print::data("");
        print::data(heading);
        lines.iter().for_each(|line| print::data(format_args!("  {line}")));
    }
}
