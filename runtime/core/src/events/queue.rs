//! The bounded queue of one subscriber, and what happens where it is full.
//!
//! Not here: locks, and waiting for room; the host has those. Easily got wrong: it is bounded twice, by events and by bytes, and one event that is
//! larger than the whole queue finds no room in an empty one either.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// What happens to an event that finds the queue full. In the order of what they let a subscriber do to others: nothing, be told of, be waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// Those that wait the longest are dropped for it.
    #[default]
    DropOldest,
    /// This subscriber does not get it, and whoever publishes is told so.
    Reject,
    /// Whoever publishes waits until there is room, for so long as the host lets them; past that as [`Overflow::Reject`].
    Block,
}

/// How much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Events, at least one.
    pub events_max: usize,
    /// Bytes of all of them.
    pub bytes_max: usize,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits in the queue.
    Kept,
    /// It waits in the queue, and so many that were older do not any more.
    Displaced(usize),
    /// There is no room: here it is again.
    Full(T),
}

/// What waits for one subscriber, in order.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    bounds: Bounds,
    overflow: Overflow,
}

impl<T> Queue<T> {
    /// An empty one. It takes no memory until something waits.
    pub fn new(bounds: Bounds, overflow: Overflow) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, bounds, overflow }
    }

    /// Other bounds from now on. What waits already stays, also where it is more.
    pub fn rebound(&mut self, bounds: Bounds, overflow: Overflow) {
        (self.bounds, self.overflow) = (bounds, overflow);
    }

    /// What happens where it is full.
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of those that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts one at the end. Only with [`Overflow::DropOldest`] others make room for it.
    pub fn push(&mut self, item: T, bytes: usize) -> Pushed<T> {
        let mut displaced = 0;
        while !self.has_room_for(bytes) {
            if self.overflow != Overflow::DropOldest || bytes > self.bounds.bytes_max || !self.drop_oldest() {
                return Pushed::Full(item);
            }
            displaced += 1;
        }
        self.waiting.push_back((item, bytes));
        self.bytes += bytes;
        if displaced == 0 { Pushed::Kept } else { Pushed::Displaced(displaced) }
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.waiting.len() < self.bounds.events_max && self.bytes.saturating_add(bytes) <= self.bounds.bytes_max
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, bytes)) = self.waiting.pop_front() else { return false };
        self.bytes -= bytes;
        true
    }

    /// Takes the oldest, and those right behind it that go `with` it in one call: at most `events_max`, and not more than `bytes_max` unless it is one.
    pub fn take(&mut self, events_max: usize, bytes_max: usize, with: impl Fn(&T, &T) -> bool, taken: &mut Vec<T>) {
        let mut taken_bytes = 0;
        while let Some((next, bytes)) = self.waiting.front() {
            let fits = match taken.first() {
                None => true,
                Some(first) => taken.len() < events_max && taken_bytes + bytes <= bytes_max && with(first, next),
            };
            if !fits {
                return;
            }
            taken_bytes += bytes;
            self.bytes -= bytes;
            if let Some((next, _)) = self.waiting.pop_front() {
                taken.push(next);
            }
        }
    }

    /// Forgets what waits; says how many.
    pub fn clear(&mut self) -> usize {
        let waited = self.waiting.len();
        (self.waiting, self.bytes) = (VecDeque::new(), 0);
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(events_max: usize, bytes_max: usize, overflow: Overflow) -> Queue<u32> {
        Queue::new(Bounds { events_max, bytes_max }, overflow)
    }

    fn all(queue: &mut Queue<u32>) -> Vec<u32> {
        let mut taken = Vec::new();
        queue.take(usize::MAX, usize::MAX, |_, _| true, &mut taken);
        taken
    }

    #[test]
    fn at_its_bound_it_takes_what_fits_and_past_it_does_as_it_was_told() {
        for overflow in [Overflow::Reject, Overflow::Block] {
            let mut queue = queue(2, 100, overflow);
            assert_eq!((queue.push(1, 50), queue.push(2, 50)), (Pushed::Kept, Pushed::Kept));
            assert_eq!(queue.push(3, 1), Pushed::Full(3));
            assert_eq!((queue.len(), queue.bytes(), all(&mut queue)), (2, 100, vec![1, 2]));
        }
        let mut oldest = queue(2, 100, Overflow::DropOldest);
        assert_eq!((oldest.push(1, 30), oldest.push(2, 30), oldest.push(3, 30)), (Pushed::Kept, Pushed::Kept, Pushed::Displaced(1)));
        assert_eq!(oldest.push(4, 90), Pushed::Displaced(2));
        assert_eq!((oldest.bytes(), all(&mut oldest), oldest.bytes()), (90, vec![4], 0));
    }

    #[test]
    fn what_is_larger_than_the_queue_finds_no_room_and_displaces_nobody() {
        let mut queue = queue(2, 100, Overflow::DropOldest);
        assert_eq!(queue.push(1, 100), Pushed::Kept);
        assert_eq!(queue.push(2, 101), Pushed::Full(2));
        assert_eq!(all(&mut queue), [1]);
    }

    #[test]
    fn a_batch_ends_at_its_bounds_and_where_the_next_does_not_go_with_the_first() {
        let mut queue = queue(10, 1_000, Overflow::Reject);
        [(10, 60), (11, 60), (12, 10), (20, 10), (21, 500)].into_iter().for_each(|(item, bytes)| _ = queue.push(item, bytes));
        let mut batch = |events_max, bytes_max| {
            let mut taken = Vec::new();
            queue.take(events_max, bytes_max, |one, other| one / 10 == other / 10, &mut taken);
            taken
        };
        assert_eq!(batch(8, 100), [10]);
        assert_eq!(batch(8, 100), [11, 12], "and not the next ten");
        assert_eq!(batch(1, 1_000), [20]);
        assert_eq!(batch(8, 100), [21], "one is taken whatever it has");
        assert!(batch(8, 100).is_empty());
    }

    #[test]
    fn narrower_bounds_drop_nothing_that_waits() {
        let mut queue = queue(3, 100, Overflow::Reject);
        (0..3).for_each(|item| _ = queue.push(item, 10));
        queue.rebound(Bounds { events_max: 1, bytes_max: 10 }, Overflow::DropOldest);
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.push(3, 10), Pushed::Displaced(3));
        assert_eq!((queue.clear(), queue.bytes()), (1, 0));
    }

    #[test]
    fn waiting_for_a_subscriber_is_more_than_hearing_of_it_and_that_more_than_nothing() {
        assert!(Overflow::DropOldest < Overflow::Reject && Overflow::Reject < Overflow::Block);
        assert_eq!(serde_json::to_string(&Overflow::default()).unwrap(), "\"drop-oldest\"");
    }
}
