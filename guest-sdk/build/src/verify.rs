//! Reads a freshly made component as a host would, and compares it with the world that the manifest describes.
//!
//! A friendly early word to the author, not a safeguard: a host reads whatever it is given and believes no manifest. Exports beyond the
//! listed ones are fine; the interpreters of JavaScript and Python bring some.

use plugwork_component::Interface;
use plugwork_core::InterfaceName;

use crate::BuildError;
use crate::world::World;

/// Every listed export must be there, and no import beyond the world's, except WASI's where the build keeps it.
pub(crate) fn check(component: &[u8], world: &World, wasi: bool) -> Result<(), BuildError> {
    let report =
        plugwork_component::read(component).map_err(|error| BuildError::component(format!("no host would load the result: {error}")))?;
    let exported: Vec<&InterfaceName> = report.exports.iter().filter_map(|export| export.wit.as_ref()).collect();
    let allowed = world.imports();
    let mut complaints = Vec::new();
    for asked in world.exports.iter().filter(|asked| !exported.contains(asked)) {
        complaints.push(format!("\n  `plugin.toml` lists the export `{asked}`, the component does not have it"));
    }
    let unexpected = |import: &&Interface| {
        !import.types_only
            && !import.wit.as_ref().is_some_and(|name| {
                (wasi && name.package().starts_with("wasi:")) || allowed.iter().any(|allowed| name.is_satisfied_by(allowed))
            })
    };
    for import in report.imports.iter().filter(unexpected) {
        complaints.push(format!("\n  the component imports `{}`, `plugin.toml` does not list it", import.name));
    }
    if report.needs_full {
        complaints.push("\n  it uses the async ABI of the component model, which the default engine does not run".to_owned());
    }
    if complaints.is_empty() {
        return Ok(());
    }
    let hint = if report.exports.is_empty() {
        "it exports nothing at all: the source names no plugin; in Rust that is `plugwork_guest::plugin!` or `export!`"
    } else {
        "bring `exports`, `imports` and `wasi` in `[build]` into line with the source"
    };
    Err(BuildError::component(format!("the component is not what `plugin.toml` describes:{}", complaints.concat())).hint(hint))
}
