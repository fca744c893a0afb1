//! What is written on the command line of every verb over dependencies.
//!
//! Two groups: [`Where`] says what is asked for and where packages are, [`How`] which of several answers is wanted. A verb that has an answer already, a lock, flattens the first
//! alone.

use std::path::PathBuf;

use clap::ValueEnum;
use plugwork_core::resolve;
use plugwork_core::{InterfaceName, Target};

/// What is asked for, and where packages are.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Where {
    /// A plugin (`acme:geo@^1.2`), an interface (`acme:geo/lookup@^1`), a `.wasm` file, a pipeline, or an application (its file or its folder).
    ///
    /// Default: the application in the current folder. A file is a root at exactly the version that it has; one that carries no `plugin.toml` has
    /// no name and depends on nothing.
    #[arg(value_name = "ROOT")]
    pub(crate) roots: Vec<String>,
    /// A folder of components, or an OCI image layout, to find packages in; may be given several times.
    ///
    /// Default: the folders in which the named components lie, or else the current one. Of a folder its `.wasm` files are read, and those one
    /// level below.
    #[arg(long, value_name = "FOLDER|LAYOUT")]
    pub(crate) from: Vec<PathBuf>,
    /// The lock. Default: beside the application or pipeline, `plugwork.lock` for `plugwork.toml`.
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
}

/// Which of several answers is wanted.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct How {
    /// Which of several versions. Default: what the lock has, and the highest of what it has not.
    #[arg(long, value_enum, value_name = "WHICH")]
    strategy: Option<Strategy>,
    /// Where two plugins need two versions of a third. Default: dedupe.
    #[arg(long, value_enum, value_name = "HOW")]
    duplicates: Option<Duplicates>,
    /// Takes an optional dependency, on a plugin or an interface, wherever it occurs; may be given several times.
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub(super) with: Vec<Target>,
    /// An interface that the host has, beside those of WASI and `plugwork:host`: `acme:shop/prices@1.0.0`; may be given several times.
    #[arg(long, value_name = "INTERFACE")]
    pub(super) host: Vec<InterfaceName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// The newest that fit, whatever the lock has.
    Highest,
    /// The oldest that fit, whatever the lock has: are the lower ends of ranges true?
    Lowest,
    /// What the lock has and nothing else.
    Locked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Duplicates {
    /// One version of a plugin for all.
    Dedupe,
    /// One version on each track (`1.x`, `2.x`, `0.3.x`) side by side.
    Isolate,
}

impl How {
    /// Whether what the lock has comes first.
    pub(super) fn keeps(&self) -> bool {
        matches!(self.strategy, None | Some(Strategy::Locked))
    }

    pub(super) fn strategy(&self) -> resolve::Strategy {
        match self.strategy {
            None | Some(Strategy::Highest) => resolve::Strategy::Highest,
            Some(Strategy::Lowest) => resolve::Strategy::Lowest,
            Some(Strategy::Locked) => resolve::Strategy::Locked,
        }
    }

    pub(super) fn duplicates(&self) -> resolve::Duplicates {
        match self.duplicates {
            None | Some(Duplicates::Dedupe) => resolve::Duplicates::Dedupe,
            Some(Duplicates::Isolate) => resolve::Duplicates::Isolate,
        }
    }
}

fn target(text: &str) -> Result<Target, String> {
    text.parse().map_err(|issue: plugwork_core::Issue| issue.to_string())
}
