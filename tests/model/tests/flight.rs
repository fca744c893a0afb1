//! One flight for many, in every order: there is never more than one leader, all get what it made, and whoever vanishes, nobody waits for ever.
//!
//! May be misread: `flight` below is the host's own file. That nobody waits for ever is checked by loom: threads that all wait are a deadlock, which
//! fails the model.

#[path = "../../../runtime/host/src/flight.rs"]
mod flight;

mod sync {
    pub(crate) use loom::model as check;
    pub(crate) use loom::sync::{Arc, Mutex};
}

// `std`'s where a test keeps its books: they are no part of what is checked, and each of loom's would multiply the orders.
use std::sync::atomic::{AtomicU32, Ordering};

use flight::{Flight, Joined, Landed};
use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

/// Every order with at most two forced switches: without a bound some of these take minutes, and a race needs one or two.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(test);
}

#[derive(Default)]
struct Seen {
    flight: Flight<u32>,
    leading: AtomicU32,
    landed: AtomicU32,
}

impl Seen {
    /// Takes part until there is a result; does the work where it is to.
    fn fly(&self) -> u32 {
        block_on(self.flight.fly(|| async {
            assert_eq!(self.leading.fetch_add(1, Ordering::SeqCst), 0, "two lead");
            // The work: others run meanwhile.
            thread::yield_now();
            let landed = self.landed.fetch_add(1, Ordering::SeqCst) + 1;
            self.leading.fetch_sub(1, Ordering::SeqCst);
            landed
        }))
    }

    /// Takes part and vanishes: as a leader before its work is done, as a waiter before it is answered.
    fn vanish(&self) {
        match self.flight.join() {
            Joined::Lead(leader) => {
                assert_eq!(self.leading.fetch_add(1, Ordering::SeqCst), 0, "two lead");
                thread::yield_now();
                self.leading.fetch_sub(1, Ordering::SeqCst);
                drop(leader);
            }
            Joined::Wait(waiter) => drop(waiter),
        }
    }
}

fn together(acts: [fn(&Seen) -> Option<u32>; 2], here: fn(&Seen) -> Option<u32>) {
    model(move || {
        let seen = Arc::new(Seen::default());
        let threads: Vec<_> = acts
            .iter()
            .map(|act| {
                let (seen, act) = (seen.clone(), *act);
                thread::spawn(move || act(&seen))
            })
            .collect();
        let mut results = vec![here(&seen)];
        results.extend(threads.into_iter().map(|thread| thread.join().expect("it does not panic")));
        let landed = seen.landed.load(Ordering::SeqCst);
        for result in results.into_iter().flatten() {
            assert!((1..=landed).contains(&result), "{result} was never made");
        }
        // Nothing is left behind: the next one leads, and at once.
        assert!(matches!(seen.flight.join(), Joined::Lead(_)));
    });
}

#[test]
fn all_who_fly_arrive() {
    together([|seen| Some(seen.fly()), |seen| Some(seen.fly())], |seen| Some(seen.fly()));
}

#[test]
fn all_arrive_although_one_vanishes() {
    together([|seen| Some(seen.fly()), |seen| Some(seen.fly())], |seen| {
        seen.vanish();
        None
    });
}

#[test]
fn one_arrives_although_two_vanish() {
    let vanish = |seen: &Seen| {
        seen.vanish();
        None
    };
    together([vanish, vanish], |seen| Some(seen.fly()));
}

#[test]
fn who_waited_before_it_landed_has_what_landed_and_no_work() {
    model(|| {
        let flight = Arc::new(Flight::<u32>::default());
        let Joined::Lead(leader) = flight.join() else { panic!("nobody leads yet") };
        let Joined::Wait(waiter) = flight.join() else { panic!("somebody leads") };
        let waits = thread::spawn(move || matches!(block_on(waiter), Landed::Done(7)));
        leader.land(7);
        assert!(waits.join().unwrap());
    });
}

#[test]
fn who_waited_for_one_that_vanished_leads() {
    model(|| {
        let flight = Arc::new(Flight::<u32>::default());
        let Joined::Lead(leader) = flight.join() else { panic!("nobody leads yet") };
        let Joined::Wait(waiter) = flight.join() else { panic!("somebody leads") };
        let waits = thread::spawn(move || matches!(block_on(waiter), Landed::Lead(_)));
        drop(leader);
        assert!(waits.join().unwrap());
        assert!(matches!(flight.join(), Joined::Lead(_)));
    });
}
