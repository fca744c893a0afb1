//! What each kind of step does with the batches that reach it. One plugin instance a step; the host's side holds at most one batch.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use plugwork::Spend;
use plugwork_points::{Analyzer, Batch, Chart, DataSource, Exporter, Transformer, Visualization};

use super::channel::{Inlet, Outlet, Stopped};
use super::load::Loaded;
use super::output::Output;
use super::plan::Kind;
use super::progress::Meter;
use crate::exit::Failure;

/// Rows of an analyzer's table that the report shows.
const REPORT_ROWS_MAX: usize = crate::report::data::limits::TABLE_ROWS;

/// What a step did.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) rows_in: u64,
    pub(crate) rows_out: u64,
    pub(crate) batches: u64,
    pub(crate) wall_ms: f64,
    pub(crate) spend: Spend,
    pub(crate) output_bytes: Option<u64>,
    pub(crate) tables: Vec<Found>,
    pub(crate) charts: Vec<Chart>,
}

/// Bytes of batches that are kept of one table to be shown.
const SHOWN_BYTES_MAX: usize = 1 << 20;

/// A table that an analyzer handed out: its first batches, and how many rows it had in all.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) shown: Vec<Arc<Batch>>,
    /// Bytes of those.
    pub(crate) bytes: usize,
    pub(crate) rows: u64,
}

/// Why a step ended before its end.
pub(crate) enum Broken {
    /// A neighbour stopped first; not this step's doing.
    Stopped,
    /// The plugin, its options, or an output file.
    Failed(Failure),
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<plugwork::Error> for Broken {
    fn from(error: plugwork::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs a step to its end. What it did is told also when it broke.
pub(crate) async fn run(loaded: &Loaded, mut inlet: Inlet, outlet: Outlet, meter: &Meter, folder: &Path) -> (Done, Result<(), Broken>) {
    let started = Instant::now();
    let mut done = Done::default();
    let result = match loaded.step.kind {
        Kind::Source => source(loaded, outlet, meter, &mut done).await,
        Kind::Transformer => transformer(loaded, &mut inlet, outlet, meter, &mut done).await,
        Kind::Analyzer => analyzer(loaded, &mut inlet, outlet, meter, &mut done).await,
        Kind::Exporter => exporter(loaded, &mut inlet, meter, folder, &mut done).await,
        Kind::Chart => chart(loaded, &mut inlet, meter, &mut done).await,
    };
    done.wall_ms = started.elapsed().as_secs_f64() * 1000.0;
    (done, result)
}

/// Ends a handle: with the plugin's `shutdown` after a good run, without a further call after a bad one. Its spend counts either way.
macro_rules! settle {
    ($handle:ident, $done:ident, $flow:expr) => {{
        let flowed: Result<(), Broken> = async { $flow }.await;
        $done.spend = match &flowed {
            Ok(()) => $handle.end().await,
            Err(_) => $handle.spend(),
        };
        flowed
    }};
}

async fn source(loaded: &Loaded, outlet: Outlet, meter: &Meter, done: &mut Done) -> Result<(), Broken> {
    let mut cursor = DataSource::open(&loaded.plugin, &loaded.options).await?;
    settle!(cursor, done, {
        while let Some(batch) = cursor.next().await? {
            meter.count(batch.rows());
            done.rows_out += u64::from(batch.rows());
            done.batches += 1;
            outlet.send(None, &Arc::new(batch)).await?;
        }
        Ok(outlet.end().await?)
    })
}

async fn transformer(loaded: &Loaded, inlet: &mut Inlet, outlet: Outlet, meter: &Meter, done: &mut Done) -> Result<(), Broken> {
    let mut transformation = Transformer::start(&loaded.plugin, &loaded.options).await?;
    settle!(transformation, done, {
        while let Some((_, batch)) = inlet.next().await? {
            done.take(&batch, meter);
            let batch = transformation.apply(&batch).await?;
            done.rows_out += u64::from(batch.rows());
            outlet.send(None, &Arc::new(batch)).await?;
        }
        Ok(outlet.end().await?)
    })
}

async fn analyzer(loaded: &Loaded, inlet: &mut Inlet, outlet: Outlet, meter: &Meter, done: &mut Done) -> Result<(), Broken> {
    let mut analysis = Analyzer::start(&loaded.plugin, &loaded.options).await?;
    settle!(analysis, done, {
        while let Some((_, batch)) = inlet.next().await? {
            done.take(&batch, meter);
            analysis.push(&batch).await?;
        }
        while let Some(finding) = analysis.next().await? {
            let batch = Arc::new(finding.batch);
            done.rows_out += u64::from(batch.rows());
            outlet.send(Some(&finding.table), &batch).await?;
            done.find(finding.table, batch);
        }
        check_tables(&outlet, done)?;
        Ok(outlet.end().await?)
    })
}

/// Whether every table that somebody waits for was handed out.
fn check_tables(outlet: &Outlet, done: &Done) -> Result<(), Failure> {
    for consumer in &outlet.0 {
        let wanted = consumer.table.as_deref().unwrap_or_default();
        if !done.tables.iter().any(|found| found.name == wanted) {
            let has: Vec<_> = done.tables.iter().map(|found| format!("`{}`", found.name)).collect();
            let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
            return Err(Failure::usage(format_args!("it handed out no table `{wanted}`; it has {has}")));
        }
    }
    Ok(())
}

async fn exporter(loaded: &Loaded, inlet: &mut Inlet, meter: &Meter, folder: &Path, done: &mut Done) -> Result<(), Broken> {
    let name = loaded.step.raw.file.as_deref().unwrap_or_default();
    let mut output = Output::create(folder, name)?;
    let mut writer = Exporter::start(&loaded.plugin, &loaded.options).await?;
    settle!(writer, done, {
        while let Some((_, batch)) = inlet.next().await? {
            done.take(&batch, meter);
            output.write(&writer.push(&batch).await?)?;
        }
        output.write(&writer.finish().await?)?;
        done.output_bytes = Some(output.finish()?);
        Ok(())
    })
}

async fn chart(loaded: &Loaded, inlet: &mut Inlet, meter: &Meter, done: &mut Done) -> Result<(), Broken> {
    let mut drawing = Visualization::start(&loaded.plugin, &loaded.options).await?;
    settle!(drawing, done, {
        while let Some((input, batch)) = inlet.next().await? {
            done.take(&batch, meter);
            let table = loaded.step.inputs.get(input).map_or("", |input| input.name.as_str());
            drawing.push(table, &batch).await?;
        }
        done.charts = drawing.finish().await?;
        Ok(())
    })
}

impl Done {
    fn take(&mut self, batch: &Batch, meter: &Meter) {
        meter.count(batch.rows());
        self.rows_in += u64::from(batch.rows());
        self.batches += 1;
    }

    fn find(&mut self, name: String, batch: Arc<Batch>) {
        let position = self.tables.iter().position(|found| found.name == name);
        let index = position.unwrap_or_else(|| {
            self.tables.push(Found { name, shown: Vec::new(), bytes: 0, rows: 0 });
            self.tables.len() - 1
        });
        let found = &mut self.tables[index];
        // Bounded in bytes as well: batches of one row each may have a mebibyte, and those of none would never fill the table.
        if batch.rows() > 0 && found.rows < REPORT_ROWS_MAX as u64 && found.bytes < SHOWN_BYTES_MAX {
            found.bytes += batch.bytes();
            found.shown.push(batch.clone());
        }
        found.rows += u64::from(batch.rows());
    }
}
