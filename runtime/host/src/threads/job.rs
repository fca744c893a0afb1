//! What a caller holds of a task on a guest thread, and what is kept around the task's future.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_task::FallibleTask;

use super::Shared;

/// A future that runs on guest threads: awaiting it gives the output, dropping it cancels.
///
/// A panic of the task is a panic of whoever awaits it. So is awaiting a task whose threads were stopped, which happens when the last
/// [`GuestThreads`](super::GuestThreads) is dropped before it is done: [`or_stopped`](Self::or_stopped) answers `None` instead.
#[must_use = "dropping it cancels the task: await it, or `detach` it"]
pub struct Job<T>(FallibleTask<T>);

impl<T> Job<T> {
    pub(super) fn new(task: async_task::Task<T>) -> Self {
        Self(task.fallible())
    }

    /// Lets the task run on without anybody who waits for it.
    pub fn detach(self) {
        self.0.detach();
    }

    /// Cancels, and waits until the future was dropped: what it held is free then. The output, if it was done before that.
    ///
    /// Cancels when first polled.
    pub async fn cancel(self) -> Option<T> {
        self.0.cancel().await
    }

    /// The output; `None` where the guest threads were stopped before it was done.
    pub async fn or_stopped(self) -> Option<T> {
        self.0.await
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Job<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let output = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(output.expect("the guest threads outlive who awaits their tasks; `or_stopped` is for who does not know"))
    }
}

/// A task's future: counted as alive until it is dropped, and dropped where a panic does no harm.
pub(super) struct Contained<F> {
    /// On the heap, so that it can be dropped from here without `unsafe`.
    future: Option<Pin<Box<F>>>,
    shared: Arc<Shared>,
    key: usize,
}

impl<F> Contained<F> {
    pub(super) fn new(future: Pin<Box<F>>, shared: Arc<Shared>, key: usize) -> Self {
        Self { future: Some(future), shared, key }
    }
}

impl<F: Future> Future for Contained<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.future.as_mut().expect("present until dropped").as_mut().poll(context)
    }
}

impl<F> Drop for Contained<F> {
    fn drop(&mut self) {
        self.shared.ended(self.key);
        let future = self.future.take();
        // A panic in a destructor would otherwise end the process: `async_task` has no other answer to it.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            forget_panic(panic);
        }
    }
}

/// The panic hook has told about it. Its payload may have a destructor that panics as well.
fn forget_panic(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
