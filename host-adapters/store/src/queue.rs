//! A thread that writes, and the queue before it: what many tasks ask at once becomes one commit.
//!
//! A thread of its own, because it signs, waits for locks and syncs files: none of that may stand on a thread that drives tasks. What a
//! reader may get wrong: a request whose asker has gone away is still carried out.

use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::error::{Result, StoreError, StoreErrorKind};

/// Requests that wait at most; more wait at the door.
const WAITING_MAX: usize = 1_024;
/// Requests that share one commit at most.
const BATCH_MAX: usize = 256;

/// Hands requests to the writing thread.
pub(crate) struct Queue<R>(Mutex<Option<mpsc::Sender<R>>>, Mutex<Option<oneshot::Receiver<()>>>);

impl<R: Send + 'static> Queue<R> {
    /// Starts the thread; `write` is given one batch after the other and answers each request itself.
    pub(crate) fn start<W>(name: &str, mut write: W) -> Result<Self>
    where
        W: AsyncFnMut(Vec<R>) + Send + 'static,
    {
        let (sender, mut receiver) = mpsc::channel(WAITING_MAX);
        let (ended, end) = oneshot::channel();
        let failed = |error: &std::io::Error| StoreError::io("(thread)".as_ref(), error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| failed(&error))?;
        let run = move || {
            runtime.block_on(async {
                let mut batch = Vec::new();
                while receiver.recv_many(&mut batch, BATCH_MAX).await > 0 {
                    write(std::mem::take(&mut batch)).await;
                }
                drop(write);
            });
            // Dropped unsent by a panic, which ends the wait as well.
            let _ = ended.send(());
        };
        thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| failed(&error))?;
        Ok(Self(Mutex::new(Some(sender)), Mutex::new(Some(end))))
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> R) -> Result<T> {
        let closed = || StoreError::new(StoreErrorKind::Closed);
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        sender.send(request(reply)).await.map_err(|_| closed())?;
        drop(sender);
        answer.await.map_err(|_| closed())?
    }

    /// Takes no more requests; resolves when those taken are done.
    pub(crate) async fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        let end = self.1.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(end) = end {
            // An error means that the thread is gone, which is what was waited for.
            let _ = end.await;
        }
    }
}
