//! What a caller holds of a task on a guest thread, and what is kept around the task's future.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_task::{FallibleTask, Runnable};

use super::Shared;
use super::queue::{Ticket, Waiting};

/// A future that runs on guest threads: awaiting it gives the output, dropping it cancels.
///
/// A panic of the task is a panic of whoever awaits it. So is awaiting a task whose threads were stopped, which happens when the last
/// [`GuestThreads`](super::GuestThreads) is dropped before it is done: [`or_stopped`](Self::or_stopped) answers `None` instead.
#[must_use = "dropping it cancels the task: await it, or `detach` it"]
pub struct Job<T> {
    /// Before the task: a call that has not begun is dropped by leaving its lane, and not by and by when its turn comes.
    in_lane: Option<InLane>,
    task: Stands<T>,
}

/// How far it is.
enum Stands<T> {
    Runs(FallibleTask<T>),
    /// In place already. None once its output was taken.
    Done(Option<T>),
}

/// Where a call waits for its first turn.
pub(super) struct InLane {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Waiting<Runnable>>,
    /// None once there is nothing to leave.
    pub(super) ticket: Option<Ticket>,
}

impl InLane {
    fn leave(&mut self) -> bool {
        self.ticket.take().is_some_and(|ticket| self.shared.leave(&self.lane, ticket))
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> Job<T> {
    pub(super) fn new(task: async_task::Task<T>, in_lane: Option<InLane>) -> Self {
        Self { in_lane, task: Stands::Runs(task.fallible()) }
    }

    /// One that came to its end where it was begun.
    pub(super) fn done(output: T) -> Self {
        Self { in_lane: None, task: Stands::Done(Some(output)) }
    }

    /// Lets the task run on without anybody who waits for it.
    pub fn detach(mut self) {
        self.stay();
        if let Stands::Runs(task) = self.task {
            task.detach();
        }
    }

    /// Leaves its lane no more.
    fn stay(&mut self) {
        if let Some(in_lane) = &mut self.in_lane {
            in_lane.ticket = None;
        }
    }

    /// Cancels, and waits until the future was dropped: what it held is free then. The output, if it was done before that.
    ///
    /// Cancels when first polled.
    pub async fn cancel(self) -> Option<T> {
        drop(self.in_lane);
        match self.task {
            Stands::Runs(task) => task.cancel().await,
            Stands::Done(output) => output,
        }
    }

    /// The output; `None` where the guest threads were stopped before it was done.
    pub async fn or_stopped(mut self) -> Option<T> {
        let output = poll_fn(|context| self.task.poll(context)).await;
        self.stay();
        output
    }

    /// Takes a call out of its lane that still waits there for its first turn: it never begins then, and there is nothing to wait for. False where it
    /// has begun, and for what is no call.
    pub fn leave(&mut self) -> bool {
        self.in_lane.as_mut().is_some_and(InLane::leave)
    }

    /// Whether there is nothing to wait for any more.
    pub fn is_finished(&self) -> bool {
        match &self.task {
            Stands::Runs(task) => task.is_finished(),
            Stands::Done(_) => true,
        }
    }
}

impl<T> Stands<T> {
    /// None where its threads were stopped before it was done.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        match self {
            Self::Runs(task) => Pin::new(task).poll(context),
            Self::Done(output) => Poll::Ready(output.take()),
        }
    }
}

/// Its output lies in it as a value: nothing points there.
impl<T> Unpin for Job<T> {}

impl<T> Future for Job<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let output = ready!(self.task.poll(context));
        self.stay();
        Poll::Ready(output.expect("the guest threads outlive who awaits their tasks; `or_stopped` is for who does not know"))
    }
}

/// A call that was put in its plugin's lane.
pub(crate) struct Submitted<T> {
    /// None where it came too late to a thread to begin.
    pub(super) job: Job<Option<T>>,
    pub(super) submitted: Instant,
    pub(super) within: Duration,
}

/// A call's time was over before it began. It never will.
#[derive(Debug)]
pub(crate) struct Late {
    /// How long it waited.
    pub(crate) waited: Duration,
}

impl<T> Submitted<T> {
    /// The task alone, for who keeps it in hand: none where its time was over before its turn came, which is told when that comes. Who wants to know
    /// before that looks at the clock and [leaves](Job::leave).
    pub(crate) fn into_job(self) -> Job<Option<T>> {
        self.job
    }

    /// What the call gave; it is dropped with this. An error as soon as its time is over and it has not begun: then it leaves its lane.
    pub(crate) async fn done(mut self) -> Result<T, Late> {
        let Some(in_lane) = &self.job.in_lane else { return self.end().await };
        let timer = {
            let _io = in_lane.shared.io.enter();
            tokio::time::sleep_until((self.submitted + self.within).into())
        };
        let mut timer = std::pin::pin!(timer);
        let first = poll_fn(|context| match Pin::new(&mut self.job).poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        });
        match first.await {
            Some(Some(output)) => Ok(output),
            Some(None) => Err(self.late()),
            None if self.job.in_lane.as_mut().is_some_and(InLane::leave) => Err(self.late()),
            // It runs: from here on its own deadline ends it.
            None => self.end().await,
        }
    }

    async fn end(mut self) -> Result<T, Late> {
        let output = (&mut self.job).await;
        output.ok_or_else(|| self.late())
    }

    fn late(&self) -> Late {
        Late { waited: self.submitted.elapsed() }
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
        contained_drop(future);
    }
}

/// Drops a future where a panic of its destructor does no harm.
pub(super) fn contained_drop<F>(future: F) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        forget_panic(panic);
    }
}

/// The panic hook has told about it. Its payload may have a destructor that panics as well.
fn forget_panic(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}
