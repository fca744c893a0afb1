//! The start of a host with 500 plugins whose code is in the cache: a new process, until every one of them has an instance that said that it is well.
//!
//! Not here: the host, what it finds, and the plugins (`density`). May be misread: the watch runs from `main`, so starting the process itself is not in it.
//! The plugins have a lifecycle and about 50 kB, of which most is data; loading one with more code takes longer by what its code takes to be checked.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use plugwork::{Grants, Preload};
use serde::{Deserialize, Serialize};

use crate::density::host::{self, Holds};
use crate::density::{child, plugins, prepare};
use crate::measure::Summary;
use crate::report::Row;

const PLUGINS: u32 = 500;
/// Slots of its pool.
const INSTANCES: u32 = 1_000;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartedMany {
    started_ms: f64,
    holds: Holds,
}

/// The child.
pub(crate) async fn run(state: &Path, records: &Path, plugins: u32, began: Instant) -> Result<StartedMany> {
    let host = host::start(state, records, INSTANCES, Preload::All, began).await?;
    ensure!(host.active == plugins as usize, "{} plugins are active instead of {plugins}", host.active);
    let holds = host::holds(&host.runtime)?;
    ensure!(holds.loaded == u64::from(plugins), "{} plugins are loaded instead of {plugins}", holds.loaded);
    host.runtime.close().await?;
    Ok(StartedMany { started_ms: host.started_ms, holds })
}

/// Measures the row of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let (state, records) = (folder.path().join("state"), folder.path().join("records"));
    let template = plugins::Template::with_lifecycle()?;
    let named = move |number| template.plugin(number, &plugins::name(number), "1.0.0");
    let ready = prepare::compile(&state, PLUGINS, named).await?;
    prepare::record(&records, &ready, ready.len(), &Grants::none()).await?;
    let mut took_s = Vec::new();
    // The first does not count.
    for round in 0..if quick { 3 } else { 12 } {
        let said: StartedMany = child("start-many", &state, &records, PLUGINS, 1)?;
        eprintln!("  {said:?}");
        if round > 0 {
            took_s.push(said.started_ms * 1e-3);
        }
    }
    Ok(vec![Row::value("start-500", "s", Summary::of(took_s)).target(2.0)])
}
