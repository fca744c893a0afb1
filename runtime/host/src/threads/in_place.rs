//! Calls that do not hop: a plugin whose calls are short makes the next one where it is asked for, because the way to a guest thread and back would
//! take longer than the call. Which plugins those are says `trust`.
//!
//! A call has its turn here, and so has what it wakes in its own lane, as the instance that it is in with others. A guest gives way at each tick; one that began
//! just before it gets another turn. What is not done after that goes on on a guest thread, and what was woken goes with it. Easily got wrong: a task that was woken
//! and not run yet is in nobody's queue but the one here; whatever happens, it has to come out of it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_task::Runnable;

use super::queue::Waiting;
use super::trust::SHORT;
use super::{HERE, Lane};
use crate::call::thread_time;

/// Of so many turns in place one is measured, and stands for all of them: the clock that knows is a system call. No guest knows which.
const MEASURED: u32 = 8;

/// How often a call is looked at, with what it woke in between.
const LOOKS_MAX: u32 = 4;

thread_local! {
    static TURNS: Cell<u32> = const { Cell::new(0) };
    static GIVES_WAY: Arc<GivesWay> = Arc::default();
    static WOKEN: RefCell<Option<Woken>> = const { RefCell::new(None) };
}

/// Told by who does not wait for anything but gives way, or was waited for. A call of long ago may tell it too: then another one is looked at once too often.
#[derive(Default)]
struct GivesWay(AtomicBool);

impl Wake for GivesWay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tasks of one lane that were woken during a turn here.
struct Woken {
    lane: Arc<Waiting<Runnable>>,
    turns: Vec<Runnable>,
}

/// Keeps a turn for this thread, where its lane has one here at this moment. Gives it back where not.
pub(super) fn keep(lane: Option<&Arc<Waiting<Runnable>>>, turn: Runnable) -> Option<Runnable> {
    let Some(lane) = lane else { return Some(turn) };
    let mut turn = Some(turn);
    // A thread that ends has none any more.
    let _ = WOKEN.try_with(|woken| {
        let Ok(mut woken) = woken.try_borrow_mut() else { return };
        if let Some(woken) = woken.as_mut().filter(|woken| Arc::ptr_eq(&woken.lane, lane)) {
            woken.turns.extend(turn.take());
        }
    });
    turn
}

/// One turn of a call on this thread, as on a guest thread.
pub(super) fn turn<T>(lane: &Lane, call: Pin<&mut (dyn Future<Output = T> + Send)>) -> Poll<T> {
    let number = TURNS.replace(TURNS.get().wrapping_add(1));
    let before = number.is_multiple_of(MEASURED).then(thread_time);
    let polled = here(lane, call);
    match before {
        Some(before) => lane.trust.enter(MEASURED, thread_time().saturating_sub(before), polled.is_ready()),
        None if polled.is_pending() => lane.trust.enter(1, Duration::ZERO, false),
        None => {}
    }
    polled
}

fn here<T>(lane: &Lane, mut call: Pin<&mut (dyn Future<Output = T> + Send)>) -> Poll<T> {
    let (began, here) = (Instant::now(), Here::enter(lane));
    let gives_way = GIVES_WAY.with(Arc::clone);
    // Who goes on elsewhere is polled there again at once, so nobody has to be woken from here.
    let waker = Waker::from(gives_way.clone());
    let mut context = Context::from_waker(&waker);
    for _ in 0..LOOKS_MAX {
        gives_way.0.store(false, Ordering::Relaxed);
        let polled = call.as_mut().poll(&mut context);
        if began.elapsed() > SHORT {
            return polled;
        }
        let ran = here.run_woken();
        if polled.is_ready() || !ran && !gives_way.0.load(Ordering::Relaxed) {
            return polled;
        }
    }
    Poll::Pending
}

/// This thread counts as a guest thread, and keeps what is woken in this lane, also where the turn ends in a panic.
struct Here<'a> {
    lane: &'a Lane,
    was_here: bool,
}

impl<'a> Here<'a> {
    fn enter(lane: &'a Lane) -> Self {
        WOKEN.set(Some(Woken { lane: lane.waiting.clone(), turns: Vec::new() }));
        Self { lane, was_here: HERE.replace(true) }
    }

    /// Runs what was woken so far, each for a turn; whether there was any.
    fn run_woken(&self) -> bool {
        let turns = WOKEN.with_borrow_mut(|woken| woken.as_mut().map(|woken| std::mem::take(&mut woken.turns))).unwrap_or_default();
        let any = !turns.is_empty();
        for turn in turns {
            turn.run();
        }
        if any {
            self.lane.shared.had_turns_elsewhere();
        }
        any
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        HERE.set(self.was_here);
        // What is left has its turns on guest threads.
        let left = WOKEN.take().map(|woken| woken.turns).unwrap_or_default();
        for turn in left {
            self.lane.shared.push(self.lane.shared.state(), Some(&self.lane.waiting), None, turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;

    use super::super::GuestThreads;
    use super::*;

    /// A task that waits in a lane for ever, how it is woken, and how often it had a turn.
    async fn waits(threads: &GuestThreads, lane: &Lane) -> (Waker, Arc<Mutex<u32>>) {
        let (waker, turns) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(0)));
        let (told, counted) = (waker.clone(), turns.clone());
        let forever = poll_fn(move |context| {
            *told.lock().unwrap() = Some(context.waker().clone());
            *counted.lock().unwrap() += 1;
            Poll::<()>::Pending
        });
        threads.spawn_in(lane, forever).detach();
        let waker = loop {
            let there = waker.lock().unwrap().take();
            match there {
                Some(waker) => break waker,
                None => tokio::task::yield_now().await,
            }
        };
        (waker, turns)
    }

    #[tokio::test]
    async fn what_is_woken_in_this_lane_has_its_turn_here_and_what_is_in_another_has_not() {
        let threads = GuestThreads::start(Some(1)).unwrap();
        let (lane, other) = (threads.lane(), threads.lane());
        let ((wakes, turns), (wakes_other, turns_of_other)) = (waits(&threads, &lane).await, waits(&threads, &other).await);
        let here = Here::enter(&lane);
        wakes.wake_by_ref();
        wakes_other.wake_by_ref();
        assert_eq!(*turns.lock().unwrap(), 1, "nothing runs yet");
        assert!(here.run_woken() && !here.run_woken());
        assert_eq!(*turns.lock().unwrap(), 2);
        while *turns_of_other.lock().unwrap() < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_left_when_a_turn_here_is_over_goes_to_a_guest_thread() {
        let threads = GuestThreads::start(Some(1)).unwrap();
        let lane = threads.lane();
        let (wakes, turns) = waits(&threads, &lane).await;
        let here = Here::enter(&lane);
        wakes.wake_by_ref();
        drop(here);
        while *turns.lock().unwrap() < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn threads_that_stop_meanwhile_leave_nothing_behind() {
        for runs in [false, true] {
            let threads = GuestThreads::start(Some(1)).unwrap();
            let lane = threads.lane();
            let (wakes, turns) = waits(&threads, &lane).await;
            let here = Here::enter(&lane);
            wakes.wake_by_ref();
            // Its wakes find the task woken already.
            drop(threads);
            assert!(!runs || here.run_woken());
            drop(here);
            drop(wakes);
            while Arc::strong_count(&turns) > 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}
