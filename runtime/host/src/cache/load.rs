//! The one unsafe block of the workspace: handing machine code to the engine.

use std::os::fd::AsRawFd;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::disk::{Disk, Entry, Rejection};

/// Loads a compiled component from the cache; `None` where it has none.
pub(super) fn component(disk: &Disk, entry: &Entry, engine: &Engine) -> Result<Option<Component>, Rejection> {
    let Some(sealed) = disk.read_sealed(entry)? else { return Ok(None) };
    let path = format!("/proc/self/fd/{}", sealed.as_raw_fd());
    // SAFETY: `deserialize_file` needs bytes that this engine's own `precompile_component` made, and that nobody changes while they are mapped.
    // `read_sealed` compared the keyed MAC over header and payload; only this host has the key and it signs nothing else. The header names
    // wasmtime's compatibility hash. The bytes were checked in a memory file sealed against writing, growing and shrinking, and are mapped
    // from that same file, so what was verified is what runs.
    #[expect(unsafe_code, reason = "the engine cannot know that the code is its own; see the comment above")]
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.map(Some).map_err(|_| Rejection::Foreign)
}
