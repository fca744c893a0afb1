//! What is held of an account for a while and given back by dropping it: host memory, a slot for a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::Denial;

use super::Account;

/// Host memory held on a plugin's behalf; given back when it is dropped.
pub struct Hold {
    pub(super) account: Arc<Account>,
    pub(super) bytes: u64,
}

impl Hold {
    /// Holds more.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Denial> {
        self.account.charge(&self.account.held_bytes, bytes).map_err(|(limit, asked)| {
            let rule = format!("the host would hold {asked} bytes for it with its own memory, its limit is {limit}");
            self.account.beyond("E-LIMIT-PLUGIN-MEMORY", "plugin-memory-bytes", rule, asked)
        })?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.account.held_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A slot for an outgoing request; given back when it is dropped.
pub struct OpenRequest(pub(super) Arc<Account>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}
