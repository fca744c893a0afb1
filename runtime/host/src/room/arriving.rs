//! Who is on the way into a room: those who wait for it to open, and those whom its event loop has not taken yet.
//!
//! Nobody here has begun, so whoever is turned away looks for another room and nothing was lost. Easily got wrong: a room that takes no more has to turn
//! them away itself and at once; kept, they would wait for those who are in it.

use std::task::{Context, Poll};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Room, Visit};

/// Those who come, in their order.
pub(super) struct Arriving {
    visits: UnboundedReceiver<Visit>,
}

impl Arriving {
    pub(super) fn new(visits: UnboundedReceiver<Visit>) -> Self {
        Self { visits }
    }

    /// The next one, as soon as one comes.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Visit> {
        match self.visits.poll_recv(context) {
            Poll::Ready(Some(visit)) => Poll::Ready(visit),
            // The other end is the room's door, which is there for as long as this; after `turn_away` nobody asks.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next one of those who are there.
    pub(super) fn next_there(&mut self) -> Option<Visit> {
        self.visits.try_recv().ok()
    }

    /// The room takes no more: it shuts, and whoever is on the way to it finds the visit dropped.
    pub(super) fn turn_away(&mut self, room: &Room) {
        if self.visits.is_closed() {
            return;
        }
        // Shut first: whoever is let in before that is found below, and nobody is after it.
        room.shut();
        self.visits.close();
        while self.next_there().is_some() {
            room.never_came();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_room_that_takes_no_more_turns_away_all_who_are_on_the_way_and_is_shut() {
        let (room, mut arriving) = Room::of_test();
        let mut told = Vec::new();
        for _ in 0..3 {
            let (visit, is_told) = Visit::of_test();
            assert!(room.let_in(visit).is_ok());
            told.push(is_told);
        }
        assert_eq!(room.inside(0), Some(3));
        arriving.turn_away(&room);
        for is_told in told {
            assert!(is_told.await.is_err(), "it never began");
        }
        assert!(room.let_in(Visit::of_test().0).is_err());
        assert!(room.inside(0).is_none() && room.shut_if_empty());
    }
}
