//! What is happening, while it happens: counters that the steps turn, and a task that shows them.
//!
//! On a terminal one line is redrawn; elsewhere a plain line appears when a step ends and every five seconds in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::print;

/// One step's counters.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) rows: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) done: AtomicBool,
}

impl Meter {
    pub(crate) fn count(&self, rows: u32) {
        self.rows.fetch_add(u64::from(rows), Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }
}

/// Shows the meters until it is aborted.
pub(crate) async fn show(meters: Vec<(String, Arc<Meter>)>) {
    let started = Instant::now();
    let terminal = print::stderr_is_terminal();
    let period = if terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
    loop {
        tokio::time::sleep(period).await;
        let seconds = started.elapsed().as_secs_f64();
        if terminal {
            print::progress(line(&meters, seconds));
        } else {
            print::narrate(line(&meters, seconds));
        }
    }
}

fn line(meters: &[(String, Arc<Meter>)], seconds: f64) -> String {
    let busy = meters.iter().filter(|(_, meter)| !meter.done.load(Ordering::Relaxed)).map(|(name, meter)| {
        let rows = meter.rows.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = rows as f64 / seconds.max(0.001);
        format!("{name}: {rows} rows, {} batches, {rate:.0} rows/s", meter.batches.load(Ordering::Relaxed))
    });
    let parts: Vec<_> = busy.collect();
    format!("[{seconds:.0} s] {}", if parts.is_empty() { "finishing".to_owned() } else { parts.join(" | ") })
}
