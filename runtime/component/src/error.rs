//! Why bytes are not a component that can be read: one opaque error with a kind, and the texts for people.
//!
//! The detection and the checks live in their own files; only words live here. Parser messages contain names from
//! the file: they are escaped and cut before they are kept.

use std::fmt;

/// Why a component could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(Box<ReadErrorKind>);

/// What was wrong, for branching.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// No bytes at all.
    Empty,
    /// Something else than WebAssembly.
    NotWasm {
        /// What the first bytes are known for (`a gzip archive`); `None` when they are not known.
        looks_like: Option<&'static str>,
    },
    /// WebAssembly in its text format.
    Text,
    /// Compiled machine code (an ELF, Mach-O or PE file), such as wasmtime's precompiled artefacts.
    Precompiled,
    /// A core module, which has neither WIT imports nor exports.
    CoreModule,
    /// A WebAssembly header with a version or layer that this host does not know.
    OtherVersion {
        /// Version, first half of the field; components of today have 13, core modules 1.
        version: u16,
        /// Layer, second half; 0 is core, 1 is component.
        layer: u16,
    },
    /// Bigger than a structural limit.
    Limit(LimitExceeded),
    /// Cut off or damaged: the sections cannot be told apart.
    Malformed {
        /// What the parser says.
        message: String,
        /// Where in the file, in bytes from its start.
        offset_bytes: u64,
    },
    /// Whole, but against the rules of WebAssembly, or with a feature that plugwork does not allow.
    Invalid {
        /// What the validator says.
        message: String,
        /// Where in the file, in bytes from its start.
        offset_bytes: u64,
    },
    /// The embedded `plugin.toml` cannot be read.
    Manifest(ManifestProblem),
}

/// What is wrong with the section that carries `plugin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// More than one section at the component's top level.
    MoreThanOne,
    /// More than 64 KiB.
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not UTF-8.
    NotUtf8 {
        /// How many bytes from its start are UTF-8.
        valid_bytes: usize,
    },
}

/// Which structural limit was exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Name of the field of [`StructureLimits`](crate::StructureLimits).
    pub limit: &'static str,
    /// What was measured up to the place where the walk stopped.
    pub measured: u64,
    /// What is allowed.
    pub allowed: u64,
    /// Where: `component`, `module 2, function 117`.
    pub place: String,
}

impl ReadError {
    pub(crate) fn new(kind: ReadErrorKind) -> Self {
        Self(Box::new(kind))
    }

    pub(crate) fn malformed(error: &wasmparser::BinaryReaderError) -> Self {
        Self::new(ReadErrorKind::Malformed { message: message(error), offset_bytes: error.offset() as u64 })
    }

    pub(crate) fn invalid(error: &wasmparser::BinaryReaderError) -> Self {
        Self::new(ReadErrorKind::Invalid { message: message(error), offset_bytes: error.offset() as u64 })
    }

    /// What was wrong.
    pub fn kind(&self) -> &ReadErrorKind {
        &self.0
    }
}

/// Parser messages quote names of the file, which may be 100,000 bytes long and hold any character.
fn message(error: &wasmparser::BinaryReaderError) -> String {
    const CHARACTERS_MAX: usize = 300;
    error.message().chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect()
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ReadErrorKind::Empty => out.write_str(
                "the file is empty\n\
                hint: build the plugin again with `plugwork build`",
            ),
            ReadErrorKind::NotWasm { looks_like: None } => out.write_str(
                "not WebAssembly: the file does not start with `\\0asm`\n\
                    hint: give the `.wasm` file that `plugwork build` wrote",
            ),
            ReadErrorKind::NotWasm { looks_like: Some(what) } => {
                write!(
                    out,
                    "not WebAssembly but {what}\n\
                    hint: give the `.wasm` file that `plugwork build` wrote"
                )
            }
            ReadErrorKind::Text => out.write_str("WebAssembly in text format\nhint: translate it first with `wasm-tools parse`"),
            ReadErrorKind::Precompiled => out.write_str(
                "compiled machine code, which is never accepted from outside\n\
                    hint: give the `.wasm` component it was compiled from",
            ),
            ReadErrorKind::CoreModule => out.write_str(
                "a core module, not a component\n\
                    hint: build with `plugwork build`, or wrap it with `wasm-tools component new`",
            ),
            ReadErrorKind::OtherVersion { version, layer } => write!(
                out,
                "WebAssembly of version {version} and layer {layer}, expected a component (version 13, layer 1)\n\
                    hint: build it again with current tools"
            ),
            ReadErrorKind::Limit(over) => {
                let LimitExceeded { limit, measured, allowed, place } = over;
                write!(
                    out,
                    "`{limit}` is {measured} at {place}, but at most {allowed} is allowed\n\
                        hint: make the component smaller, or raise the limit"
                )
            }
            ReadErrorKind::Malformed { message, offset_bytes } => {
                write!(out, "damaged at byte {offset_bytes}: {message}\nhint: build or download it again")
            }
            ReadErrorKind::Invalid { message, offset_bytes } => {
                write!(
                    out,
                    "not a valid component at byte {offset_bytes}: {message}\n\
                    hint: build it again with the tools `plugwork build` uses"
                )
            }
            ReadErrorKind::Manifest(problem) => match problem {
                ManifestProblem::MoreThanOne => out.write_str(
                    "has more than one `plugin.toml` section, expected one\n\
                        hint: build it again with `plugwork build`",
                ),
                ManifestProblem::TooLong { bytes } => write!(
                    out,
                    "the embedded `plugin.toml` has {bytes} bytes, but at most {} are allowed\n\
                        hint: shorten it",
                    plugwork_core::limits::MANIFEST_BYTES_MAX
                ),
                ManifestProblem::NotUtf8 { valid_bytes } => write!(
                    out,
                    "the embedded `plugin.toml` is not UTF-8 at its byte {valid_bytes}\n\
                        hint: save it as UTF-8 and build again"
                ),
            },
        }
    }
}

impl std::error::Error for ReadError {}
