//! Guest threads: where guests run, apart from the threads that do I/O, so that a busy plugin does not delay a socket, and fairly, so that a
//! plugin with a thousand calls does not delay a plugin with one.
//!
//! Each plugin has a *lane*. Lanes are served in turn, and a turn is one poll of one task: a guest gives way at each tick of its engine, so a
//! turn lasts about a millisecond. A plugin whose calls are short makes them where it is asked (`in_place`). How many calls may wait for their first turn is bounded (`queue`); what the application itself spawns is not.
//! Not here: what runs, and for how long. May be misread: timers, sockets and `spawn_blocking` inside of a
//! task belong to the tokio runtime in which the threads were started; that one has to be running.

mod in_place;
mod job;
mod queue;
#[cfg(test)]
mod tests;
mod trust;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use async_task::Runnable;
use futures::future::BoxFuture;
use plugwork_core::capacity::Scarce;
use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Result};
use job::{Contained, InLane, contained_drop};
use queue::{Ring, Ticket, Waiting};
use trust::Trust;

pub use job::Job;
pub(crate) use job::{Late, Submitted};

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static JUDGED_ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

/// A small set of OS threads for guest calls. Clones are the same threads; dropping the last one stops them without waiting for guests, and
/// cancels what is left.
#[derive(Clone)]
pub struct GuestThreads(Arc<Owner>);

/// Stops the threads when it goes. Tasks hold [`Shared`] and not this, or they would keep their own threads alive.
struct Owner(Arc<Shared>);

/// Whose turns a task takes: one for each plugin. A cheap handle; the lane costs nothing while no task of it can run.
#[derive(Clone)]
pub struct Lane {
    waiting: Arc<Waiting<Runnable>>,
    trust: Arc<Trust>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<Turns>,
    more: Condvar,
    io: Handle,
    threads: usize,
    /// Whether short calls are made in place.
    in_place: AtomicBool,
}

struct Turns {
    ring: Ring<Runnable>,
    live: Live,
    /// Threads that wait for a turn and were not told of one. May be too many after a spurious wake-up, never too few.
    idle: usize,
    stopped: bool,
}

impl GuestThreads {
    /// Starts `threads` threads (at least one). `None`: as many as there are processors.
    ///
    /// Fails outside of a tokio runtime, and where the system gives no thread.
    pub fn start(threads: Option<usize>) -> Result<Self> {
        let io = Handle::try_current().map_err(|_| {
            let hint = "start guest threads inside of one: it drives the timers and sockets of what they run";
            Error::new(ErrorKind::Engine, format!("there is no tokio runtime here\nhint: {hint}"))
        })?;
        let threads = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
        let turns = Turns { ring: Ring::new(), live: Live::default(), idle: 0, stopped: false };
        let shared = Arc::new(Shared { state: Mutex::new(turns), more: Condvar::new(), io, threads, in_place: AtomicBool::new(true) });
        // Made before the threads: where one of them cannot be started, its drop stops the others.
        let started = Self(Arc::new(Owner(shared)));
        for number in 0..threads {
            let shared = started.0.0.clone();
            thread::Builder::new()
                .name(format!("plugwork-guest-{number}"))
                .spawn(move || shared.run())
                .map_err(|error| Error::io("cannot start guest threads", &error))?;
        }
        Ok(started)
    }

    /// A lane of its own: for a plugin, so that all its calls together get one turn where another plugin gets one.
    pub fn lane(&self) -> Lane {
        Lane { waiting: Waiting::new(), trust: Arc::default(), shared: self.0.0.clone() }
    }

    /// From now on every call hops, however short.
    pub(crate) fn always_hop(&self) {
        self.0.0.in_place.store(false, Ordering::Relaxed);
    }

    /// Runs a future on a guest thread, in a lane of its own.
    pub fn spawn<F>(&self, future: F) -> Job<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.0.spawn(None, Box::pin(future))
    }

    /// Runs a plugin's call in its lane, if not too many wait there already. It does not begin after `within`, which is counted from now.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        lane: &Lane,
        within: Duration,
        call: BoxFuture<'static, T>,
    ) -> Result<Submitted<T>, Scarce> {
        let submitted = Instant::now();
        let call = Box::pin(in_turns(submitted, within, lane.trust.clone(), call));
        let job = lane.shared.submit(&lane.waiting, call)?;
        Ok(Submitted { job, submitted, within })
    }

    /// The same, and its first turn here where the lane has earned that and none of its calls waits.
    pub(crate) fn submit_or_run<T: Send + 'static>(
        &self,
        lane: &Lane,
        within: Duration,
        mut call: BoxFuture<'static, T>,
    ) -> Result<Submitted<T>, Scarce> {
        let shared = &lane.shared;
        // Not within another one: there is one queue for what is woken here.
        if Self::is_here() || !lane.trust.is_enough() || lane.waiting.are_any() || !shared.in_place.load(Ordering::Relaxed) {
            return self.submit(lane, within, call);
        }
        let submitted = Instant::now();
        // Whatever it spawns is for the same runtime as on a guest thread.
        let _io = shared.io.enter();
        match catch_unwind(AssertUnwindSafe(|| in_place::turn(lane, call.as_mut()))) {
            Ok(Poll::Ready(output)) => {
                contained_drop(call);
                Ok(Submitted { job: Job::done(Some(output)), submitted, within })
            }
            Err(panic) => {
                contained_drop(call);
                resume_unwind(panic)
            }
            // It has begun: it waits for no first turn, and for none in vain.
            Ok(Poll::Pending) => {
                let job = shared.spawn(Some(lane.waiting.clone()), Box::pin(async move { Some(call.await) }));
                Ok(Submitted { job, submitted, within })
            }
        }
    }

    /// How long the call that runs here waited for this thread before it began: part of its time. Taken by the first who asks, which is that call: what it
    /// calls in its turn waited for nothing.
    #[inline]
    pub(crate) fn take_waited() -> Duration {
        WAITED.replace(Duration::ZERO)
    }

    /// Gives back what was taken too early, for the call that it belongs to.
    pub(crate) fn give_waited(waited: Duration) {
        WAITED.set(waited);
    }

    /// The call that runs here has another task of its lane do its work, in an instance that others are in too: that task's turns are told to
    /// [`Lane::worked`], and that this call does not end in its first turn says nothing.
    pub(crate) fn judged_elsewhere() {
        JUDGED_ELSEWHERE.set(true);
    }

    /// Runs a future on a guest thread, in turns with the rest of its lane. The threads are those that gave the lane. How many wait there is for
    /// the caller to bound.
    pub fn spawn_in<F>(&self, lane: &Lane, future: F) -> Job<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        lane.shared.spawn(Some(lane.waiting.clone()), Box::pin(future))
    }

    /// How many threads there are.
    pub(crate) fn count(&self) -> usize {
        self.0.0.threads
    }

    /// Whether the current thread is a guest thread, of whichever set.
    #[inline]
    pub fn is_here() -> bool {
        HERE.get()
    }
}

/// A call on a guest thread; none where its time is over before its first turn.
async fn in_turns<T>(submitted: Instant, within: Duration, trust: Arc<Trust>, mut call: BoxFuture<'static, T>) -> Option<T> {
    let mut waited = submitted.elapsed();
    if waited >= within {
        return None;
    }
    let mut first = true;
    let turn = poll_fn(|context| {
        let _turn = Turn::with(&mut waited);
        let began = std::mem::take(&mut first).then(|| {
            JUDGED_ELSEWHERE.set(false);
            Instant::now()
        });
        let polled = call.as_mut().poll(context);
        if let Some(began) = began
            && !JUDGED_ELSEWHERE.replace(false)
        {
            trust.enter(1, began.elapsed().min(in_place::CLEARLY_LONG), polled.is_ready());
        }
        polled
    });
    Some(turn.await)
}

impl Lane {
    /// A task of it worked for so long in one turn, for those who said that they are [judged elsewhere](GuestThreads::judged_elsewhere). Only with the end of a call
    /// it earns anything: how many turns it has is its guest's to choose.
    pub(crate) fn worked(&self, turn: Duration, ended: bool) {
        if ended || turn > trust::SHORT {
            self.trust.enter(1, turn, ended);
        }
    }
}

/// One turn of a call that waited: what is not yet taken of its wait is on the thread meanwhile, and nowhere else, also where the turn ends in a panic.
struct Turn<'a>(&'a mut Duration);

impl<'a> Turn<'a> {
    fn with(waited: &'a mut Duration) -> Self {
        WAITED.set(*waited);
        Self(waited)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0 = WAITED.replace(Duration::ZERO);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Turns> {
        self.state.lock().expect("no panic happens under this lock")
    }

    fn spawn<F>(self: &Arc<Self>, lane: Option<Arc<Waiting<Runnable>>>, future: Pin<Box<F>>) -> Job<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.begin(self.state(), lane, None, future)
    }

    /// As `spawn`, where there is room for one more call.
    fn submit<F>(self: &Arc<Self>, lane: &Arc<Waiting<Runnable>>, future: Pin<Box<F>>) -> Result<Job<F::Output>, Scarce>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let mut turns = self.state();
        match turns.ring.admit(lane) {
            Ok(ticket) => Ok(self.begin(turns, Some(lane.clone()), Some(ticket), future)),
            Err(scarce) => {
                // The future is dropped after the lock.
                drop(turns);
                Err(scarce)
            }
        }
    }

    fn begin<F>(
        self: &Arc<Self>,
        mut turns: MutexGuard<'_, Turns>,
        lane: Option<Arc<Waiting<Runnable>>>,
        ticket: Option<Ticket>,
        future: Pin<Box<F>>,
    ) -> Job<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let key = turns.live.reserve();
        let future = Contained::new(future, self.clone(), key);
        let (shared, its_lane) = (self.clone(), lane.clone());
        let schedule = move |turn| {
            if let Some(turn) = in_place::keep(its_lane.as_ref(), turn) {
                shared.push(shared.state(), its_lane.as_ref(), None, turn);
            }
        };
        let (turn, task) = async_task::Builder::new().propagate_panic(true).spawn(|()| future, schedule);
        turns.live.fill(key, turn.waker());
        self.push(turns, lane.as_ref(), ticket, turn);
        Job::new(task, lane.filter(|_| ticket.is_some()).map(|lane| InLane { shared: self.clone(), lane, ticket }))
    }

    fn push(&self, mut turns: MutexGuard<'_, Turns>, lane: Option<&Arc<Waiting<Runnable>>>, ticket: Option<Ticket>, turn: Runnable) {
        if turns.stopped {
            drop(turns);
            self.discard(turn);
        } else if turns.ring.push(lane, ticket, turn) {
            self.tell(turns);
        }
    }

    /// Takes a call out of its lane, which is dropped by this; false where it has begun.
    fn leave(&self, lane: &Waiting<Runnable>, ticket: Ticket) -> bool {
        let turn = self.state().ring.leave(lane, ticket);
        let waited = turn.is_some();
        turn.into_iter().for_each(|turn| self.discard(turn));
        waited
    }

    /// Drops a task, whose future may want to reach the runtime that it was made in.
    fn discard(&self, turn: Runnable) {
        let _io = self.io.enter();
        drop(turn);
    }

    /// Wakes one thread, if one waits: there is one more lane with something to do.
    fn tell(&self, mut turns: MutexGuard<'_, Turns>) {
        if turns.idle > 0 {
            turns.idle -= 1;
            drop(turns);
            self.more.notify_one();
        }
    }

    /// A guest thread's life.
    fn run(&self) {
        HERE.set(true);
        let _io = self.io.enter();
        let mut turns = self.state();
        while !turns.stopped {
            match turns.ring.pop() {
                Some((turn, more)) => {
                    if more {
                        self.tell(turns);
                    } else {
                        drop(turns);
                    }
                    turn.run();
                    turns = self.state();
                }
                None => {
                    turns.idle = (turns.idle + 1).min(self.threads);
                    turns = self.more.wait(turns).expect("no panic happens under this lock");
                }
            }
        }
    }

    /// Tasks had turns on a thread that is not one of these. They were in no queue before that, so whoever stopped the threads meanwhile may have missed them.
    fn had_turns_elsewhere(&self) {
        let turns = self.state();
        if turns.stopped {
            let live = turns.live.wakers();
            drop(turns);
            live.into_iter().for_each(Waker::wake);
        }
    }

    /// A task's future is about to be dropped.
    fn ended(&self, key: usize) {
        let waker = self.state().live.remove(key);
        // Not under the lock: it may be the last of its task.
        drop(waker);
    }

    fn stop(&self) {
        let mut turns = self.state();
        turns.stopped = true;
        let (mut ring, live) = (std::mem::replace(&mut turns.ring, Ring::new()), turns.live.wakers());
        drop(turns);
        self.more.notify_all();
        let _io = self.io.enter();
        while let Some((turn, _)) = ring.pop() {
            drop(turn);
        }
        // One that waits for something is scheduled by this and dropped by `push`; one that runs is dropped after its turn.
        live.into_iter().for_each(Waker::wake);
    }
}

/// The wakers of all tasks that are not done: how those are found that wait for something when the threads stop.
#[derive(Default)]
struct Live {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Live {
    fn reserve(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }

    fn fill(&mut self, key: usize, waker: Waker) {
        self.wakers[key] = Some(waker);
    }

    fn remove(&mut self, key: usize) -> Option<Waker> {
        self.free.push(key);
        self.wakers[key].take()
    }

    fn wakers(&self) -> Vec<Waker> {
        self.wakers.iter().flatten().cloned().collect()
    }
}
