//! Definitions in the place of those of the engine's crate, where that does not count, charge or refuse what this host does.
//!
//! Not here: what is defined. Easily got wrong: a linker that goes on allowing it would no longer notice that two definitions meet by mistake.

use wasmtime::component::Linker;

use crate::state::State;

/// Lets `define` define once more what is defined already, and nobody after it.
pub(super) fn shadowing(
    linker: &mut Linker<State>,
    define: impl FnOnce(&mut Linker<State>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let defined = define(linker);
    linker.allow_shadowing(false);
    defined
}
