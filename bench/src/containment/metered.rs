//! What limits cost a call: the preset `interactive` with everything it meters, against raw wasmtime, which meters nothing.
//!
//! Not here: the rival (`raw.rs`) and our side (`calls.rs`). May be misread: the preset allows half a core, and a session that waited for its share
//! would be timed asleep; that it did not is checked, from the plugin's own account.

use std::sync::Arc;

use anyhow::{Result, ensure};
use plugwork::core::record::{Key, Memory};
use plugwork::{GuestThreads, Limits, Plugin, Runtime, Source, Usage};

use crate::calls::{ALLOCATION, Warm};
use crate::guests;
use crate::measure::{Effort, Summary, contest};
use crate::raw::{Interruption, Raw};
use crate::report::{Judge, Row};

/// Calls in a batch.
const TIMES: u32 = 2_000;

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let guest = guests::calls()?;
    let builder = || Runtime::in_memory().allocation(ALLOCATION).limits(Limits::interactive());
    let metered = builder().open().await?;
    // No secret: this chain ends with the process.
    let recorded = builder().records(Arc::new(Memory::new(Key::from_bytes(&[7; 32])))).open().await?;
    let effort = Effort { batches: if quick { 31 } else { 301 }, times: TIMES };
    let mut rows = Vec::new();
    for (name, runtime) in [("call-metered", metered), ("call-recorded", recorded)] {
        let plugin = runtime.offer(&Source::bytes(guest.clone())).await?.accept().await?;
        let raw = Raw::start(&guest, Interruption::Epochs)?;
        let threads = GuestThreads::start(Some(1))?;
        let (ours, rival) = threads.spawn(against_raw(plugin.clone(), raw, effort)).await?;
        check(&runtime.usage(), (effort.batches as u64 + 1) * u64::from(TIMES))?;
        let row = Row::value(name, "ns", ours).against("raw", rival, Judge::More);
        rows.push(if name == "call-metered" { row.target(120.0) } else { row });
    }
    Ok(rows)
}

async fn against_raw(plugin: Plugin, raw: Raw, effort: Effort) -> Result<(Summary, Summary)> {
    let mut ours = Warm(plugin.session().await?);
    ensure!(ours.0.call_input(&41).await? == 42, "the guest cannot add");
    contest(effort, &mut ours, &mut raw.warm().await?).await
}

/// Whether all of it was metered and none of it was slept.
fn check(usage: &[Usage], calls: u64) -> Result<()> {
    let [usage] = usage else { anyhow::bail!("{} accounts instead of one", usage.len()) };
    ensure!(usage.limits == Limits::interactive(), "other limits were in force");
    ensure!(usage.calls >= calls && usage.cpu_ms > 0, "not metered: {} of {calls} calls, {} ms", usage.calls, usage.cpu_ms);
    ensure!(usage.cpu_waited_ms == 0, "{} ms were slept, waiting for the plugin's share of the processor", usage.cpu_waited_ms);
    Ok(())
}
