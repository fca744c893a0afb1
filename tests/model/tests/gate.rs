//! The gate of a generation, in every order: after it closed nobody enters, everybody who entered is waited for, and the last is told once.
//!
//! May be misread: `gate` below is the host's own file.

#[path = "../../../runtime/host/src/gate.rs"]
mod gate;

mod sync {
    pub(crate) use loom::model as check;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
}

// `std`'s where a test keeps its books: they are no part of what is checked, and each of loom's would multiply the orders.
use std::sync::atomic::{AtomicBool, AtomicU32};

use gate::Gate;
use loom::thread;
use sync::{Arc, Ordering};

/// Every order with at most three forced switches: without a bound some of these take minutes, and a race needs one or two.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

#[derive(Default)]
struct Seen {
    gate: Gate,
    closed: AtomicBool,
    lasts: AtomicU32,
    entered: AtomicU32,
}

impl Seen {
    /// One call, if it is let in.
    fn call(&self) {
        let closed_before = self.closed.load(Ordering::SeqCst);
        if !self.gate.enter() {
            return;
        }
        assert!(!closed_before, "let in after it closed");
        self.entered.fetch_add(1, Ordering::SeqCst);
        if self.gate.leave() {
            assert!(self.gate.closed_and_empty());
            self.lasts.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn the_last_to_leave_is_told_exactly_once_and_only_where_somebody_was_in() {
    model(|| {
        let seen = Arc::new(Seen::default());
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let seen = seen.clone();
                thread::spawn(move || seen.call())
            })
            .collect();
        seen.gate.close();
        // What `generation` does: from here on either nobody is in, or the last will be told.
        let somebody_was_in = seen.gate.in_flight() > 0;
        seen.closed.store(true, Ordering::SeqCst);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        assert!(seen.gate.closed_and_empty());
        let lasts = seen.lasts.load(Ordering::SeqCst);
        assert!(lasts <= 1, "told {lasts} times");
        assert!(!somebody_was_in || lasts == 1, "who waits would wait for ever");
        assert!(lasts == 0 || seen.entered.load(Ordering::SeqCst) > 0);
    });
}

#[test]
fn whoever_sees_it_empty_sees_what_the_calls_did() {
    model(|| {
        let shared = Arc::new((Gate::default(), loom::sync::atomic::AtomicU32::new(0)));
        let theirs = shared.clone();
        let caller = thread::spawn(move || {
            let entered = theirs.0.enter();
            if entered {
                // Relaxed: only the gate itself can make this visible.
                theirs.1.store(1, Ordering::Relaxed);
                theirs.0.leave();
            }
            entered
        });
        shared.0.close();
        let seen = shared.0.closed_and_empty().then(|| shared.1.load(Ordering::Relaxed));
        let entered = caller.join().unwrap();
        assert!(
            seen.is_none_or(|value| value == u32::from(entered)),
            "it looked empty, but {seen:?} was seen of a call that was in: {entered}"
        );
    });
}

#[test]
fn of_two_who_close_it_each_may_wait_for_the_one_who_is_told() {
    model(|| {
        let gate = Arc::new(Gate::default());
        assert!(gate.enter());
        let closers: Vec<_> = (0..2)
            .map(|_| {
                let gate = gate.clone();
                thread::spawn(move || {
                    gate.close();
                    assert!(!gate.enter(), "let in after it closed");
                    gate.in_flight() > 0
                })
            })
            .collect();
        let last = gate.leave();
        for closer in closers {
            assert!(!closer.join().unwrap() || last, "who waits would wait for ever");
        }
        assert!(gate.closed_and_empty());
    });
}
