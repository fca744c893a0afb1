//! Linking: a cached plugin, accepted with grants, once more in one runtime.
//!
//! Not here: compiling, which the first acceptance did. May be misread: one repetition is `offer` (its facts are cached too), `accept_only` (deciding
//! on every import, configuring each capability, a linker, pre-instantiating) and dropping the plugin; no instance is made.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::core::reach::Kind;
use plugwork::{Grants, Plugin, Runtime, Source};
use plugwork_capabilities::{Filesystem, Http};
use serde_json::{Map, Value, json};

use crate::languages::RUST;
use crate::measure::{Effort, Side, contest};
use crate::report::{Judge, Row};

/// One plugin and what it is granted.
struct Linking {
    runtime: Runtime,
    source: Source,
    grants: Grants,
}

impl Linking {
    async fn link(&self) -> Result<Plugin> {
        Ok(self.runtime.offer(&self.source).await?.accept_only(self.grants.clone()).await?)
    }
}

impl Side for Linking {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            self.link().await?;
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// Measures the rows of this part.
pub(super) async fn rows(plugins: &Path, state: &Path, quick: bool) -> Result<Vec<Row>> {
    let runtime = Runtime::builder(state).provide(Http::default()).provide(Filesystem::default()).open().await?;
    let root = state.join("files");
    std::fs::create_dir_all(&root)?;
    let grants = Grants::none()
        .with("http", bounds(json!({ "hosts": ["earthquake.usgs.gov"], "methods": ["GET"] }))?)
        .with("filesystem", bounds(json!({ "root": root, "access": "read" }))?);
    let source = Source::file(plugins.join("usgs-earthquakes.wasm"))?;
    let mut granted = Linking { runtime: runtime.clone(), source, grants };
    let mut plain = Linking { runtime, source: Source::file(RUST.component(plugins))?, grants: Grants::none() };

    let linked = |plugin: &Plugin| plugin.reach().iter().filter(|reach| reach.kind == Kind::Granted).count();
    ensure!(linked(&granted.link().await?) >= 2, "the plugin does not use both grants");
    ensure!(linked(&plain.link().await?) == 0, "the plain plugin uses a grant");
    let effort = Effort { batches: if quick { 11 } else { 101 }, times: 20 };
    let (granted, plain) = contest(effort, &mut granted, &mut plain).await?;
    Ok(vec![
        Row::value("link-granted", "µs", granted.times(1e-3)).against("plain", plain.times(1e-3), Judge::Value).target(150.0),
        Row::value("link-plain", "µs", plain.times(1e-3)),
    ])
}

fn bounds(value: Value) -> Result<Map<String, Value>> {
    value.as_object().cloned().context("bounds are an object")
}
