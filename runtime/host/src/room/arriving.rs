//! Who is on the way into a room: those who wait for it to open, and those whom its event loop has not taken yet.
//!
//! Nobody here has begun, so whoever is turned away looks for another room and nothing was lost. Easily got wrong: a room that takes no more has to turn
//! them away itself and at once, or they would wait for those who are in it; and one that nobody waits for any more has to leave the line for a seat.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Room, Visit};

/// Those who come, in their order.
pub(super) struct Arriving {
    visits: UnboundedReceiver<Visit>,
    /// Those who came before it was open, to be taken first.
    early: VecDeque<Visit>,
}

impl Arriving {
    pub(super) fn new(visits: UnboundedReceiver<Visit>) -> Self {
        Self { visits, early: VecDeque::new() }
    }

    /// What the room waits for, as long as anybody waits for the room: it shuts where all have gone, away or elsewhere.
    pub(super) async fn unless_deserted<T>(&mut self, room: &Room, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = pin!(wait);
        poll_fn(|context| {
            // Before anything else: what is waited for may be there at once, and nobody to use it.
            while let Poll::Ready(Some(visit)) = self.visits.poll_recv(context) {
                self.early.push_back(visit);
            }
            self.early.retain_mut(|visit| {
                let stays = visit.told.poll_closed(context).is_pending();
                if !stays {
                    room.never_came();
                }
                stays
            });
            if room.shut_if_empty() { Poll::Ready(None) } else { wait.as_mut().poll(context).map(Some) }
        })
        .await
    }

    /// The next one, as soon as one comes.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Visit> {
        if let Some(visit) = self.early.pop_front() {
            return Poll::Ready(visit);
        }
        match self.visits.poll_recv(context) {
            Poll::Ready(Some(visit)) => Poll::Ready(visit),
            // The other end is the room's door, which is there for as long as this; after `turn_away` nobody asks.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The next one of those who are there.
    pub(super) fn next_there(&mut self) -> Option<Visit> {
        self.early.pop_front().or_else(|| self.visits.try_recv().ok())
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

    #[tokio::test]
    async fn a_room_waits_as_long_as_anybody_waits_for_it_and_shuts_when_the_last_has_gone() {
        let (room, mut arriving) = Room::of_test();
        let (first, is_told) = Visit::of_test();
        let (second, second_is_told) = Visit::of_test();
        assert!(room.let_in(first).is_ok() && room.let_in(second).is_ok());
        let mut waits = Box::pin(arriving.unless_deserted(&room, std::future::pending::<()>()));
        assert!(futures::poll!(&mut waits).is_pending());
        drop(is_told);
        assert!(futures::poll!(&mut waits).is_pending());
        assert_eq!(room.inside(0), Some(1));
        drop(second_is_told);
        assert_eq!(waits.await, None);
        assert!(room.inside(0).is_none());
    }

    #[tokio::test]
    async fn what_is_there_at_once_is_not_taken_for_nobody() {
        let (room, mut arriving) = Room::of_test();
        let (first, is_told) = Visit::of_test();
        assert!(room.let_in(first).is_ok());
        drop(is_told);
        assert_eq!(arriving.unless_deserted(&room, std::future::ready(())).await, None);
        assert!(room.inside(0).is_none());
    }

    #[tokio::test]
    async fn whoever_waited_for_a_room_is_taken_in_the_order_of_coming() {
        let (room, mut arriving) = Room::of_test();
        let mut told = Vec::new();
        let mut comes = || {
            let (visit, is_told) = Visit::of_test();
            told.push(is_told);
            let deadline = visit.deadline;
            assert!(room.let_in(visit).is_ok());
            deadline
        };
        let mut came = vec![comes(), comes()];
        let (open, is_open) = tokio::sync::oneshot::channel();
        let mut waits = Box::pin(arriving.unless_deserted(&room, is_open));
        assert!(futures::poll!(&mut waits).is_pending());
        came.push(comes());
        open.send(()).unwrap();
        assert_eq!(waits.await, Some(Ok(())));
        let taken: Vec<_> = std::iter::from_fn(|| arriving.next_there()).map(|visit| visit.deadline).collect();
        assert_eq!(taken, came);
    }
}
