//! What containment costs: linking with grants, limits that hold, requests and reads through grants, and how fast a plugin is stopped.
//!
//! Lives here: the order of the parts. Not here: the rows, each in its part's file. May be misread: `core` measures plugwork against nothing; this
//! measures what a limit or a grant adds, so some rivals are wasmtime with less switched on than is safe.

mod http;
mod keyvalue;
mod link;
mod loops;
mod metered;
mod server;
mod stop;

use std::path::Path;

use anyhow::Result;

use crate::benchmark::Part;
use crate::report::Row;

/// Part by part. What fails says why and leaves its rows out; the rest still runs.
pub(crate) async fn measure(plugins: &Path, quick: bool, parts: &[Part], rows: &mut Vec<Row>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut keep = |what: &str, outcome: Result<Vec<Row>>| match outcome {
        Ok(found) => rows.extend(found),
        Err(error) => eprintln!("{what}: {error:#}"),
    };
    if parts.contains(&Part::Link) {
        eprintln!("linking with grants");
        keep("link", link::rows(plugins, folder.path(), quick).await);
    }
    if parts.contains(&Part::Metered) {
        eprintln!("calls within limits, against raw wasmtime");
        keep("metered", metered::rows(quick).await);
    }
    if parts.contains(&Part::Loops) {
        eprintln!("loops within limits, against raw wasmtime");
        keep("loops", loops::rows(quick).await);
    }
    if parts.contains(&Part::Http) {
        eprintln!("http, against a native client");
        keep("http", http::rows(quick).await);
    }
    if parts.contains(&Part::Keyvalue) {
        eprintln!("reads of a key-value store in memory");
        keep("keyvalue", keyvalue::rows(quick).await);
    }
    if parts.contains(&Part::Stop) {
        eprintln!("the meter, and revocation");
        keep("stop", stop::rows(quick).await);
    }
    Ok(())
}
