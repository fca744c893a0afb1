//! [`read`]: from any bytes to a [`Report`] of what a component is, or to the reason why it is none.
//!
//! The order is the safety: header, then structure against limits, then validation, and only then names. Nothing is
//! run, compiled or decoded into WIT. Who may reach what is decided from this report elsewhere (`plugwork-core`).

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::Digest;
use serde::Serialize;
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use crate::detect;
use crate::error::ReadError;
use crate::features::{full_features, hardened_features};
use crate::interface::{Interface, InterfaceKind, Side, interfaces};
use crate::limits::{Measured, StructureLimits};
use crate::metadata::{self, CustomSection, Metadata, Producer};
use crate::structure::{self, Module};

/// Whose interfaces a plugin exports beside its points: the lifecycle, the handover.
const PLUGIN: &str = "plugwork:plugin";

/// What a component says about itself. Imports, exports, sizes and digest are facts; everything under `metadata`,
/// `producers` and `manifest` is a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// Whether it needs the full profile: it validates only with the async ABI of the component model.
    pub needs_full: bool,
    /// Exported WIT interfaces with functions, except those of `plugwork:plugin`, as the component spells them.
    pub points: Vec<String>,
    /// What it asks for: the only way out of the sandbox.
    pub imports: Vec<Interface>,
    /// What it offers.
    pub exports: Vec<Interface>,
    /// Versions of each WIT package among imports and exports, by package (`wasi:io`).
    pub wit_packages: BTreeMap<String, BTreeSet<semver::Version>>,
    /// Standard metadata of the component.
    pub metadata: Metadata,
    /// Producers of the component and of its modules.
    pub producers: Vec<Producer>,
    /// The text of the embedded `plugin.toml`; `None` for a component that was not built for plugwork.
    pub manifest: Option<String>,
    /// The core modules within.
    pub modules: Vec<Module>,
    /// All custom sections, through all nesting.
    pub custom_sections: Vec<CustomSection>,
    /// Sums over the whole file; compare with [`Measured::against`].
    pub measured: Measured,
    /// Oddities that do no harm, for people.
    pub notes: Vec<String>,
}

/// Reads a component within the default limits.
///
/// ```
/// let component = wat::parse_str("(component (import \"acme:text/filter@1.0.0\" (instance)))").unwrap();
/// let report = plugwork_component::read(&component).unwrap();
/// assert_eq!(report.imports[0].name, "acme:text/filter@1.0.0");
/// assert!(report.imports[0].types_only);
/// ```
///
/// # Errors
/// When the bytes are no component, break a limit, do not validate, or carry a broken `plugin.toml`.
pub fn read(bytes: &[u8]) -> Result<Report, ReadError> {
    read_within(bytes, &StructureLimits::default())
}

/// Reads a component within limits of the caller's own.
///
/// # Errors
/// As [`read`].
pub fn read_within(bytes: &[u8], limits: &StructureLimits) -> Result<Report, ReadError> {
    read_typed(bytes, limits).map(|(report, _)| report)
}

/// The same, with the types that the report was made from.
pub(crate) fn read_typed(bytes: &[u8], limits: &StructureLimits) -> Result<(Report, Types), ReadError> {
    detect::component(bytes)?;
    let structure = structure::walk(bytes, limits)?;
    let (types, needs_full) = validate(bytes)?;
    let said = metadata::read(&structure.customs)?;
    let names = names(bytes)?;
    let imports = interfaces(names.imports, &types, Side::Import);
    let exports = interfaces(names.exports, &types, Side::Export);
    let report = Report {
        digest: Digest::of(bytes),
        bytes: bytes.len() as u64,
        needs_full,
        points: exports.iter().filter(|export| is_point(export)).map(|export| export.name.clone()).collect(),
        wit_packages: wit_packages(imports.iter().chain(&exports)),
        imports,
        exports,
        metadata: said.metadata,
        producers: said.producers,
        manifest: said.manifest,
        modules: structure.modules,
        custom_sections: said.sections,
        measured: structure.measured,
        notes: said.notes,
    };
    Ok((report, types))
}

/// The hardened set first; what it refuses may pass under the full set, whose message is then the better one.
fn validate(bytes: &[u8]) -> Result<(Types, bool), ReadError> {
    let with = |features: WasmFeatures| Validator::new_with_features(features).validate_all(bytes);
    if let Ok(types) = with(hardened_features()) {
        return Ok((types, false));
    }
    let types = with(full_features()).map_err(|error| ReadError::invalid(&error))?;
    Ok((types, true))
}

#[derive(Default)]
struct Names<'a> {
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

/// Names of the outermost imports and exports; sections within are skipped unread.
fn names(bytes: &[u8]) -> Result<Names<'_>, ReadError> {
    let mut names = Names::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let malformed = |error| ReadError::malformed(&error);
        match payload.map_err(malformed)? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    names.imports.push(import.map_err(malformed)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    names.exports.push(export.map_err(malformed)?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn is_point(export: &Interface) -> bool {
    // Python components also export an instance of the plain name `exports`, which no WIT interface stands behind.
    let interface = export.wit.as_ref().is_some_and(|wit| wit.package() != PLUGIN);
    interface && export.kind == InterfaceKind::Instance && !export.functions.is_empty()
}

fn wit_packages<'a>(interfaces: impl Iterator<Item = &'a Interface>) -> BTreeMap<String, BTreeSet<semver::Version>> {
    let mut packages = BTreeMap::<_, BTreeSet<_>>::new();
    for wit in interfaces.filter_map(|interface| interface.wit.as_ref()) {
        packages.entry(wit.package().to_owned()).or_default().extend(wit.version().cloned());
    }
    packages
}
