//! Turns a plugin project (a folder with `plugin.toml`) into one component file: the contents page.
//!
//! Rust, JavaScript and Python projects go the same way: read the manifest, synthesise one WIT world for exactly this plugin, run the
//! language's own tool, check the component against the world, embed the manifest, write the file. Nothing of a plugin is run here
//! beyond what its language's tool does, and no engine is linked: loading the result is the business of `plugwork`.
//!
//! ```no_run
//! use plugwork_build::{BuildOptions, Project};
//! use std::path::Path;
//!
//! let options = BuildOptions {
//!     sdk_root: Path::new("guest-sdk"),
//!     contract: Path::new("wit"),
//!     target_dir: Path::new("target"),
//!     dev: false,
//!     progress: &|line| eprintln!("{line}"),
//! };
//! let built = Project::open("examples/plugins/csv")?.build(&options, Path::new("target/plugins/csv.wasm"))?;
//! println!("{} ({} bytes)", built.path.display(), built.bytes);
//! # Ok::<(), plugwork_build::BuildError>(())
//! ```

#![forbid(unsafe_code)]

mod build;
mod build_all;
mod cache;
mod command;
mod embed;
mod error;
mod files;
mod javascript;
mod packages;
mod project;
mod python;
mod rust;
mod step;
mod verify;
mod world;

pub(crate) use command::run;
pub(crate) use step::Step;

pub use build::{BuildOptions, Built};
pub use build_all::{Outcome, build_all};
pub use error::{BuildError, ErrorKind};
pub use project::{Language, Project};
