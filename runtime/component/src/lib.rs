//! What a `.wasm` says about itself: [`read`] it, [`embed`] a manifest into it. Never runs it. [`index`] makes of all packages of a
//! source what the resolver needs.
//!
//! Any bytes in, a typed answer out. Nothing here links an engine, compiles, or decides what is permitted; the
//! decisions are in `plugwork-core`. What a reader may get wrong: imports and sizes in a [`Report`] are facts, names
//! and licences are claims.

#![forbid(unsafe_code)]

mod detect;
mod embed;
mod error;
mod features;
mod fuse;
mod indexed;
mod interface;
mod limits;
mod metadata;
mod nesting;
mod packages;
mod report;
mod shape;
mod structure;

pub use embed::{EmbedError, Embedded, embed};
pub use error::{LimitExceeded, ManifestProblem, ReadError, ReadErrorKind};
pub use features::{full_features, hardened_features};
pub use fuse::{FuseError, fuse};
pub use indexed::{Indexed, Linkage, index, linkage};
pub use interface::{Interface, InterfaceKind};
pub use limits::{Measured, StructureLimits};
pub use metadata::{CustomSection, MANIFEST_SECTION, Metadata, Producer};
pub use packages::{PackageFolder, PackageLayout, PackageMemory};
pub use report::{Report, read, read_within};
pub use structure::{Memory, Module, Place, Table};
