//! A component that a verb looks at: its bytes read, its report, its manifest, and what stands behind each import. Nothing is compiled or run.
//!
//! The decisions are those of `plugwork_core`, asked with what this command offers (`host::offered`), so that what `inspect` says is what `run`
//! and `call` do. Easy to get wrong: a component whose embedded manifest is wrong still has a report, but no host loads it.

use std::path::{Path, PathBuf};

use plugwork_component::{InterfaceKind, ReadError, Report};
use plugwork_core::chain::OWN;
use plugwork_core::reach::{self, Kind};
use plugwork_core::{Grants, Issue, Manifest, Permission};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::exit::Failure;
use crate::grants::to_argument;
use crate::host;

/// Beyond this no file is a component; what a component may really have is a structural limit, and smaller.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// The capability that lets a plugin run in the full profile. It has no interface.
pub(super) const ENGINE: &str = "engine";

/// A component, read and not run.
pub(super) struct Component {
    pub(super) path: PathBuf,
    pub(super) report: Report,
    /// None where the file carries no `plugin.toml`.
    pub(super) manifest: Option<Manifest>,
    /// What is wrong with the `plugin.toml` that it carries.
    pub(super) manifest_issues: Vec<Issue>,
}

/// One import and what stands behind it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Import {
    /// As the component spells it.
    pub(super) name: String,
    /// What stands behind it.
    pub(super) kind: Kind,
    /// The capability that governs it, if one does.
    pub(super) capability: Option<String>,
    /// Why, in a few words.
    pub(super) because: String,
    /// Its functions, in its order.
    pub(super) functions: Vec<String>,
}

/// The bytes of a file that should be a component.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let doing = format!("cannot read component `{}`", path.display());
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::not_found(format_args!("{doing}: no such file\nhint: build it with `plugwork build`")),
        _ => Failure::from(error).while_doing(&doing),
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::usage(format_args!("{doing}: it is a folder\nhint: give the `.wasm` file that `plugwork build` wrote")));
    }
    // Also keeps pipes and devices out, which have no end.
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(Failure::failed(format_args!("{doing}: not a file of at most {} MiB", FILE_BYTES_MAX >> 20)));
    }
    std::fs::read(path).map_err(failed)
}

impl Component {
    /// Reads a file. What is no component is an error; what is odd about one is not.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let bytes = bytes(path)?;
        Self::read(path, &bytes).map_err(|error| Failure::failed(format_args!("cannot read component `{}`: {error}", path.display())))
    }

    /// Reads bytes that came from a file.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, ReadError> {
        let report = plugwork_component::read(bytes)?;
        let (manifest, manifest_issues) = match report.manifest.as_deref().map(Manifest::parse) {
            Some(Ok(manifest)) => (Some(manifest), Vec::new()),
            Some(Err(error)) => (None, error.issues),
            None => (None, Vec::new()),
        };
        Ok(Self { path: path.to_owned(), report, manifest, manifest_issues })
    }

    /// The grants in force when these are given; all complaints at once.
    pub(super) fn effective(&self, grants: &Grants) -> Result<Grants, Vec<Issue>> {
        let offered = host::offered();
        let known = |capability: &str| OWN.contains(&capability) || offered.iter().any(|offer| offer.capability == capability);
        let mut issues: Vec<Issue> = grants
            .iter()
            .filter(|grant| !known(&grant.capability))
            .map(|grant| Issue {
                what: "this command does not offer it".to_owned(),
                at: format!("grants.{}", grant.capability),
                expected: format!(
                    "one of {}",
                    offered.iter().map(|offer| format!("`{}`", offer.capability)).collect::<Vec<_>>().join(", ")
                ),
            })
            .collect();
        // What is not offered is said once, not also that it was not asked for.
        let known = grants
            .iter()
            .filter(|grant| known(&grant.capability))
            .fold(Grants::none(), |known, grant| known.with(&grant.capability, grant.bounds));
        match known.narrowing(self.manifest.as_ref()) {
            Ok(effective) if issues.is_empty() => Ok(effective),
            Ok(_) => Err(issues),
            Err(more) => {
                issues.extend(more);
                Err(issues)
            }
        }
    }

    /// Every import and what stands behind it with these grants, in the component's order.
    pub(super) fn imports(&self, effective: &Grants) -> Vec<Import> {
        let offered = host::offered();
        let decide = |import: &plugwork_component::Interface| {
            let (kind, capability, because) = match &import.wit {
                Some(wit) => {
                    let asked = reach::Import { interface: wit.clone(), types_only: import.types_only };
                    let mut decided = reach::decide(&[asked], self.manifest.as_ref(), effective, &offered, &[]);
                    let reach = decided.remove(0);
                    (reach.kind, reach.capability, reach.because)
                }
                None if import.kind == InterfaceKind::Type => (Kind::Types, None, "types only".to_owned()),
                None => (Kind::Refused, None, "outside any interface: nobody can offer it".to_owned()),
            };
            Import { name: import.name.clone(), kind, capability, because, functions: import.functions.clone() }
        };
        self.report.imports.iter().map(decide).collect()
    }

    /// The engine profile it runs in: `hardened` or `full`.
    pub(super) fn profile(&self) -> &'static str {
        if self.report.needs_full { "full" } else { "hardened" }
    }

    /// Why it would not load with these grants: one line each, with what to do where something can be done. Empty: it loads.
    pub(super) fn obstacles(&self, imports: &[Import], effective: &Grants) -> Vec<String> {
        let mut obstacles: Vec<String> = self.manifest_issues.iter().map(|issue| format!("its `plugin.toml` is wrong: {issue}")).collect();
        let mut needed = Vec::new();
        for import in imports.iter().filter(|import| import.kind == Kind::Refused) {
            match &import.capability {
                Some(capability) if self.may_be_granted(capability) => {
                    if !needed.contains(capability) {
                        needed.push(capability.clone());
                    }
                }
                _ => obstacles.push(format!("`{}`: {}", import.name, import.because)),
            }
        }
        let full = effective.get(ENGINE).and_then(|bounds| bounds.get("profile")).is_some_and(|profile| profile == "full");
        if self.report.needs_full && !full {
            needed.push(ENGINE.to_owned());
        }
        obstacles.extend(needed.iter().map(|capability| format!("needs {}", to_argument(&self.asked(capability)))));
        obstacles
    }

    /// Whether granting would help: this command offers it, and the manifest, where there is one, asks for it.
    pub(super) fn may_be_granted(&self, capability: &str) -> bool {
        let offered = host::offered().iter().any(|offer| offer.capability == capability);
        offered && self.manifest.as_ref().is_none_or(|manifest| manifest.permissions.contains_key(capability))
    }

    /// What the manifest asks of a capability, or the least that makes sense where there is none.
    pub(super) fn asked(&self, capability: &str) -> Permission {
        let asked = self.manifest.as_ref().and_then(|manifest| manifest.permissions.get(capability));
        asked.cloned().unwrap_or_else(|| Permission {
            capability: capability.to_owned(),
            bounds: match capability {
                "http" => Map::from_iter([("hosts".to_owned(), Value::from(vec!["*"]))]),
                ENGINE => Map::from_iter([("profile".to_owned(), Value::from("full"))]),
                _ => Map::new(),
            },
            optional: false,
            reason: String::new(),
        })
    }
}
