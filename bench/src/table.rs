//! The real table: 200,000 flights of the npm package `vega-datasets`, as batches of 8,192 rows.
//!
//! Lives here: reading them, before any clock runs, and the native view of a batch. Not here: what is computed. May be misread: the column
//! `period` is not in the file; it is made of `time`, as a transformer in a pipeline would make it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use group_stats::Column as NativeColumn;
use plugwork_points::{Batch, Column};
use serde::Deserialize;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

#[derive(Clone, Copy, Deserialize)]
struct Flight {
    delay: i64,
    distance: i64,
    time: f64,
}

/// In which order the rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// As in the file: by time of day.
    Filed,
    /// The same rows, each hour's spread over the whole table.
    Mixed,
}

/// Reads the file and packs its rows, `repeats` times over. Column `period` numbers the spans of so many hours that a day is cut into.
pub(crate) fn flights(path: &Path, period_hours: u32, order: Order, repeats: usize) -> Result<Vec<Batch>> {
    let missing = || format!("cannot read `{}`; run `npm ci` in `examples/data`", path.display());
    let text = std::fs::read_to_string(path).with_context(missing)?;
    let mut flights: Vec<Flight> = serde_json::from_str(&text).with_context(|| format!("`{}` is not a list of flights", path.display()))?;
    ensure!(flights.len() == 200_000, "`{}` has {} flights, not 200,000", path.display(), flights.len());
    if order == Order::Mixed {
        // A step that has no factor in common with the length visits every row once.
        flights = (0..flights.len()).map(|row| flights[row * 77_777 % flights.len()]).collect();
    }
    // Repeated before it is cut, so that only the last batch is a short one.
    flights.repeat(repeats).chunks(BATCH_ROWS).map(|flights| pack(flights, f64::from(period_hours))).collect()
}

fn pack(flights: &[Flight], period_hours: f64) -> Result<Batch> {
    let column = |name: &str, format: &str, values: Vec<u8>| Column {
        name: name.to_owned(),
        format: format.to_owned(),
        validity: None,
        offsets: None,
        values,
    };
    let columns = vec![
        column("delay", "l", flights.iter().flat_map(|flight| flight.delay.to_le_bytes()).collect()),
        column("distance", "l", flights.iter().flat_map(|flight| flight.distance.to_le_bytes()).collect()),
        column("time", "g", flights.iter().flat_map(|flight| flight.time.to_le_bytes()).collect()),
        column("period", "i", flights.iter().flat_map(|flight| ((flight.time / period_hours) as i32).to_le_bytes()).collect()),
    ];
    Batch::new(u32::try_from(flights.len())?, columns).map_err(|issue| anyhow::anyhow!("{issue}"))
}

/// The same buffers as the native library takes them.
pub(crate) fn native(batch: &Batch) -> Vec<NativeColumn<'_>> {
    batch.columns().iter().map(native_column).collect()
}

fn native_column(column: &Column) -> NativeColumn<'_> {
    let Column { name, format, validity, offsets, values } = column;
    NativeColumn { name, format, validity: validity.as_deref(), offsets: offsets.as_deref(), values }
}
