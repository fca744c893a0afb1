//! Compiling a component to machine code. Slow (about 0.75 s of one core a megabyte) and done once: see `cache`.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::{Error, ErrorKind, Result};
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
    Error::new(ErrorKind::Compile, format!("cannot compile {}: {error:#}", source.digest()))
}
