//! What a language step is given: one project, one synthesised world, one scratch folder.
//!
//! The steps themselves are in `rust.rs`, `javascript.rs` and `python.rs`. Every path here is absolute. A step returns the bytes of
//! a component: it neither embeds `plugin.toml` nor writes the result anywhere; that is done once, for all languages, in `build.rs`.

use std::path::Path;

use plugwork_core::InterfaceName;

/// The inputs of one language step.
pub(crate) struct Step<'a> {
    /// The folder that holds `plugin.toml`.
    pub(crate) project_dir: &'a Path,
    /// The entry file of a JavaScript or Python plugin; the project folder for Rust.
    pub(crate) source: &'a Path,
    /// A folder with the synthesised package (`plugwork:synthesised`) and every package it needs below `deps/`.
    pub(crate) wit_dir: &'a Path,
    /// The one world in the root package of `wit_dir`.
    pub(crate) world: &'a str,
    /// What the world exports, with versions, `plugwork:plugin/lifecycle` included where it is exported.
    pub(crate) exports: &'a [InterfaceName],
    /// This language's SDK: `guest-sdk/rust`, `guest-sdk/js` or `guest-sdk/python`.
    pub(crate) sdk_dir: &'a Path,
    /// An empty folder for the step's own files; kept after the build so that a failure can be looked into.
    pub(crate) work_dir: &'a Path,
    /// Whether to keep WASI for richer diagnostics (`plugwork build --dev`).
    pub(crate) dev: bool,
}
