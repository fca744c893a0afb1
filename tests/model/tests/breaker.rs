//! The breaker as many threads ask it, in every order: enough faults open it, of those who ask while it is half open one tries, and a probe that
//! vanishes does not keep its place.
//!
//! May be misread: `breaker` below is the host's own file; the rules behind it are `core::breaker`, which has tests of its own.

#[path = "../../../runtime/host/src/breaker.rs"]
mod breaker;

mod sync {
    pub(crate) use loom::model as check;
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
}

use breaker::Guarded;
use loom::sync::Arc;
use loom::thread;
use plugwork_core::breaker::{BreakerState, Settings};

/// Every order with at most three forced switches: without a bound some of these take minutes, and a race needs one or two.
fn model(test: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(test);
}

const SETTINGS: Settings = Settings { faults: 2, window_ms: 100, open_ms: 50 };

/// Makes a call; whether it was let in, and whether it opened the breaker.
fn call(guarded: &Guarded, now_ms: u64, faulted: bool) -> (bool, bool) {
    match guarded.admit(now_ms) {
        Ok(permit) => (true, guarded.done(permit, now_ms, faulted)),
        Err(_) => (false, false),
    }
}

fn opened() -> Arc<Guarded> {
    let guarded = Arc::new(Guarded::new(SETTINGS));
    assert_eq!((call(&guarded, 0, true), call(&guarded, 0, true)), ((true, false), (true, true)));
    guarded
}

/// Runs what two other threads and this one do with it.
fn three<T: 'static>(guarded: &Arc<Guarded>, act: fn(&Guarded) -> T) -> Vec<T> {
    let others: Vec<_> = (0..2)
        .map(|_| {
            let guarded = guarded.clone();
            thread::spawn(move || act(&guarded))
        })
        .collect();
    let mut done = vec![act(guarded)];
    done.extend(others.into_iter().map(|other| other.join().expect("it does not panic")));
    done
}

#[test]
fn enough_faults_open_it_and_exactly_one_of_them_did() {
    model(|| {
        let guarded = Arc::new(Guarded::new(SETTINGS));
        let done = three(&guarded, |guarded| call(guarded, 0, true));
        assert_eq!(done.iter().filter(|(_, opened)| *opened).count(), 1);
        assert_eq!(guarded.state(), BreakerState::Open { until_ms: 50 });
        assert_eq!(call(&guarded, 49, false), (false, false), "nobody gets past the flag of an open breaker");
    });
}

#[test]
fn successes_beside_them_do_not_hide_faults() {
    model(|| {
        let guarded = Arc::new(Guarded::new(SETTINGS));
        let theirs = guarded.clone();
        let faults = thread::spawn(move || (call(&theirs, 0, true), call(&theirs, 0, true)));
        assert!(!call(&guarded, 0, false).1);
        assert_eq!(faults.join().unwrap(), ((true, false), (true, true)));
        assert_eq!(call(&guarded, 0, false), (false, false));
    });
}

#[test]
fn a_success_that_forgets_old_faults_does_not_hide_new_ones() {
    model(|| {
        let guarded = Arc::new(Guarded::new(SETTINGS));
        assert_eq!(call(&guarded, 0, true), (true, false));
        // That fault counts no more at 100: this success makes the breaker quiet, if it comes before the new faults.
        let theirs = guarded.clone();
        let success = thread::spawn(move || call(&theirs, 100, false));
        assert_eq!((call(&guarded, 100, true), call(&guarded, 100, true)), ((true, false), (true, true)));
        success.join().unwrap();
        assert_eq!(call(&guarded, 100, false), (false, false));
    });
}

#[test]
fn of_those_who_ask_while_it_is_half_open_exactly_one_tries() {
    model(|| {
        let guarded = opened();
        // Forgotten permits: none of the calls ends before all have asked.
        let let_in = three(&guarded, |guarded| guarded.admit(50).map(std::mem::forget).is_ok());
        assert_eq!(let_in.iter().filter(|let_in| **let_in).count(), 1);
        assert_eq!(guarded.state(), BreakerState::HalfOpen);
    });
}

#[test]
fn a_probe_that_fails_keeps_it_shut_and_one_that_succeeds_lets_all_in() {
    model(|| {
        let guarded = opened();
        let failed = three(&guarded, |guarded| call(guarded, 50, true));
        assert_eq!(failed.iter().filter(|(let_in, _)| *let_in).count(), 1);
        assert_eq!(guarded.state(), BreakerState::Open { until_ms: 100 });
        assert_eq!(call(&guarded, 100, false), (true, false));
        assert_eq!(call(&guarded, 100, false), (true, false));
    });
}

#[test]
fn a_probe_that_vanishes_leaves_its_place_to_another() {
    model(|| {
        let guarded = opened();
        three(&guarded, |guarded| drop(guarded.admit(50)));
        assert_eq!(guarded.state(), BreakerState::HalfOpen);
        assert_eq!(call(&guarded, 51, false), (true, false));
        assert_eq!(guarded.state(), BreakerState::Closed);
    });
}

#[test]
fn whoever_goes_on_knows_of_every_fault_that_was_told_before() {
    model(|| {
        let before = Arc::new(Guarded::new(SETTINGS));
        assert_eq!(call(&before, 0, true), (true, false));
        let theirs = before.clone();
        let fault = thread::spawn(move || call(&theirs, 0, true));
        let after = Guarded::new(SETTINGS);
        after.go_on(before.left().expect("a fault counts"));
        fault.join().unwrap();
        // Whether the other fault came before it was left or after it: one more is enough.
        call(&after, 0, true);
        assert_eq!(after.state(), BreakerState::Open { until_ms: 50 });
        assert_eq!(call(&after, 0, false), (false, false));
    });
}
