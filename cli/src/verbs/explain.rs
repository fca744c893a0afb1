//! `plugwork explain`: what a plugin can reach and what it cannot, told from the linker that was built for it. Nothing of it runs.
//!
//! The difference to `inspect`, which reads and decides: here the plugin is compiled and linked, and what is told is what its linker was made from.
//! Easy to get wrong: for a plugin that does not load there is no linker; then the same decision is told, `linked` is false, and the exit code is 3.

use std::path::Path;

use plugwork::{Limits, Plugin, Profile, Runtime};
use plugwork_core::reach::{Kind, Reach};
use plugwork_core::{Denial, Grants, Manifest};
use serde::Serialize;
use serde_json::{Map, Value};

use super::add::{argument, silent};
use super::component::{Component, ENGINE};
use super::target::Target;
use crate::consent::text::limits_in_words;
use crate::consent::words::in_words;
use crate::exit::Failure;
use crate::grants::{GrantArguments, to_argument};
use crate::host::{self, Place};
use crate::installed::Which;
use crate::print;

/// Explains what a plugin can reach, from the linker that was built for it, and what is not there for it.
///
/// Each import is granted (within which bounds), inert, denied (with the line that would allow it), refused, or types. Then what it cannot reach:
/// what this command could offer, sockets and processes included. A plugin that was added is explained with the grants on record, a file with
/// those that are given. Nothing of it runs.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork explain earthquakes.wasm
  plugwork explain acme:markdown --json

The JSON has: plugin, version, digest, profile, linked, obstacles (code,
permission, rule, hint), limits, imports (name, kind, capability, because,
bounds, allow), absent (what, why, allow). `allow` is the argument that would
grant it, null where nothing here would. Exit code 3 when it would not load.")]
pub(crate) struct Explain {
    /// A `.wasm` file, or the name of a plugin that was added.
    plugin: String,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    grants: GrantArguments,
}

/// The JSON of `plugwork explain --json`.
#[derive(Serialize)]
struct Explained {
    plugin: String,
    /// None for a component without a manifest.
    version: Option<String>,
    digest: String,
    /// `hardened` or `full`.
    profile: &'static str,
    /// Whether a linker was built with these grants; if not, what follows is the decision that refused it.
    linked: bool,
    /// Why it does not load.
    obstacles: Vec<Denial>,
    /// Those in force for it.
    limits: Limits,
    imports: Vec<Import>,
    absent: Vec<Absent>,
}

/// One import and what is behind it.
#[derive(Serialize)]
struct Import {
    name: String,
    kind: Kind,
    capability: Option<String>,
    because: String,
    /// Of a granted one: the bounds in force.
    bounds: Option<Map<String, Value>>,
    allow: Option<String>,
}

/// Something that is not there for it.
#[derive(Serialize)]
struct Absent {
    what: String,
    why: String,
    allow: Option<String>,
}

/// What every plugin lacks here, however it is granted.
const NEVER: [(&str, &str); 2] =
    [("process", "there is no interface through which to start or signal one"), ("sockets", "nobody here offers a grant of them")];

impl Explain {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let given = self.grants.is_given().then(|| self.grants.read()).transpose()?;
        let io = host::io_runtime()?;
        let explained = io.block_on(async {
            let store = host::store(place).await?;
            let target = Target::find(place, store.as_ref(), &self.plugin, &self.which).await?;
            let component = Component::open(&target.path)?;
            let runtime = host::open(place, &store, Path::new("."), Limits::batch(), silent, Box::new(argument)).await?;
            let grants = given.unwrap_or_else(|| target.grants());
            explain(&runtime, &target, &component, grants).await
        })?;
        if self.json {
            print::json(&explained);
        } else {
            page(&explained);
        }
        match explained.obstacles.is_empty() {
            true => Ok(()),
            false => Err(Failure::refused(format_args!("`{}` would not load with these grants", explained.plugin))),
        }
    }
}

async fn explain(runtime: &Runtime, target: &Target, component: &Component, grants: Grants) -> Result<Explained, Failure> {
    let offer = target.offer(runtime).await?;
    let (subject, manifest): (_, Option<Manifest>) = (offer.subject().clone(), offer.manifest().cloned());
    let decided = offer.reach(&grants);
    // To explain is not to consent.
    let accepted = offer.unrecorded().accept_only(grants.clone()).await;
    let (linked, obstacles, reach, effective, limits) = match &accepted {
        Ok(plugin) => (true, Vec::new(), plugin.reach().to_vec(), plugin.grants().clone(), *plugin.limits()),
        // Too much or nonsense was granted: that is the caller's to mend, and says nothing of the plugin.
        Err(error) if error.denials().is_empty() => return Err(Failure::from(error.clone())),
        Err(error) => {
            let limits = manifest.as_ref().map_or(Limits::batch(), |manifest| Limits::batch().tightened_by(&manifest.limits));
            (false, error.denials().to_vec(), decided, grants, limits)
        }
    };
    let profile = match accepted.as_ref().map(Plugin::profile) {
        Ok(Profile::Full) => "full",
        Ok(Profile::Hardened) => "hardened",
        Err(_) => component.profile(),
    };
    let imports: Vec<Import> = reach.iter().map(|reach| import(component, reach, &effective)).collect();
    Ok(Explained {
        plugin: subject.to_string(),
        version: manifest.map(|manifest| manifest.version.to_string()),
        digest: subject.digest.to_string(),
        profile,
        linked,
        obstacles,
        limits,
        absent: absent(component, &reach, &effective),
        imports,
    })
}

fn import(component: &Component, reach: &Reach, effective: &Grants) -> Import {
    let granted = reach.kind == Kind::Granted;
    Import {
        name: reach.interface.to_string(),
        kind: reach.kind,
        because: reach.because.clone(),
        bounds: reach.capability.as_deref().filter(|_| granted).and_then(|capability| effective.get(capability)).cloned(),
        allow: match reach.kind {
            Kind::Granted | Kind::Types => None,
            _ => reach.capability.as_deref().and_then(|capability| allow(component, capability)),
        },
        capability: reach.capability.clone(),
    }
}

/// The argument that would grant a capability; none where no grant can.
fn allow(component: &Component, capability: &str) -> Option<String> {
    component.may_be_granted(capability).then(|| to_argument(&component.asked(capability)))
}

/// What this command could offer and the plugin has not, and what nobody offers.
fn absent(component: &Component, reach: &[Reach], effective: &Grants) -> Vec<Absent> {
    let behind = |capability: &str, kind: Kind| {
        let mut of_it = reach.iter().filter(|reach| reach.capability.as_deref() == Some(capability));
        of_it.any(|reach| reach.kind == kind)
    };
    let imported =
        |capability: &str| reach.iter().any(|reach| reach.kind != Kind::Types && reach.capability.as_deref() == Some(capability));
    let offered = host::offered();
    let mut absent = Vec::new();
    for offer in offered.iter().filter(|offer| !behind(offer.capability, Kind::Granted)) {
        let capability = offer.capability;
        let asks = component.manifest.as_ref().is_some_and(|manifest| manifest.permissions.contains_key(capability));
        let why = match (effective.get(capability).is_some(), imported(capability), asks) {
            (true, _, _) => "granted, but it imports nothing that would use it",
            (false, false, false) => "it neither imports nor asks for it",
            (false, false, true) => "it asks for it and imports nothing that would use it",
            (false, true, true) => "it asks for it, and it was not granted",
            (false, true, false) if component.manifest.is_none() => "it imports it, and it was not granted",
            (false, true, false) => "it imports it and does not ask for it: it cannot be granted",
        };
        let allow = if imported(capability) { allow(component, capability) } else { None };
        absent.push(Absent { what: capability.to_owned(), why: why.to_owned(), allow });
    }
    for (what, why) in NEVER {
        let stub = if imported(what) { "; it imports them, and every call answers that it is denied" } else { "" };
        absent.push(Absent { what: what.to_owned(), why: format!("{why}{stub}"), allow: None });
    }
    absent
}

fn page(explained: &Explained) {
    let version = explained.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    print::data(format_args!("{}{version}", explained.plugin));
    print::data(format_args!("digest   {}", explained.digest));
    print::data(format_args!("profile  {}", explained.profile));
    print::data(format_args!("limits   {}", limits_in_words(&explained.limits)));
    print::data("");
    if explained.linked {
        print::data("its linker has these definitions and no others");
    } else {
        print::data("it was not linked; this is the decision that refused it");
        explained.obstacles.iter().for_each(|denial| print::data(format_args!("  {}", denial.to_string().replace('\n', "\n    "))));
        print::data("");
    }
    for kind in [Kind::Refused, Kind::Granted, Kind::Denied, Kind::Inert, Kind::Types] {
        for import in explained.imports.iter().filter(|import| import.kind == kind) {
            print::data(format_args!("  {:<8} {}{}", import.kind, import.name, behind(import)));
        }
    }
    if explained.imports.is_empty() {
        print::data("  none: it imports nothing");
    }
    print::data("");
    print::data("not there for it");
    for Absent { what, why, allow } in &explained.absent {
        let allow = allow.as_ref().map(|allow| format!("; {allow} would allow it")).unwrap_or_default();
        print::data(format_args!("  {what:<12} {why}{allow}"));
    }
}

fn behind(import: &Import) -> String {
    match (import.kind, &import.bounds, &import.allow) {
        (Kind::Types, _, _) => String::new(),
        (Kind::Granted, Some(bounds), _) => {
            let capability = import.capability.as_deref().unwrap_or(ENGINE);
            format!(": may {}", in_words(capability, bounds))
        }
        (Kind::Denied, _, Some(allow)) => format!(": every call answers that it is denied; {allow} would allow it"),
        (_, _, Some(allow)) => format!(": {}; {allow} would change that", import.because),
        _ => format!(": {}", import.because),
    }
}
