//! 100,000 plugins on record, of which 1,000 are enabled: how long a host takes to start, and what it holds.
//!
//! May be misread: a start loads what was used last (256 by default) and no more; then each of the 1,000 is called, so that what the process holds is what
//! it holds with all of them loaded.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::Preload;
use plugwork::core::Digest;
use serde::{Deserialize, Serialize};

use super::host::{self, Holds};
use super::plugins::{addend, key, name};
use super::prepare::{Ready, record};
use super::{INSTANCES, child};
use crate::calls::Add;
use crate::measure::Summary;
use crate::report::Row;

/// On record.
const INSTALLED: u32 = 100_000;
/// Enabled, and called.
pub(super) const ENABLED: u32 = 1_000;
/// Loaded at the start.
const LIKELY: usize = 256;

/// What the child says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Installed {
    started_ms: f64,
    all_called_ms: f64,
    holds: Holds,
}

/// The child.
pub(super) async fn run(state: &Path, records: &Path, began: Instant) -> Result<Installed> {
    let host = host::start(state, records, INSTANCES, Preload::Likely(LIKELY), began).await?;
    ensure!(host.active == ENABLED as usize, "{} plugins are active instead of {ENABLED}", host.active);
    let runtime = host.runtime.clone();
    let calling = async move {
        for number in 0..ENABLED {
            let installation = runtime.installation(&key(number)?).context("it is on record")?;
            let answer = installation.call::<Add>(&1).await?;
            ensure!(answer == 1 + addend(number), "plugin {number} gave another plugin's answer");
        }
        let all_called_ms = began.elapsed().as_secs_f64() * 1e3;
        ensure!(runtime.installations().len() == INSTALLED as usize, "not all are installed");
        anyhow::Ok((all_called_ms, host::holds(&runtime)?))
    };
    let (all_called_ms, holds) = host.runtime.guest_threads().spawn(calling).await?;
    ensure!(holds.loaded == u64::from(ENABLED), "{} plugins are loaded instead of {ENABLED}", holds.loaded);
    // Writes down what was used, for the next start.
    host.runtime.close().await?;
    Ok(Installed { started_ms: host.started_ms, all_called_ms, holds })
}

/// Measures the rows of this part.
pub(super) async fn rows(folder: &Path, plugins: &[Ready], quick: bool) -> Result<Vec<Row>> {
    let (state, records) = (folder.join("state"), folder.join("records-installed"));
    if !records.exists() {
        let settings = plugins.first().context("there are plugins")?.settings.clone();
        let mut all = plugins[..ENABLED as usize].to_vec();
        for number in ENABLED..INSTALLED {
            // No file has this digest: it is not called, so nobody asks for it.
            let mut subject = plugins[0].subject.clone();
            subject.package = name(number).parse()?;
            subject.digest = Digest::of(name(number).as_bytes());
            all.push(Ready { subject, settings: settings.clone() });
        }
        record(&records, &all, ENABLED as usize, &plugwork::Grants::none()).await?;
    }
    eprintln!("{INSTALLED} plugins on record, {ENABLED} of them enabled");
    // The first does not count: afterwards it is known which were used last.
    child::<Installed>("installed", &state, &records, ENABLED, 1)?;
    let mut said = Vec::new();
    for _ in 0..if quick { 1 } else { 7 } {
        let answer: Installed = child("installed", &state, &records, ENABLED, 1)?;
        eprintln!("  {answer:?}");
        said.push(answer);
    }
    let of = |value: fn(&Installed) -> f64| Summary::of(said.iter().map(value).collect());
    Ok(vec![
        Row::value("installed-100000-start", "s", of(|said| said.started_ms * 1e-3)).target(3.0),
        Row::value("installed-100000-called", "s", of(|said| said.all_called_ms * 1e-3)),
        Row::value("installed-100000-memory", "MiB", of(|said| said.holds.resident_mib)).target(1024.0),
    ])
}
