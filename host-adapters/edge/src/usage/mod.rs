//! Metering: what each plugin used, measured every few seconds, kept every minute and when the server stops.
//!
//! What was not kept yet is lost with the process: at most the last minute. Easily got wrong: a plugin that a deployment replaces is entered once more when it
//! ends, so nothing of it is lost between two looks; what a call does after its answer was sent whole may be.

mod books;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugwork_core::metering::{HOUR_MS, UsageLedger};
use plugwork_core::record::RecordsError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use books::{Books, Reading};

use crate::mount::Mount;
use crate::node::Node;

/// Between two looks at what plugins hold and have spent.
const LOOK: Duration = Duration::from_secs(5);
/// Between two times that it is kept.
const KEEP: Duration = Duration::from_secs(60);

/// Meters the plugins of a node until it is stopped. Dropped, it ends without keeping what came last.
pub struct Metering {
    node: Node,
    ledger: Arc<dyn UsageLedger>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Metering {
    /// Begins. What plugins that run already have used so far is entered too, under this hour.
    pub fn start(node: &Node, ledger: Arc<dyn UsageLedger>) -> Self {
        node.books().begin();
        look(node);
        let (stop, mut stopping) = oneshot::channel();
        let (measured, kept) = (node.clone(), ledger.clone());
        let running = tokio::spawn(async move {
            let mut last = Instant::now();
            loop {
                tokio::select! {
                    _ = &mut stopping => return,
                    () = tokio::time::sleep(LOOK) => look(&measured),
                }
                if last.elapsed() >= KEEP {
                    last = Instant::now();
                    // What could not be kept is kept with the next: the disk may have room again.
                    drop(keep(&measured, &*kept).await);
                }
            }
        });
        Self { node: node.clone(), ledger, stop: Some(stop), running }
    }

    /// Measures and keeps everything now.
    ///
    /// # Errors
    /// It cannot be kept; it is not lost, and is tried again with the next.
    pub async fn keep(&self) -> Result<(), RecordsError> {
        look(&self.node);
        keep(&self.node, &*self.ledger).await
    }

    /// Ends it, and keeps what came last. To be called before the runtime is closed.
    ///
    /// # Errors
    /// It cannot be kept, and is lost.
    pub async fn stop(mut self) -> Result<(), RecordsError> {
        // Never in the middle of keeping: what is under way comes to its end.
        drop(self.stop.take());
        drop((&mut self.running).await);
        self.keep().await
    }
}

async fn keep(node: &Node, ledger: &dyn UsageLedger) -> Result<(), RecordsError> {
    let rows = node.books().take();
    if rows.is_empty() {
        return Ok(());
    }
    let kept = ledger.add_usage(rows.clone()).await;
    if kept.is_err() {
        node.books().put_back(rows);
    }
    kept
}

/// Reads every plugin that is served.
fn look(node: &Node) {
    let readings: Vec<Reading> = node.used().each().map(|used| Reading::new(used.mount, used.usage)).collect();
    node.books().enter(hour(), Instant::now().into_std(), &readings);
}

/// Reads a plugin that ends now. `goes_on`: another one is served under its name, whose amounts are entered with those of this one.
pub(crate) fn last_look(node: &Node, mount: &Mount, goes_on: bool) {
    let used = node.metrics().totals.last_look(node, mount, goes_on);
    let reading: Vec<Reading> = used.of(mount).map(|usage| Reading::new(mount, usage)).into_iter().collect();
    node.books().enter(hour(), Instant::now().into_std(), &reading);
    if !goes_on {
        node.books().close(&mount.key.tenant, &mount.label);
    }
}

fn hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64 / HOUR_MS)
}
