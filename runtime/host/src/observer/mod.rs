//! Being seen from outside: a private Unix socket `run/PID.sock` in a state folder, on which a runtime answers `plugwork ps`, `top` and `logs`.
//!
//! Here is what an application opens and what the socket answers; the socket is in `serve`, the log records that it tells of in `ring`, the words in
//! `wire`. Easily got wrong: the socket can only tell. Nothing that changes a host is taken from it, so its protection (folder `0700`, socket `0600`,
//! the peer's user id checked) guards what plugins are called, say and do, not what they may.

mod ring;
mod serve;
mod wire;

use std::fmt;
use std::path::Path;
use std::sync::Weak;
use std::time::Instant;

use serde_json::json;

pub(crate) use ring::Ring;
pub use wire::{ANSWER_BYTES_MAX, FOLDER, Kept, Logs, PATIENCE, QUESTION_BYTES_MAX, Question, through};

use crate::error::Result;
use crate::runtime::{Runtime, Shared};
use serve::Serving;

/// Answers questions about a runtime for as long as it lives; dropped, it removes its socket and forgets the log records that it kept.
///
/// It keeps the runtime from nothing: where that is gone it answers that there is no plugin.
pub struct Observer {
    /// Ends first.
    _serving: Serving,
    runtime: Weak<Shared>,
}

impl Observer {
    /// Opens the socket in that state folder, which is made where it is missing. Whoever asks is shown this process as `name`: that of the application.
    ///
    /// Of each plugin the last 1,000 log records and 1 MiB are kept from here on, 64 MiB in all; further observers of this runtime, in other folders, tell
    /// of the same. An error of kind `Invalid` where the folder `run` is
    /// open to others, or where another runtime of this process answers there already; of kind `Io` where there can be no socket.
    ///
    /// ```no_run
    /// # async fn open(runtime: plugwork::Runtime) -> plugwork::Result<()> {
    /// let _observer = plugwork::Observer::open(&runtime, "/var/lib/shop", "shop")?; // `plugwork ps --state /var/lib/shop` shows it
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(runtime: &Runtime, state: impl AsRef<Path>, name: &str) -> Result<Self> {
        let outlet = &runtime.shared().outlet;
        let (theirs, records, name, began) = (runtime.downgrade(), outlet.keeps(), name.to_owned(), Instant::now());
        let give = move |question: &Question| match question {
            Question::Top => {
                let runtime = theirs.upgrade().map(Runtime::from);
                let (usage, status) = runtime.map(|runtime| (runtime.usage(), runtime.status())).unwrap_or_default();
                json!({
                    "pid": std::process::id(), "verb": name, "uptime_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "plugins": usage, "status": status,
                })
            }
            Question::Logs { after, package } => json!(records.after(*after, package.as_deref())),
        };
        let serving = serve::serve(state.as_ref(), &runtime.shared().io, give).inspect_err(|_| outlet.forgets())?;
        Ok(Self { _serving: serving, runtime: runtime.downgrade() })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(shared) = self.runtime.upgrade() {
            shared.outlet.forgets();
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
