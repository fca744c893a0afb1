//! Calls that do not hop: a plugin whose calls are short makes the next one where it is asked for, because the way to a guest thread and back would
//! take longer than the call.
//!
//! A lane earns that with short calls, one after the other, and each turn that is long costs it more than it earned with many. So a thread that does I/O is
//! held by a guest for no more than one turn (a guest gives way at each tick; one that began just before it gets a second), and by a plugin for a small part of
//! what its short calls take. What does not come to its end then goes on on a guest thread. Easily got wrong: long is what *computes* long; a thread that the system took the
//! processor away from says nothing about the guest that ran on it. The clock that knows is a system call, so only some turns are measured, each for as many.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::HERE;
use crate::call::thread_time;

/// A turn that takes longer is not short.
const SHORT: Duration = Duration::from_micros(100);
/// What a short turn earns, in nanoseconds of a long one.
const EARNS: i64 = 20_000;
/// From so much on a call is made in place: after 16 short ones.
const ENOUGH: i64 = 16 * EARNS;
/// More is not kept: two long turns of a tick, and it has to earn it again.
const MOST: i64 = 2_000_000;
/// And nobody is deeper in debt: what 1,000 short turns make good.
const LEAST: i64 = -MOST * 10;

/// Of so many turns in place one is measured. No guest knows which.
const MEASURED: u32 = 8;

thread_local! {
    static TURNS: Cell<u32> = const { Cell::new(0) };
    static GIVES_WAY: Arc<GivesWay> = Arc::default();
}

/// Told by who does not wait for anything but gives way. A call of long ago may tell it too: then another one is looked at once too often.
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

/// What a lane has earned.
#[derive(Debug, Default)]
pub(super) struct Trust(AtomicI64);

impl Trust {
    #[inline]
    pub(super) fn is_enough(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Enters the first turn of a call.
    #[inline]
    pub(super) fn enter(&self, turn: Duration, ended: bool) {
        self.enter_as(1, turn, ended);
    }

    fn enter_as(&self, turns: u32, turn: Duration, ended: bool) {
        let earned = self.0.load(Ordering::Relaxed);
        let sum = after(earned, turns, turn, ended);
        // Two who enter at once may lose one of the two: it is a judgement, not an account. Unchanged is the usual case, and no write for all threads to wait for.
        if sum != earned {
            self.0.store(sum, Ordering::Relaxed);
        }
    }

    /// One turn of a call on this thread, as on a guest thread.
    pub(super) fn turn<T>(&self, call: Pin<&mut (dyn Future<Output = T> + Send)>) -> Poll<T> {
        let number = TURNS.replace(TURNS.get().wrapping_add(1));
        let before = number.is_multiple_of(MEASURED).then(thread_time);
        let _here = Here::enter();
        let polled = at_most_twice(call);
        match before {
            Some(before) => self.enter_as(MEASURED, thread_time().saturating_sub(before), polled.is_ready()),
            None if polled.is_pending() => self.enter(Duration::ZERO, false),
            None => {}
        }
        polled
    }
}

/// Who goes on elsewhere is polled there again at once, so nobody has to be woken from here.
fn at_most_twice<T>(mut call: Pin<&mut (dyn Future<Output = T> + Send)>) -> Poll<T> {
    let began = Instant::now();
    let gives_way = GIVES_WAY.with(Arc::clone);
    gives_way.0.store(false, Ordering::Relaxed);
    let waker = Waker::from(gives_way.clone());
    let mut context = Context::from_waker(&waker);
    match call.as_mut().poll(&mut context) {
        Poll::Pending if gives_way.0.load(Ordering::Relaxed) && began.elapsed() <= SHORT => call.poll(&mut context),
        polled => polled,
    }
}

/// What is earned after a turn that stands for so many. One that did not end has cost a hop on top, so it is never short.
fn after(earned: i64, turns: u32, turn: Duration, ended: bool) -> i64 {
    if ended && turn <= SHORT {
        return (earned + i64::from(turns) * EARNS).min(MOST);
    }
    // A hop is known each time; how long it computed, for that many turns.
    let computed = if turn <= SHORT { SHORT } else { turn * turns };
    let cost = i64::try_from(computed.as_nanos()).unwrap_or(-LEAST);
    earned.saturating_sub(cost).max(LEAST)
}

/// This thread counts as a guest thread, also where the turn ends in a panic.
struct Here(bool);

impl Here {
    fn enter() -> Self {
        Self(HERE.replace(true))
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left after such turns, one after the other.
    fn after_all(turns: impl IntoIterator<Item = (u64, bool)>) -> i64 {
        turns.into_iter().fold(0, |earned, (micros, ended)| after(earned, 1, Duration::from_micros(micros), ended))
    }

    fn short(count: usize) -> impl Iterator<Item = (u64, bool)> {
        std::iter::repeat_n((30, true), count)
    }

    #[test]
    fn sixteen_short_calls_are_enough_and_one_long_one_takes_back_what_fifty_earned() {
        assert!(after_all(short(15)) < ENOUGH && after_all(short(16)) >= ENOUGH);
        assert_eq!(after_all(short(50).chain([(1_000, true)])), 0);
        assert_eq!(after_all(short(1_000_000)), MOST);
    }

    #[test]
    fn calls_that_seldom_straddle_a_tick_stay_and_those_that_wait_do_not() {
        let straddles = (0..1_000).map(|call| (20, call % 20 != 0));
        assert!(after_all(straddles) >= ENOUGH);
        let waits = (0..1_000).map(|call| (20, call % 4 != 0));
        assert!(after_all(waits) < ENOUGH);
    }

    #[test]
    fn a_turn_that_stands_for_eight_earns_and_costs_as_eight() {
        assert_eq!(after(0, 8, Duration::from_micros(30), true), 8 * EARNS);
        assert_eq!(after(MOST, 8, Duration::from_micros(1_000), true), MOST - 8_000_000);
        assert_eq!(after(MOST, 8, Duration::from_micros(30), false), MOST - 100_000, "that it went on elsewhere is seen each time");
    }

    #[test]
    fn however_deep_in_debt_a_thousand_short_calls_make_it_good() {
        let endless = std::iter::repeat_n((60_000_000, false), 10);
        assert_eq!(after_all(endless.clone()), LEAST);
        assert!(after_all(endless.chain(short(1_016))) >= ENOUGH);
    }
}
