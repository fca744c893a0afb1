//! What stays in the hands of one who made a visit: where its end is told, and its way from a room that waits to one with a place.
//!
//! Not here: when it looks, and what it does with its answer (`visit`). Easily got wrong: whoever waits for a room keeps its turn there, and that room its turn
//! in the line for a seat, until it is in another one for sure; so the request moves under the locks of both, and nothing is given up before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::oneshot;

use super::{Room, Rooms, Told, Visit};
use crate::interfaces::http::Incoming;

/// One visit, seen from outside.
pub(super) struct Ticket {
    /// The request, for as long as nobody has begun it.
    pub(super) incoming: Incoming,
    pub(super) told: oneshot::Receiver<Told>,
    /// Dropped with this: then the visit was given up.
    _stays: oneshot::Sender<()>,
}

impl Visit {
    /// A visit on its way, and what stays with whoever makes it.
    pub(super) fn new(incoming: Incoming, began: Instant, deadline: Instant) -> (Self, Ticket) {
        let (told, is_told) = oneshot::channel();
        let (stays, given_up) = oneshot::channel();
        let ticket = Ticket { incoming: incoming.clone(), told: is_told, _stays: stays };
        (Self { incoming, began, deadline, told, given_up }, ticket)
    }
}

impl Rooms {
    /// Rooms that have begun and have a place, and how many are in each.
    pub(super) fn with_place<'a>(&self, open: &'a [Arc<Room>], now_ms: u64) -> impl Iterator<Item = (u32, &'a Arc<Room>)> {
        let begun = open.iter().filter(|room| room.has_begun.load(Ordering::Relaxed));
        begun.filter_map(move |room| room.inside(now_ms).filter(|inside| *inside < self.at_once).map(|inside| (inside, room)))
    }

    /// One who waits for a room to open was told of a place: goes to the emptiest that has begun and has one, also where its guest works, because a new
    /// one is not to be had. Nothing has changed where this is none. Whatever comes of it, a place that is left is told to the next.
    pub(super) fn change(&self, from: &Incoming, began: Instant, deadline: Instant, now_ms: u64) -> Option<(Arc<Room>, Ticket)> {
        let open = self.open.lock().expect("no panic happens under this lock");
        let (_, room) = self.with_place(&open, now_ms).min_by_key(|(inside, _)| *inside)?;
        let moved = room.let_in_from(from, began, deadline).map(|ticket| (room.clone(), ticket));
        // Told once, there may be several; and one that began elsewhere in this moment needs none.
        if self.with_place(&open, now_ms).next().is_some() {
            self.has_place();
        }
        moved
    }
}

impl Room {
    /// Lets in a request that nobody has begun, unless it is shut.
    fn let_in_from(&self, from: &Incoming, began: Instant, deadline: Instant) -> Option<Ticket> {
        self.door(|door| {
            if door.is_shut || door.left == 0 {
                return None;
            }
            let (visit, ticket) = Visit::new(Incoming::of(from.take()?), began, deadline);
            // Where the other end is gone, it comes back in the same moment.
            if let Err(visit) = door.enter(visit) {
                visit.incoming.take().into_iter().for_each(|handed| from.put(handed));
                return None;
            }
            Some(ticket)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::arriving::Arriving;
    use super::*;

    /// Rooms for two at once, of which so many have begun, each with where one arrives.
    fn rooms(begun: usize) -> (Rooms, Vec<(Arc<Room>, Arriving)>) {
        let rooms = Rooms::new(100, 2);
        let all: Vec<_> = std::iter::repeat_with(Room::of_test).take(begun).map(|(room, arriving)| (Arc::new(room), arriving)).collect();
        for (room, _) in &all {
            room.has_begun.store(true, Ordering::Relaxed);
            // It works at this moment: so does one that tells of a place.
            room.is_working.store(true, Ordering::Relaxed);
            rooms.open.lock().unwrap().push(room.clone());
        }
        (rooms, all)
    }

    /// One that waits in a room of its own.
    fn waits() -> (Room, Arriving, Ticket) {
        let (room, arriving) = Room::of_test();
        let (visit, ticket) = Visit::new(Visit::of_test().0.incoming, Instant::now(), Instant::now());
        assert!(room.let_in(visit).is_ok());
        (room, arriving, ticket)
    }

    fn change(rooms: &Rooms, ticket: &Ticket) -> Option<(Arc<Room>, Ticket)> {
        rooms.change(&ticket.incoming, Instant::now(), Instant::now(), 0)
    }

    /// Whether somebody is told of a place next.
    async fn is_told(rooms: &Rooms) -> bool {
        futures::poll!(std::pin::pin!(rooms.place.notified())).is_ready()
    }

    #[tokio::test]
    async fn a_place_is_taken_also_where_the_guest_works_and_the_old_room_is_left() {
        let (rooms, mut all) = rooms(1);
        let (old, mut old_arriving, ticket) = waits();
        let (room, _ticket) = change(&rooms, &ticket).unwrap();
        assert_eq!((room.inside(0), all[0].1.next_there().is_some()), (Some(1), true));
        drop(ticket);
        assert_eq!(old_arriving.unless_deserted(&old, std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn where_no_room_has_a_place_whoever_waits_keeps_its_own() {
        let (rooms, all) = rooms(3);
        let [(full, _), (shut, _), (unbegun, _)] = &all[..] else { unreachable!() };
        let others: Vec<_> =
            std::iter::repeat_with(Visit::of_test).take(2).map(|(visit, told)| (full.let_in(visit).is_ok(), told)).collect();
        shut.shut();
        unbegun.has_begun.store(false, Ordering::Relaxed);
        let (old, _arriving, ticket) = waits();
        assert!(change(&rooms, &ticket).is_none());
        assert_eq!((old.inside(0), others.len()), (Some(1), 2));
        assert!(ticket.incoming.take().is_some(), "its request is where it was");
        assert!(!is_told(&rooms).await, "there is nothing to tell");
    }

    #[tokio::test]
    async fn places_that_are_left_are_told_to_the_next() {
        let (rooms, _all) = rooms(1);
        let (first, second) = (waits(), waits());
        let one = change(&rooms, &first.2);
        assert!(one.is_some() && is_told(&rooms).await, "one place is left");
        let two = change(&rooms, &second.2);
        assert!(two.is_some() && !is_told(&rooms).await, "none is");
    }

    #[tokio::test]
    async fn a_request_that_began_in_this_moment_stays_and_its_place_is_for_the_next() {
        let (rooms, mut all) = rooms(1);
        let (_old, _arriving, ticket) = waits();
        let _begun = ticket.incoming.take();
        assert!(change(&rooms, &ticket).is_none());
        assert!(is_told(&rooms).await && all[0].1.next_there().is_none());
        assert_eq!(all[0].0.inside(0), Some(0));
    }

    #[tokio::test]
    async fn a_request_comes_back_from_a_room_that_went_away() {
        let (rooms, mut all) = rooms(1);
        drop(all.pop());
        let (_old, _arriving, ticket) = waits();
        assert!(change(&rooms, &ticket).is_none());
        assert!(ticket.incoming.take().is_some());
    }
}
