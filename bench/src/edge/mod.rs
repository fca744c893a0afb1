//! What the edge server costs: requests a second and how long they take, beside native axum and `wasmtime serve`; deploying; memory.
//!
//! Lives here: the order of the parts and the programs that are measured. Not here: the rows, each in its part's file. May be misread: a server and
//! what loads it share the processors, so all numbers of one run belong together and to no other.

mod applications;
mod contestants;
mod deploys;
mod load;
mod many;
mod server;
mod throughput;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::ROOT;
use crate::benchmark::Part;
use crate::machine::Machine;
use crate::report::Row;

/// The machine as workerd's packages call it.
const WORKERD: &str = if cfg!(target_arch = "x86_64") { "64" } else { "arm64" };

/// The programs that are measured.
pub(crate) struct Programs {
    plugwork: PathBuf,
    native: PathBuf,
    wasmtime: PathBuf,
    workerd: PathBuf,
    plugins: PathBuf,
}

impl Programs {
    /// Where `cargo xtask bench edge` builds them.
    fn find(plugins: &Path) -> Result<Self> {
        let there = |path: PathBuf| {
            let path =
                path.canonicalize().with_context(|| format!("there is no `{}`; `cargo xtask bench edge` builds it", path.display()))?;
            Ok::<_, anyhow::Error>(path)
        };
        let own = std::env::current_exe()?;
        let beside = own.parent().context("a program is in a folder")?;
        Ok(Self {
            plugwork: there(beside.join("plugwork"))?,
            native: there(Path::new(ROOT).join("bench/rivals/target/release/native-http"))?,
            wasmtime: there(Path::new(ROOT).join(format!("bench/rivals/target/wasmtime-{}/bin/wasmtime", Machine::here().wasmtime)))?,
            workerd: there(
                Path::new(ROOT).join(format!("bench/rivals/workerd/node_modules/@cloudflare/workerd-linux-{WORKERD}/bin/workerd")),
            )?,
            plugins: there(plugins.to_owned())?,
        })
    }
}

/// Part by part. What fails says why and leaves its rows out; the rest still runs.
pub(crate) fn measure(plugins: &Path, quick: bool, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
    let programs = Programs::find(plugins)?;
    let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
        Ok(found) => rows.extend(found),
        Err(error) => eprintln!("{what}: {error:#}"),
    };
    if parts.contains(&Part::Throughput) {
        eprintln!("requests a second, by turns");
        keep("throughput", throughput::rows(&programs, quick));
    }
    if parts.contains(&Part::Many) {
        eprintln!("1,000 routes to 1,000 plugins; memory and start");
        keep("many", many::rows(&programs, quick));
    }
    if parts.contains(&Part::Deploys) {
        eprintln!("deploying under load");
        keep("deploys", deploys::rows(&programs, quick));
    }
    Ok(())
}
