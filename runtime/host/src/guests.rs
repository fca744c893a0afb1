//! Guest threads: where guests run, apart from the threads that do I/O, so that a busy plugin does not delay a socket.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// A small set of OS threads for guest calls. Dropping it stops them without waiting for guests.
pub struct GuestThreads(Option<Runtime>);

impl GuestThreads {
    /// Starts `threads` threads (at least one). `None`: as many as there are processors.
    pub fn start(threads: Option<usize>) -> Result<Self> {
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
        Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("plugwork-guest")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(|error| Error::io("cannot start guest threads", &error))
    }

    /// Runs a future on a guest thread. Aborting the handle drops the future, which ends a guest call as cancelled.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().expect("present until dropped").spawn(future)
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Not a plain drop: that would wait for guests, and panic inside an async context.
            runtime.shutdown_background();
        }
    }
}
