//! Two components made one: what the first imports and the second exports is connected inside, and nothing of that can be seen from outside any more.
//!
//! The first keeps its manifest and its exports; what either still imports is what the whole imports. Easily got wrong: they have one store afterwards. A fault of one
//! ends both, they share limits and rights, and an interface that both import is there once.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use plugwork_core::InterfaceName;
use wasm_compose::graph::{Component, CompositionGraph, EncodeOptions};
use wasmparser::Validator;

use crate::embed::{EmbedError, Embedded, embed};
use crate::error::ReadError;
use crate::features::full_features;
use crate::report::{Report, read};

/// What every plugin may export about itself.
const LIFECYCLE: &str = "plugwork:plugin/lifecycle";

/// Why two components could not be made one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FuseError {
    /// One of them is no component.
    Read(ReadError),
    /// The second has a lifecycle: within another component nobody would call its `init`.
    Lifecycle,
    /// The first imports nothing that the second exports on the same track.
    NothingToConnect,
    /// An export does not fit the import that it would be behind, or the result is none.
    Misfit {
        /// Why, in the composer's words.
        message: String,
    },
}

impl fmt::Display for FuseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Lifecycle => f.write_str("it exports `plugwork:plugin/lifecycle`, and nobody would call that inside another component"),
            Self::NothingToConnect => f.write_str("it exports nothing that the other one imports"),
            Self::Misfit { message } => write!(f, "they cannot be connected: {message}"),
        }
    }
}

impl std::error::Error for FuseError {}

/// Connects what `caller` imports to what `provider` exports. The answer was validated as any component is, and carries the caller's manifest.
///
/// # Errors
/// When one is no component, the provider has a lifecycle, or nothing fits.
pub fn fuse(caller: &[u8], provider: &[u8]) -> Result<Vec<u8>, FuseError> {
    let (asks, has) = (read(caller).map_err(FuseError::Read)?, read(provider).map_err(FuseError::Read)?);
    if has.exports.iter().filter_map(|export| export.wit.as_ref()).any(|export| export.path() == LIFECYCLE) {
        return Err(FuseError::Lifecycle);
    }
    let wires = wires(&asks, &has);
    if wires.is_empty() {
        return Err(FuseError::NothingToConnect);
    }
    let misfit = |message: String| FuseError::Misfit { message };
    // Somebody else's code on a stranger's bytes.
    let composed = catch_unwind(AssertUnwindSafe(|| compose(caller, provider, &wires)));
    let composed = composed.map_err(|_| misfit("the composer gave up on them".to_owned()))?.map_err(misfit)?;
    let whole = embed(&composed, &Embedded { manifest: asks.manifest.as_deref(), ..Embedded::default() });
    let whole = whole.map_err(|error| match error {
        EmbedError::Read(error) => FuseError::Read(error),
        other => misfit(format!("{other:?}")),
    })?;
    // Read again as any other: within the limits, and with nothing left of what was connected.
    let told = read(&whole).map_err(FuseError::Read)?;
    match told.imports.iter().find(|import| wires.iter().any(|(wire, _)| *wire == import.name)) {
        Some(left) => Err(misfit(format!("`{}` is still imported", left.name))),
        None => Ok(whole),
    }
}

/// Imports of the one and exports of the other that go together, by their names.
fn wires(asks: &Report, has: &Report) -> Vec<(String, String)> {
    let imports = asks.imports.iter().filter_map(|import| Some((&import.name, import.wit.as_ref()?)));
    let fits = |import: &InterfaceName, export: &InterfaceName| {
        import.is_satisfied_by(export) && !matches!((import.version(), export.version()), (Some(asked), Some(there)) if there < asked)
    };
    let wires = imports.filter_map(|(name, import)| {
        let export = has.exports.iter().find(|export| export.wit.as_ref().is_some_and(|export| fits(import, export)))?;
        Some((name.clone(), export.name.clone()))
    });
    wires.collect()
}

fn compose(caller: &[u8], provider: &[u8], wires: &[(String, String)]) -> Result<Vec<u8>, String> {
    let told = |error: anyhow::Error| format!("{error:#}");
    // One for both: types of two validators cannot be compared.
    let mut validator = Validator::new_with_features(full_features());
    let mut parsed = |name: &str, bytes: &[u8]| Component::from_bytes(&mut validator, name, bytes.to_vec()).map_err(told);
    let mut graph = CompositionGraph::new();
    let caller = graph.add_component(parsed("caller", caller)?).map_err(told)?;
    let provider = graph.add_component(parsed("provider", provider)?).map_err(told)?;
    let (inner, outer) = (graph.instantiate(provider).map_err(told)?, graph.instantiate(caller).map_err(told)?);
    for (import, export) in wires {
        let (Some(asks), Some(has)) = (graph.get_component(caller), graph.get_component(provider)) else {
            return Err("a component was lost".to_owned());
        };
        let import = asks.import_by_name(import).ok_or_else(|| format!("`{import}` is not imported"))?.0;
        let export = has.export_by_name(export).ok_or_else(|| format!("`{export}` is not exported"))?.0;
        graph.connect(inner, Some(export), outer, import).map_err(told)?;
    }
    graph.encode(EncodeOptions { define_components: true, export: Some(outer), validate: false }).map_err(told)
}
