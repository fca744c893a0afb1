//! Compiling in this process: nothing bounds what it costs. For hosts that chose their plugins themselves, and for tests.

use plugwork_core::CompileFailure;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::{Error, Result};
use crate::source::Source;

/// Machine code to keep.
pub(crate) fn precompile(engine: &Engine, source: &Source) -> Result<Vec<u8>> {
    engine.precompile_component(&source.load()?).map_err(|error| failed(source, &error))
}

/// A component to use at once, where nothing can be kept.
pub(crate) fn compile(engine: &Engine, source: &Source) -> Result<Component> {
    Component::from_binary(engine, &source.load()?).map_err(|error| failed(source, &error))
}

fn failed(source: &Source, error: &wasmtime::Error) -> Error {
    Error::compile(source.digest(), CompileFailure::Invalid { message: format!("{error:#}") })
}
