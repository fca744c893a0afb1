//! Draining: closing a gate and waiting until the last who is in has left, or for as long as the host has patience.
//!
//! Not here: what is behind the gate; a generation has one, and so has a native plugin. Easily got wrong: listening comes first and closing second,
//! because the last may leave between the two.

use std::time::Duration;

use tokio::sync::Notify;

use crate::gate::Gate;

/// Lets nobody in any more and waits for those who are; false where some are left. `told` is notified by the last who leaves.
pub(crate) async fn drain(gate: &Gate, told: &Notify, patience: Duration) -> bool {
    let mut last = std::pin::pin!(told.notified());
    last.as_mut().enable();
    gate.close();
    gate.closed_and_empty() || tokio::time::timeout(patience, last).await.is_ok()
}
