//! One flight for many: of those who want the same thing at once, one does the work and all get what came of it.
//!
//! Not here: the work, and what it made; nothing is kept after the last who waited has it. May be misread: a leader may vanish in the middle, as
//! any future may be dropped. Then one of those who wait leads, and begins from the start.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::sync::{Arc, Mutex};

/// What many may want at once.
pub(crate) struct Flight<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// Whether somebody does the work, or was chosen to.
    led: bool,
    /// Who waits, in the order of arrival.
    waiting: BTreeMap<u64, Seat<T>>,
    arrivals: u64,
}

enum Seat<T> {
    Waits(Option<Waker>),
    /// Chosen to lead, but not polled since.
    Leads,
    Has(Arc<T>),
}

/// What became of a call that joined.
pub(crate) enum Joined<T> {
    /// It is to do the work.
    Lead(Leader<T>),
    /// Another does it.
    Wait(Waiter<T>),
}

/// What became of a call that waited.
pub(crate) enum Landed<T> {
    /// What the work came to.
    Done(T),
    /// Who did the work has vanished: this one is to do it.
    Lead(Leader<T>),
}

/// The duty to do the work. Dropped without [`land`](Self::land), it passes to one of those who wait.
pub(crate) struct Leader<T>(Option<Flight<T>>);

/// Waits for what the work comes to.
pub(crate) struct Waiter<T> {
    flight: Flight<T>,
    /// `None` once it was answered.
    seat: Option<u64>,
}

impl<T> Default for Flight<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { led: false, waiting: BTreeMap::new(), arrivals: 0 })))
    }
}

impl<T> Flight<T> {
    /// Leads where nobody does, waits otherwise.
    pub(crate) fn join(&self) -> Joined<T> {
        let seat = self.locked(|state| {
            if !state.led {
                state.led = true;
                return None;
            }
            state.arrivals += 1;
            state.waiting.insert(state.arrivals, Seat::Waits(None));
            Some(state.arrivals)
        });
        match seat {
            None => Joined::Lead(self.leader()),
            Some(_) => Joined::Wait(Waiter { flight: self.share(), seat }),
        }
    }

    fn leader(&self) -> Leader<T> {
        Leader(Some(self.share()))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// The one who led does not any more: the next who waits does, or nobody.
    fn pass_on(&self) {
        let waker = self.locked(|state| {
            let next = state.waiting.values_mut().find(|seat| matches!(seat, Seat::Waits(_)));
            match next.map(|seat| std::mem::replace(seat, Seat::Leads)) {
                Some(Seat::Waits(waker)) => waker,
                _ => {
                    state.led = false;
                    None
                }
            }
        });
        waker.into_iter().for_each(Waker::wake);
    }

    fn locked<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        act(&mut self.0.lock().expect("no panic happens under this lock"))
    }
}

impl<T: Clone> Flight<T> {
    /// Does the work, or waits for who does it. `work` is called at most once, where it is this call that leads.
    pub(crate) async fn fly<F>(&self, work: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let leader = match self.join() {
            Joined::Lead(leader) => leader,
            Joined::Wait(waiter) => match waiter.await {
                Landed::Done(made) => return made,
                Landed::Lead(leader) => leader,
            },
        };
        let made = work().await;
        leader.land(made.clone());
        made
    }
}

impl<T> Leader<T> {
    /// Gives what the work came to to all who wait. Who joins after that leads anew.
    pub(crate) fn land(mut self, made: T) {
        let made = Arc::new(made);
        let flight = self.0.take().expect("present until it landed");
        let wakers: Vec<Waker> = flight.locked(|state| {
            state.led = false;
            let seats = state.waiting.values_mut().filter(|seat| matches!(seat, Seat::Waits(_)));
            let woken = seats.filter_map(|seat| match std::mem::replace(seat, Seat::Has(made.clone())) {
                Seat::Waits(waker) => waker,
                Seat::Leads | Seat::Has(_) => None,
            });
            woken.collect()
        });
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Leader<T> {
    fn drop(&mut self) {
        if let Some(flight) = self.0.take() {
            flight.pass_on();
        }
    }
}

impl<T: Clone> Future for Waiter<T> {
    type Output = Landed<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed<T>> {
        let seat = self.seat.expect("a waiter is not polled after its answer");
        // Made before the lock is taken and dropped after it is given back: wakers are other people's code.
        let mut waker = Some(context.waker().clone());
        let taken = self.flight.locked(|state| match state.waiting.get_mut(&seat).expect("it has its seat until it is answered") {
            Seat::Waits(last) => {
                std::mem::swap(last, &mut waker);
                None
            }
            Seat::Leads | Seat::Has(_) => state.waiting.remove(&seat),
        });
        let landed = match taken {
            None => return Poll::Pending,
            Some(Seat::Has(made)) => Landed::Done(T::clone(&made)),
            Some(_) => Landed::Lead(self.flight.leader()),
        };
        self.seat = None;
        Poll::Ready(landed)
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let Some(seat) = self.seat else { return };
        if let Some(Seat::Leads) = self.flight.locked(|state| state.waiting.remove(&seat)) {
            // Chosen and gone: the next one then.
            self.flight.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use super::*;
    use crate::sync::check;

    fn leader<T>(flight: &Flight<T>) -> Leader<T> {
        let Joined::Lead(leader) = flight.join() else { panic!("somebody leads already") };
        leader
    }

    fn waiter<T>(flight: &Flight<T>) -> Waiter<T> {
        let Joined::Wait(waiter) = flight.join() else { panic!("nobody leads") };
        waiter
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn now<T: Clone>(mut waiter: Waiter<T>) -> Landed<T> {
        let Poll::Ready(landed) = poll(Pin::new(&mut waiter)) else { panic!("it still waits") };
        landed
    }

    #[test]
    fn one_does_the_work_and_all_have_it() {
        check(|| {
            let flight = Flight::default();
            let (leads, mut first, second) = (leader(&flight), waiter(&flight), waiter(&flight));
            assert!(poll(Pin::new(&mut first)).is_pending());
            leads.land(7);
            assert!(matches!((now(first), now(second)), (Landed::Done(7), Landed::Done(7))));
            assert!(flight.locked(|state| state.waiting.is_empty()), "nothing is kept");
        });
    }

    #[test]
    fn who_comes_after_it_landed_leads_anew() {
        check(|| {
            let flight = Flight::default();
            let (leads, late) = (leader(&flight), waiter(&flight));
            leads.land(1);
            leader(&flight).land(2);
            assert!(matches!(now(late), Landed::Done(1)), "who waited for the first has the first");
        });
    }

    #[test]
    fn a_leader_that_vanishes_passes_on_to_who_waits_longest() {
        check(|| {
            let flight = Flight::default();
            let (leads, first, mut second) = (leader(&flight), waiter(&flight), waiter(&flight));
            drop(leads);
            let Landed::Lead(leads) = now(first) else { panic!("it does not lead") };
            assert!(poll(Pin::new(&mut second)).is_pending());
            let third = waiter(&flight);
            leads.land(3);
            assert!(matches!((now(second), now(third)), (Landed::Done(3), Landed::Done(3))));
        });
    }

    #[test]
    fn one_that_was_chosen_and_vanishes_passes_on() {
        check(|| {
            let flight = Flight::<u8>::default();
            let (leads, first, gone, last) = (leader(&flight), waiter(&flight), waiter(&flight), waiter(&flight));
            drop(gone);
            drop(leads);
            drop(first);
            drop(now(last));
            drop(leader(&flight));
            assert!(!flight.locked(|state| state.led), "nobody is left");
        });
    }

    #[test]
    fn flies_once_for_all() {
        check(|| {
            let flight = Flight::default();
            let mut vanishes = Box::pin(flight.fly(pending::<u8>));
            assert!(poll(vanishes.as_mut()).is_pending());
            let mut second = pin!(flight.fly(|| async { 2 }));
            let mut third = pin!(flight.fly(|| async { unreachable!("another does the work") }));
            assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
            drop(vanishes);
            assert_eq!((poll(second), poll(third)), (Poll::Ready(2), Poll::Ready(2)));
        });
    }
}
