//! The few facts about a component that loading needs, small enough to keep beside its compiled code, so that a cached plugin is not
//! parsed again. The whole report is `plugwork_component::read`.

use plugwork_component::InterfaceKind;
use plugwork_core::reach::Import;
use plugwork_core::{InterfaceName, Manifest};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Imported interfaces and whether they have types only.
    imports: Vec<(InterfaceName, bool)>,
    /// Imports that are no interface: nobody can offer them.
    pub(crate) strange_imports: Vec<String>,
    /// Exported interfaces with functions, the lifecycle and the handover among them.
    pub(crate) exports: Vec<InterfaceName>,
    pub(crate) needs_full: bool,
    manifest: Option<String>,
}

const LIFECYCLE: &str = "plugwork:plugin/lifecycle";
/// What every plugin may export about itself: the lifecycle and the handover.
const PLUGIN: &str = "plugwork:plugin";

impl Facts {
    pub(crate) fn read(source: &Source) -> Result<Self> {
        let report = plugwork_component::read(&source.load()?).map_err(|error| {
            let name = source.path().map_or_else(|| source.digest().to_string(), |path| path.display().to_string());
            Error::new(ErrorKind::Component, format!("cannot load `{name}`: {error}"))
        })?;
        let mut facts = Self {
            imports: Vec::new(),
            strange_imports: Vec::new(),
            exports: report.exports.iter().filter(|export| !export.types_only).filter_map(|export| export.wit.clone()).collect(),
            needs_full: report.needs_full,
            manifest: report.manifest,
        };
        for import in report.imports {
            match import.wit {
                Some(wit) => facts.imports.push((wit, import.types_only)),
                None if import.kind == InterfaceKind::Type => {}
                None => facts.strange_imports.push(import.name),
            }
        }
        Ok(facts)
    }

    pub(crate) fn imports(&self) -> Vec<Import> {
        let import = |(interface, types_only): &(InterfaceName, bool)| Import { interface: interface.clone(), types_only: *types_only };
        self.imports.iter().map(import).collect()
    }

    pub(crate) fn manifest(&self) -> Result<Option<Manifest>> {
        let manifest = self.manifest.as_deref().map(Manifest::parse).transpose();
        manifest.map_err(|error| Error::invalid(ErrorKind::Manifest, "the embedded `plugin.toml` is wrong:", error.issues))
    }

    pub(crate) fn has_lifecycle(&self) -> bool {
        self.exports.iter().any(|export| export.path() == LIFECYCLE)
    }

    /// The exported points: everything but the lifecycle and the handover.
    pub(crate) fn points(&self) -> impl Iterator<Item = &InterfaceName> {
        self.exports.iter().filter(|export| export.package() != PLUGIN)
    }
}
