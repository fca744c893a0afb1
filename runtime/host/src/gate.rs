//! The gate of a generation: counts the calls in flight and closes, so that each call is either waited for or never begun.
//!
//! Not here: the waiting; `generation` does that, told by the last one who leaves. May be misread: nobody is counted who is not let in, not even
//! for a moment. Otherwise who looks at the count right after closing could wait for a leave that never comes.

use crate::sync::{AtomicU64, Ordering};

/// In the same word as the count: whether it is closed and who is in is one fact.
const CLOSED: u64 = 1 << 63;

/// Open until it is closed; never opens again.
#[derive(Default)]
pub(crate) struct Gate(AtomicU64);

impl Gate {
    /// Lets one in; false once it is closed. Who was let in calls [`leave`](Self::leave) once.
    #[inline]
    pub(crate) fn enter(&self) -> bool {
        // Not a plain addition that is taken back where it was closed: see the head of this file.
        let more = |word: u64| (word & CLOSED == 0).then_some(word + 1);
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).is_ok()
    }

    /// True for exactly one: the last to leave after it was closed. Whoever waits for that is to be told.
    #[inline]
    pub(crate) fn leave(&self) -> bool {
        // Releases what the call wrote to whoever sees the count without it.
        let before = self.0.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before & !CLOSED > 0, "more left than entered");
        before == CLOSED | 1
    }

    /// Lets nobody in any more. Look at [`in_flight`](Self::in_flight) after it: where that is 0 nobody will be the last to leave.
    pub(crate) fn close(&self) {
        self.0.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// How many are in.
    pub(crate) fn in_flight(&self) -> u64 {
        self.0.load(Ordering::Acquire) & !CLOSED
    }

    /// Whether it lets nobody in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Whether all is over.
    pub(crate) fn closed_and_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) == CLOSED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::check;

    #[test]
    fn counts_who_is_in() {
        check(|| {
            let gate = Gate::default();
            assert!(gate.enter() && gate.enter());
            assert_eq!(gate.in_flight(), 2);
            assert!(!gate.leave() && !gate.leave(), "nobody is the last of an open gate");
            assert_eq!(gate.in_flight(), 0);
            assert!(!gate.is_closed() && !gate.closed_and_empty());
        });
    }

    #[test]
    fn lets_nobody_in_once_closed_and_tells_the_last_to_leave() {
        check(|| {
            let gate = Gate::default();
            assert!(gate.enter() && gate.enter());
            gate.close();
            assert!(gate.is_closed() && !gate.enter());
            assert_eq!(gate.in_flight(), 2, "who was refused is not counted");
            assert!(!gate.leave() && !gate.closed_and_empty());
            assert!(gate.leave() && gate.closed_and_empty());
        });
    }

    #[test]
    fn closed_while_empty_it_is_empty_at_once() {
        check(|| {
            let gate = Gate::default();
            gate.close();
            gate.close();
            assert!(gate.closed_and_empty() && !gate.enter());
        });
    }
}
