//! Whose turn it is: a ring of lanes, each a queue of turns. A lane gets one turn a round, however many it has waiting.
//!
//! Not here: threads, locks for them, tasks. May be misread: a lane's own lock never makes anybody wait. It is taken only by who has the ring
//! exclusively; it is there because a lane is shared by its tasks, while the ring holds it only as long as it has a turn to give.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The turns of one lane, first come first served. Not in the ring while it is empty.
pub(super) struct Waiting<T>(Mutex<VecDeque<T>>);

impl<T> Waiting<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(VecDeque::new())))
    }
}

enum Place<T> {
    /// A lane for one turn: nothing is allocated for it.
    Lone(T),
    Lane(Arc<Waiting<T>>),
}

/// The lanes that have a turn to give, the next one first.
pub(super) struct Ring<T>(VecDeque<Place<T>>);

impl<T> Ring<T> {
    pub(super) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Puts a turn at the end of its lane. True: the lane came into the ring with it, so that one more thread has something to do.
    pub(super) fn push(&mut self, lane: Option<&Arc<Waiting<T>>>, turn: T) -> bool {
        let Some(lane) = lane else {
            self.0.push_back(Place::Lone(turn));
            return true;
        };
        let mut turns = lane.0.lock().expect("no panic happens under this lock");
        turns.push_back(turn);
        let came = turns.len() == 1;
        drop(turns);
        if came {
            self.0.push_back(Place::Lane(lane.clone()));
        }
        came
    }

    /// The next turn. True beside it: its lane went back to the end of the ring with more.
    pub(super) fn pop(&mut self) -> Option<(T, bool)> {
        let lane = match self.0.pop_front()? {
            Place::Lone(turn) => return Some((turn, false)),
            Place::Lane(lane) => lane,
        };
        let mut turns = lane.0.lock().expect("no panic happens under this lock");
        let turn = turns.pop_front().expect("a lane in the ring has a turn");
        let more = !turns.is_empty();
        drop(turns);
        if more {
            self.0.push_back(Place::Lane(lane));
        }
        Some((turn, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(ring: &mut Ring<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| ring.pop().map(|(turn, _)| turn)).collect()
    }

    #[test]
    fn lanes_take_turns_and_keep_their_own_order() {
        let (mut ring, a, b) = (Ring::new(), Waiting::new(), Waiting::new());
        for turn in ["a1", "a2", "a3"] {
            ring.push(Some(&a), turn);
        }
        for turn in ["b1", "b2"] {
            ring.push(Some(&b), turn);
        }
        ring.push(None, "lone");
        assert_eq!(drain(&mut ring), ["a1", "b1", "lone", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_lane_is_in_the_ring_once_and_only_while_it_has_turns() {
        let (mut ring, lane) = (Ring::new(), Waiting::new());
        assert!(ring.push(Some(&lane), 1));
        assert!(!ring.push(Some(&lane), 2), "it is there already");
        assert_eq!(ring.pop(), Some((1, true)));
        assert_eq!(ring.pop(), Some((2, false)));
        assert_eq!(ring.pop(), None);
        assert_eq!(Arc::strong_count(&lane), 1, "an empty lane is held by its owner alone");
        assert!(ring.push(Some(&lane), 3), "it comes back");
    }
}
