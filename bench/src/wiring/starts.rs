//! Plugins that build on each other: from an opened folder to the first answer, their code in the cache.
//!
//! May be misread: the watch runs from before the runtime is opened in this process until the first call has an answer; a new process is in `core`'s `first-call`. Every plugin is read,
//! checked, compiled from the cache, wired and linked; only those that the first call reaches are instantiated.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use plugwork::dynamic::Argument;
use plugwork::{Plugin, Runtime, Source};

use super::guests;
use crate::measure::Summary;
use crate::report::Row;

/// Plugins of the large graph, in layers: one more in a chain than may call each other would be refused.
const PLUGINS: usize = 500;
const LAYERS: usize = 8;

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    // One that needs five, none of which needs anybody.
    let five: Vec<Vec<usize>> = (0..5).map(|_| Vec::new()).chain([(0..5).collect()]).collect();
    // Each needs up to three of the layer below.
    let wide = PLUGINS / LAYERS;
    let graph: Vec<Vec<usize>> = (0..PLUGINS)
        .map(|number| match number.checked_sub(wide) {
            None => Vec::new(),
            Some(_) if number / wide >= LAYERS => vec![number % wide],
            Some(below) => {
                let layer = below / wide * wide;
                (0..3).map(|step| layer + (below + step * 7) % wide).collect()
            }
        })
        .collect();
    let rounds = if quick { 3 } else { 15 };
    let five = started(&five, rounds).await?;
    let graph = started(&graph, rounds.min(7)).await?;
    Ok(vec![Row::value("start-five", "ms", five.times(1e3)).target(20.0), Row::value("start-wired-500", "s", graph).target(3.0)])
}

/// Starts them all, again and again; the first time fills the cache and does not count. Seconds.
async fn started(needs: &[Vec<usize>], rounds: usize) -> Result<Summary> {
    let sources = needs.iter().enumerate().map(|(number, others)| guests::layered(number, others)).collect::<Result<Vec<_>>>()?;
    let folder = tempfile::tempdir()?;
    let mut took = Vec::new();
    for round in 0..=rounds {
        let began = Instant::now();
        start(folder.path(), needs, &sources).await?;
        if round > 0 {
            took.push(began.elapsed().as_secs_f64());
        }
    }
    Ok(Summary::of(took))
}

async fn start(state: &Path, needs: &[Vec<usize>], sources: &[Source]) -> Result<()> {
    let runtime = Runtime::builder(state).open().await?;
    let mut plugins: Vec<Plugin> = Vec::with_capacity(needs.len());
    // They are numbered so that each comes after those that it needs.
    for (others, source) in needs.iter().zip(sources) {
        let offer = runtime.offer(source).await?;
        plugins.push(others.iter().fold(offer, |offer, other| offer.wire(&plugins[*other])).accept().await?);
    }
    let last = plugins.last().expect("at least one plugin");
    let answer = last.call_dynamic(&last.function("add")?, &[Argument::Wave("0".to_owned())]).await?.to_wave()?;
    ensure!(answer.parse::<u32>().is_ok_and(|answer| answer > 0), "the last plugin answers {answer}");
    runtime.close().await?;
    Ok(())
}
