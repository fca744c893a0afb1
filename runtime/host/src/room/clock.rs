//! The clock of a room: until when its guest may go on without giving way. Read at each tick of a guest that works.
//!
//! Easily got wrong: a deadline that is over is no reason to end the instance. Whoever it was over for is told so as soon as the guest gives way; only
//! a guest that does not give way, for so many of its own ticks, is ended, and everybody in the room with it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::HELD;
use crate::ticker::TICK;

/// Of one room.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The tick at which the next one in it is late.
    until: AtomicU64,
    /// Ticks of its guest since it last gave way.
    held: AtomicU32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { until: AtomicU64::new(u64::MAX), held: AtomicU32::new(0) }
    }
}

impl Clock {
    /// Its guest gave way; the next one in it is late at that tick.
    pub(crate) fn gave_way(&self, until: u64) {
        self.until.store(until, Ordering::Relaxed);
        self.held.store(0, Ordering::Relaxed);
    }

    /// One tick of its guest: whether it is to be ended.
    pub(crate) fn is_held_too_long(&self, now: u64) -> bool {
        let held = self.held.fetch_add(1, Ordering::Relaxed);
        now >= self.until() && u128::from(held) >= HELD.as_millis() / TICK.as_millis()
    }

    pub(crate) fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_gives_way_is_not_ended_and_one_that_does_not_is() {
        let clock = Clock::default();
        clock.gave_way(10);
        for tick in 0..1_000 {
            assert!(!clock.is_held_too_long(tick.min(9)), "nobody is late");
        }
        clock.gave_way(10);
        let ticks = (10..).take_while(|tick| !clock.is_held_too_long(*tick)).count();
        assert_eq!(ticks, 50);
        clock.gave_way(10);
        assert!(!clock.is_held_too_long(99));
    }
}
