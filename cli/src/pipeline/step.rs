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

/// A table that an analyzer handed out: its first batches, and how many rows it had in all.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) shown: Vec<Arc<Batch>>,
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

/// Runs a step to its end.
pub(crate) async fn run(loaded: &Loaded, mut inlet: Inlet, outlet: Outlet, meter: &Meter, folder: &Path) -> Result<Done, Broken> {
    let started = Instant::now();
    let mut done = match loaded.step.kind {
        Kind::Source => source(loaded, outlet, meter).await,
        Kind::Transformer => transformer(loaded, &mut inlet, outlet, meter).await,
        Kind::Analyzer => analyzer(loaded, &mut inlet, outlet, meter).await,
        Kind::Exporter => exporter(loaded, &mut inlet, meter, folder).await,
        Kind::Chart => chart(loaded, &mut inlet, meter).await,
    }?;
    done.wall_ms = started.elapsed().as_secs_f64() * 1000.0;
    Ok(done)
}

async fn source(loaded: &Loaded, outlet: Outlet, meter: &Meter) -> Result<Done, Broken> {
    let mut done = Done::default();
    let mut cursor = DataSource::open(&loaded.plugin, &loaded.options).await?;
    while let Some(batch) = cursor.next().await? {
        meter.count(batch.rows());
        done.rows_out += u64::from(batch.rows());
        done.batches += 1;
        outlet.send(None, &Arc::new(batch)).await?;
    }
    outlet.end().await?;
    Ok(Done { spend: cursor.end().await, ..done })
}

async fn transformer(loaded: &Loaded, inlet: &mut Inlet, outlet: Outlet, meter: &Meter) -> Result<Done, Broken> {
    let mut done = Done::default();
    let mut transformation = Transformer::start(&loaded.plugin, &loaded.options).await?;
    while let Some((_, batch)) = inlet.next().await? {
        done.take(&batch, meter);
        let batch = transformation.apply(&batch).await?;
        done.rows_out += u64::from(batch.rows());
        outlet.send(None, &Arc::new(batch)).await?;
    }
    outlet.end().await?;
    Ok(Done { spend: transformation.end().await, ..done })
}

async fn analyzer(loaded: &Loaded, inlet: &mut Inlet, outlet: Outlet, meter: &Meter) -> Result<Done, Broken> {
    let mut done = Done::default();
    let mut analysis = Analyzer::start(&loaded.plugin, &loaded.options).await?;
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
    for consumer in &outlet.0 {
        let wanted = consumer.table.as_deref().unwrap_or_default();
        if !done.tables.iter().any(|found| found.name == wanted) {
            let has: Vec<_> = done.tables.iter().map(|found| format!("`{}`", found.name)).collect();
            let message =
                format!("it handed out no table `{wanted}`; it has {}", if has.is_empty() { "none".to_owned() } else { has.join(", ") });
            return Err(Failure::usage(message).into());
        }
    }
    outlet.end().await?;
    Ok(Done { spend: analysis.end().await, ..done })
}

async fn exporter(loaded: &Loaded, inlet: &mut Inlet, meter: &Meter, folder: &Path) -> Result<Done, Broken> {
    let mut done = Done::default();
    let name = loaded.step.raw.file.as_deref().unwrap_or_default();
    let mut output = Output::create(folder, name)?;
    let mut writer = Exporter::start(&loaded.plugin, &loaded.options).await?;
    while let Some((_, batch)) = inlet.next().await? {
        done.take(&batch, meter);
        output.write(&writer.push(&batch).await?)?;
    }
    output.write(&writer.finish().await?)?;
    done.output_bytes = Some(output.finish()?);
    Ok(Done { spend: writer.end().await, ..done })
}

async fn chart(loaded: &Loaded, inlet: &mut Inlet, meter: &Meter) -> Result<Done, Broken> {
    let mut done = Done::default();
    let mut drawing = Visualization::start(&loaded.plugin, &loaded.options).await?;
    while let Some((input, batch)) = inlet.next().await? {
        done.take(&batch, meter);
        let table = loaded.step.inputs.get(input).map_or("", |input| input.name.as_str());
        drawing.push(table, &batch).await?;
    }
    done.charts = drawing.finish().await?;
    Ok(Done { spend: drawing.end().await, ..done })
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
            self.tables.push(Found { name, shown: Vec::new(), rows: 0 });
            self.tables.len() - 1
        });
        let found = &mut self.tables[index];
        if found.rows < REPORT_ROWS_MAX as u64 {
            found.shown.push(batch.clone());
        }
        found.rows += u64::from(batch.rows());
    }
}
