//! Whose turn it is: a ring of lanes, each a queue of turns. A lane gets one turn a round, however many it has waiting.
//!
//! Calls come with a *ticket* for their first turn: so many of them may wait and no more, and one whose caller went away leaves the lane. Not here:
//! threads, locks for them, tasks. May be misread: a lane's own lock never makes anybody wait. It is taken only by who has the ring
//! exclusively; it is there because a lane is shared by its tasks, while the ring holds it only as long as it has a turn to give.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use plugwork_core::capacity::{Resource, Scarce};
use plugwork_core::limits::{LANE_CALLS_MAX, LANES_CALLS_MAX};

/// The number of a call that has not begun.
pub(super) type Ticket = u64;

/// The turns of one lane, first come first served.
pub(super) struct Waiting<T> {
    inside: Mutex<Inside<T>>,
    /// Whether the ring holds this lane: once, and only until it finds it empty. Changed by who has the ring, and looked at by anybody.
    in_ring: AtomicBool,
}

struct Inside<T> {
    turns: VecDeque<(Option<Ticket>, T)>,
    /// Calls among them.
    calls: usize,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Arc<Self> {
        let inside = Mutex::new(Inside { turns: VecDeque::new(), calls: 0 });
        Arc::new(Self { inside, in_ring: AtomicBool::new(false) })
    }

    /// Whether turns of it wait, as far as can be told without the ring.
    pub(super) fn are_any(&self) -> bool {
        self.in_ring.load(Ordering::Relaxed)
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        self.inside.lock().expect("no panic happens under this lock")
    }
}

enum Place<T> {
    /// A lane for one turn: nothing is allocated for it.
    Lone(T),
    Lane(Arc<Waiting<T>>),
}

/// The lanes that have a turn to give, the next one first.
pub(super) struct Ring<T> {
    places: VecDeque<Place<T>>,
    /// Calls that wait in all lanes together.
    calls: usize,
    tickets: Ticket,
}

impl<T> Ring<T> {
    pub(super) fn new() -> Self {
        Self { places: VecDeque::new(), calls: 0, tickets: 0 }
    }

    /// A ticket for one more call in this lane, unless too many wait.
    pub(super) fn admit(&mut self, lane: &Waiting<T>) -> Result<Ticket, Scarce> {
        let full = |what, calls: usize, most: usize| Scarce { what, held: calls as u64 + 1, limit: most as u64 };
        let calls = lane.inside().calls;
        if calls >= LANE_CALLS_MAX {
            return Err(full(Resource::PluginLane, calls, LANE_CALLS_MAX));
        }
        if self.calls >= LANES_CALLS_MAX {
            return Err(full(Resource::Lanes, self.calls, LANES_CALLS_MAX));
        }
        self.tickets += 1;
        Ok(self.tickets)
    }

    /// Puts a turn at the end of its lane. True: the lane came into the ring with it, so that one more thread has something to do.
    pub(super) fn push(&mut self, lane: Option<&Arc<Waiting<T>>>, ticket: Option<Ticket>, turn: T) -> bool {
        let Some(lane) = lane else {
            self.places.push_back(Place::Lone(turn));
            return true;
        };
        let mut inside = lane.inside();
        let calls = usize::from(ticket.is_some());
        inside.turns.push_back((ticket, turn));
        inside.calls += calls;
        self.calls += calls;
        drop(inside);
        let came = !lane.in_ring.swap(true, Ordering::Relaxed);
        if came {
            self.places.push_back(Place::Lane(lane.clone()));
        }
        came
    }

    /// The next turn. True beside it: its lane went back to the end of the ring with more.
    pub(super) fn pop(&mut self) -> Option<(T, bool)> {
        loop {
            let lane = match self.places.pop_front()? {
                Place::Lone(turn) => return Some((turn, false)),
                Place::Lane(lane) => lane,
            };
            let mut inside = lane.inside();
            let next = inside.turns.pop_front();
            let more = !inside.turns.is_empty();
            lane.in_ring.store(more, Ordering::Relaxed);
            // Empty where its last call left it.
            let Some((ticket, turn)) = next else { continue };
            let calls = usize::from(ticket.is_some());
            inside.calls -= calls;
            self.calls -= calls;
            drop(inside);
            if more {
                self.places.push_back(Place::Lane(lane));
            }
            return Some((turn, more));
        }
    }

    /// Takes a call out of its lane; none where its first turn has begun.
    pub(super) fn leave(&mut self, lane: &Waiting<T>, ticket: Ticket) -> Option<T> {
        let mut inside = lane.inside();
        let place = inside.turns.iter().position(|(held, _)| *held == Some(ticket))?;
        inside.calls -= 1;
        self.calls -= 1;
        inside.turns.remove(place).map(|(_, turn)| turn)
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
            ring.push(Some(&a), None, turn);
        }
        for turn in ["b1", "b2"] {
            ring.push(Some(&b), None, turn);
        }
        ring.push(None, None, "lone");
        assert_eq!(drain(&mut ring), ["a1", "b1", "lone", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_lane_is_in_the_ring_once_and_only_while_it_has_turns() {
        let (mut ring, lane) = (Ring::new(), Waiting::new());
        assert!(ring.push(Some(&lane), None, 1));
        assert!(!ring.push(Some(&lane), None, 2), "it is there already");
        assert_eq!(ring.pop(), Some((1, true)));
        assert_eq!(ring.pop(), Some((2, false)));
        assert_eq!(ring.pop(), None);
        assert_eq!(Arc::strong_count(&lane), 1, "an empty lane is held by its owner alone");
        assert!(ring.push(Some(&lane), None, 3), "it comes back");
    }

    /// One more call in the lane, or why not.
    fn call(ring: &mut Ring<usize>, lane: &Arc<Waiting<usize>>, turn: usize) -> Result<Ticket, Scarce> {
        let ticket = ring.admit(lane)?;
        ring.push(Some(lane), Some(ticket), turn);
        Ok(ticket)
    }

    #[test]
    fn a_lane_takes_as_many_calls_as_may_wait_and_not_one_more() {
        let (mut ring, lane, other) = (Ring::new(), Waiting::new(), Waiting::new());
        for turn in 0..LANE_CALLS_MAX {
            call(&mut ring, &lane, turn).unwrap();
        }
        let full = call(&mut ring, &lane, 0).unwrap_err();
        assert_eq!((full.what, full.held, full.limit), (Resource::PluginLane, 1_025, 1_024));
        call(&mut ring, &other, 7).unwrap();
        assert!(!ring.push(Some(&lane), None, 0), "what has begun is not counted, and always gets its next turn");
        assert_eq!(ring.pop(), Some((0, true)));
        call(&mut ring, &lane, 0).unwrap();
        assert!(call(&mut ring, &lane, 0).is_err());
    }

    #[test]
    fn all_lanes_together_take_as_many_as_may_wait_and_not_one_more() {
        let mut ring = Ring::new();
        let lanes: Vec<_> = (0..=LANES_CALLS_MAX / LANE_CALLS_MAX).map(|_| Waiting::new()).collect();
        for turn in 0..LANES_CALLS_MAX {
            call(&mut ring, &lanes[turn / LANE_CALLS_MAX], turn).unwrap();
        }
        let last = lanes.last().unwrap();
        let full = call(&mut ring, last, 0).unwrap_err();
        assert_eq!((full.what, full.held, full.limit), (Resource::Lanes, 16_385, 16_384));
        assert!(ring.pop().is_some());
        call(&mut ring, last, 0).unwrap();
    }

    #[test]
    fn a_call_that_leaves_gives_its_place_to_another_and_is_never_popped() {
        let (mut ring, lane) = (Ring::new(), Waiting::new());
        let tickets: Vec<_> = (0..LANE_CALLS_MAX).map(|turn| call(&mut ring, &lane, turn).unwrap()).collect();
        assert_eq!(ring.leave(&lane, tickets[1]), Some(1));
        assert_eq!(ring.leave(&lane, tickets[1]), None, "it left already");
        call(&mut ring, &lane, 9_999).unwrap();
        assert!(call(&mut ring, &lane, 0).is_err());
        assert_eq!((ring.pop(), ring.pop()), (Some((0, true)), Some((2, true))));
        assert_eq!(ring.leave(&lane, tickets[2]), None, "it has begun");
    }

    #[test]
    fn a_lane_that_its_last_call_left_is_passed_over_and_can_come_again() {
        let (mut ring, lane, other) = (Ring::new(), Waiting::new(), Waiting::new());
        let ticket = call(&mut ring, &lane, 1).unwrap();
        call(&mut ring, &other, 2).unwrap();
        assert_eq!(ring.leave(&lane, ticket), Some(1));
        assert!(!ring.push(Some(&lane), None, 3), "its place in the ring is still there");
        assert_eq!(ring.pop(), Some((3, false)));
        let ticket = call(&mut ring, &lane, 4).unwrap();
        assert_eq!(ring.leave(&lane, ticket), Some(4));
        assert_eq!((ring.pop(), ring.pop()), (Some((2, false)), None));
        assert_eq!(Arc::strong_count(&lane), 1);
        assert!(ring.push(Some(&lane), None, 5));
        assert_eq!(ring.pop(), Some((5, false)));
    }
}
