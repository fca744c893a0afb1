//! Calls that do not hop: a plugin whose calls are short makes the next one where it is asked for, because the way to a guest thread and back would
//! take longer than the call. Which plugins those are says `trust`.
//!
//! A call has its turn here, and so has what it wakes in its own lane, as the instance that it is in with others. A guest gives way at each tick; one that began
//! just before it gets another turn. So it takes a tenth of a millisecond and the turn that was begun in it. What is not done after that goes on on a guest
//! thread, and what was woken goes with it. Easily got wrong: a task that was woken and not run yet is in nobody's queue but the one here; whatever happens, it has
//! to come out of it.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_task::Runnable;
use tokio::task::coop::unconstrained;

use super::queue::Waiting;
use super::trust::SHORT;
use super::{HERE, JUDGED_ELSEWHERE, Lane};
use crate::call::thread_time;

/// Of so many turns in place one is measured, by lot, and stands for all of them: the clock that knows is a system call.
const MEASURED: u32 = 8;

/// One that was not measured and took so long by the wall clock is taken for as long and no more: its thread may have lost the processor.
pub(super) const CLEARLY_LONG: Duration = Duration::from_millis(1);

/// How often a call is looked at, with what it woke in between.
const LOOKS_MAX: u32 = 4;

thread_local! {
    static LOT: Cell<u32> = const { Cell::new(0x9e37_79b9) };
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
    turns: VecDeque<Runnable>,
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

/// One in so many. Not a counter: plugins that are called by turns would always have the same numbers.
fn is_drawn() -> bool {
    let mut lot = LOT.get();
    lot ^= lot << 13;
    lot ^= lot >> 17;
    lot ^= lot << 5;
    LOT.set(lot);
    lot.is_multiple_of(MEASURED)
}

/// One turn of a call on this thread, as on a guest thread.
pub(super) fn turn<T>(lane: &Lane, call: Pin<&mut (dyn Future<Output = T> + Send)>) -> Poll<T> {
    JUDGED_ELSEWHERE.set(false);
    let (began, before) = (Instant::now(), is_drawn().then(thread_time));
    let polled = here(lane, call, began);
    let is_fair = JUDGED_ELSEWHERE.replace(false) || polled.is_ready();
    match before {
        Some(before) => lane.trust.enter(MEASURED, thread_time().saturating_sub(before), is_fair),
        None => {
            let is_long = began.elapsed() >= CLEARLY_LONG;
            if is_long || !is_fair {
                lane.trust.enter(1, if is_long { CLEARLY_LONG } else { Duration::ZERO }, is_fair);
            }
        }
    }
    polled
}

/// As on a guest thread: what is left of tokio's budget for whoever asks is not the guest's, and one that used it up would look like one that waits.
fn here<T>(lane: &Lane, mut call: Pin<&mut (dyn Future<Output = T> + Send)>, began: Instant) -> Poll<T> {
    let looks = pin!(unconstrained(poll_fn(|_| Poll::Ready(look(lane, call.as_mut(), began)))));
    match looks.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(polled) => polled,
        Poll::Pending => Poll::Pending,
    }
}

fn look<T>(lane: &Lane, mut call: Pin<&mut (dyn Future<Output = T> + Send)>, began: Instant) -> Poll<T> {
    let here = Here::enter(lane);
    let gives_way = GIVES_WAY.with(Arc::clone);
    // Who goes on elsewhere is polled there again at once, so nobody has to be woken from here.
    let waker = Waker::from(gives_way.clone());
    let mut context = Context::from_waker(&waker);
    for _ in 0..LOOKS_MAX {
        gives_way.0.store(false, Ordering::Relaxed);
        let polled = call.as_mut().poll(&mut context);
        if polled.is_ready() || began.elapsed() > SHORT {
            return polled;
        }
        if !here.run_woken(began) && !gives_way.0.load(Ordering::Relaxed) {
            return Poll::Pending;
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
        WOKEN.set(Some(Woken { lane: lane.waiting.clone(), turns: VecDeque::new() }));
        Self { lane, was_here: HERE.replace(true) }
    }

    /// Runs what was woken so far, each for a turn, as long as all that takes little; whether there was any.
    fn run_woken(&self, began: Instant) -> bool {
        let turns = || WOKEN.with_borrow_mut(|woken| woken.as_mut()?.turns.pop_front());
        let there = WOKEN.with_borrow(|woken| woken.as_ref().map_or(0, |woken| woken.turns.len()));
        let mut ran = 0;
        while ran < there
            && began.elapsed() <= SHORT
            && let Some(turn) = turns()
        {
            let judged = JUDGED_ELSEWHERE.get();
            turn.run();
            // What another call said is not of this one.
            JUDGED_ELSEWHERE.set(judged);
            ran += 1;
        }
        if ran > 0 {
            self.lane.shared.had_turns_elsewhere();
        }
        ran > 0
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
