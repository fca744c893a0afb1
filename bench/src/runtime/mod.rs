//! What the living runtime costs: calls through a point in warm and in fresh instances, native plugins, starts and reloads, beside raw wasmtime and the
//! rivals of `bench/rivals`.
//!
//! Lives here: the order of the parts, and what each of them runs on. Not here: the rows, each in its part's file. May be misread: the plugins have no share
//! of the processor and no rate of host calls, because a benchmark spends a whole core on one plugin and would be made to wait for its share.

mod points;
mod reload;
mod rivals;
pub(crate) mod start_many;

use anyhow::Result;
use plugwork::Limits;

use crate::benchmark::Part;
use crate::report::Row;

/// `interactive` without the two buckets that a benchmark empties at once. Everything else is in force.
pub(crate) const LIMITS: Limits = Limits { cpu_percent: None, host_calls_per_second: None, ..Limits::interactive() };

/// Part by part. What fails says why and leaves its rows out; the rest still runs.
pub(crate) async fn measure(quick: bool, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
    let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
        Ok(found) => rows.extend(found),
        Err(error) => eprintln!("{what}: {error:#}"),
    };
    if parts.contains(&Part::Points) {
        eprintln!("calls through a point, against raw wasmtime and the rivals");
        keep("points", points::rows(quick).await);
    }
    if parts.contains(&Part::StartMany) {
        eprintln!("the start of a host with 500 plugins");
        keep("start", start_many::rows(quick).await);
    }
    if parts.contains(&Part::Reload) {
        eprintln!("calls while their plugin is replaced");
        keep("reload", reload::rows(quick).await);
    }
    Ok(())
}
