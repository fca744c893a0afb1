//! What a lane has earned: whether its next call is made where it is asked for.
//!
//! Short calls earn it, and each turn that is long costs more than many of them earned. So a thread that does I/O is held by a plugin for a small part of what
//! its short calls take. Easily got wrong: long is what *computes* long, where that is known. Turns on guest threads go by the wall clock: one that lost the processor
//! looks long, and its lane earns later what it would have earned now.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A turn that takes longer is not short.
pub(super) const SHORT: Duration = Duration::from_micros(100);
/// What a short turn earns, in nanoseconds of a long one.
const EARNS: i64 = 20_000;
/// From so much on a call is made in place: after 16 short ones.
const ENOUGH: i64 = 16 * EARNS;
/// More is not kept: two long turns of a tick, and it has to earn it again.
const MOST: i64 = 2_000_000;
/// And nobody is deeper in debt: what 50,000 short turns make good.
const LEAST: i64 = -1_000_000_000;

/// What a lane has earned.
#[derive(Debug, Default)]
pub(super) struct Trust(AtomicI64);

impl Trust {
    #[inline]
    pub(super) fn is_enough(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ENOUGH
    }

    /// Enters the first turn of a call, which stands for so many.
    #[inline]
    pub(super) fn enter(&self, turns: u32, turn: Duration, ended: bool) {
        let earned = self.0.load(Ordering::Relaxed);
        let sum = after(earned, turns, turn, ended);
        // Two who enter at once may lose one of the two: it is a judgement, not an account. Unchanged is the usual case, and no write for all threads to wait for.
        if sum != earned {
            self.0.store(sum, Ordering::Relaxed);
        }
    }
}

/// What is earned after a turn that stands for so many. One that did not end is never short: in place it would cost a hop on top.
fn after(earned: i64, turns: u32, turn: Duration, ended: bool) -> i64 {
    if ended && turn <= SHORT {
        return (earned + i64::from(turns) * EARNS).min(MOST);
    }
    // A hop is known each time; how long it computed, for that many turns.
    let computed = if turn <= SHORT { SHORT } else { turn * turns };
    let cost = i64::try_from(computed.as_nanos()).unwrap_or(-LEAST);
    earned.saturating_sub(cost).max(LEAST)
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
    fn however_deep_in_debt_fifty_thousand_short_calls_make_it_good() {
        let endless = std::iter::repeat_n((60_000_000, false), 10);
        assert_eq!(after_all(endless.clone()), LEAST);
        assert!(after_all(endless.chain(short(50_016))) >= ENOUGH);
    }
}
