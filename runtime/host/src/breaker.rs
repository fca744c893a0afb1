//! The breaker of one plugin, for calls from many threads: asked before each call and told after it.
//!
//! Not here: when it opens and for how long; `core::breaker` decides that. May be misread: while no fault counts, nothing is counted at all. A call
//! costs one look at a flag then, and a call that was let through that way says nothing when it succeeds.

use plugwork_core::breaker::{Admit, Breaker, BreakerState, Settings};

use crate::sync::{AtomicBool, Mutex, Ordering};

/// A breaker that many may ask.
pub(crate) struct Guarded {
    /// Closed, with no fault in it. Written only under the lock, so it is never older than what the last who held the lock knew.
    quiet: AtomicBool,
    breaker: Mutex<Breaker>,
}

/// A call that may begin. Dropped without [`done`](Guarded::done), it says nothing about the plugin; if it was the one to try, another may.
#[must_use = "dropped at once, it says that the call was given up"]
pub(crate) struct Permit<'a> {
    guarded: &'a Guarded,
    let_in: LetIn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LetIn {
    /// Past the flag alone.
    Quietly,
    Asked,
    Probe,
}

/// No call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    /// When it is worth asking again, from now.
    pub(crate) retry_after_ms: u64,
}

impl Guarded {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { quiet: AtomicBool::new(true), breaker: Mutex::new(Breaker::new(settings)) }
    }

    /// Asks for a call.
    #[inline]
    pub(crate) fn admit(&self, now_ms: u64) -> Result<Permit<'_>, Open> {
        let let_in = if self.quiet.load(Ordering::Acquire) { LetIn::Quietly } else { self.ask(now_ms)? };
        Ok(Permit { guarded: self, let_in })
    }

    /// Tells how the call ended: with a fault, or with an answer, which a refusal is too. True where this one opened the breaker.
    #[inline]
    pub(crate) fn done(&self, mut permit: Permit<'_>, now_ms: u64, faulted: bool) -> bool {
        debug_assert!(std::ptr::eq(self, permit.guarded), "a permit of another breaker");
        // Nothing is left for its drop to say.
        let let_in = std::mem::replace(&mut permit.let_in, LetIn::Quietly);
        match (let_in, faulted) {
            (LetIn::Quietly, false) => false,
            (_, true) => self.locked(|breaker| breaker.failed(now_ms, let_in == LetIn::Probe)),
            (_, false) => self.locked(|breaker| {
                breaker.succeeded(now_ms, let_in == LetIn::Probe);
                false
            }),
        }
    }

    /// As [`done`](Self::done), where the call says something of its plugin at all; else as if it had been given up.
    #[inline]
    pub(crate) fn told(&self, permit: Permit<'_>, now_ms: u64, faulted: Option<bool>) {
        match faulted {
            Some(faulted) => _ = self.done(permit, now_ms, faulted),
            None => drop(permit),
        }
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> BreakerState {
        self.locked(|breaker| breaker.state())
    }

    /// What is to be known by whoever goes on in its place; none where there is nothing to know. A call that tries meanwhile decides nothing there.
    pub(crate) fn left(&self) -> Option<Breaker> {
        self.locked(|breaker| (!breaker.is_quiet()).then(|| breaker.clone())).map(|mut breaker| {
            breaker.abandoned(true);
            breaker
        })
    }

    /// Goes on where another was left.
    pub(crate) fn go_on(&self, left: Breaker) {
        self.locked(|breaker| *breaker = left);
    }

    #[cold]
    fn ask(&self, now_ms: u64) -> Result<LetIn, Open> {
        match self.locked(|breaker| breaker.admit(now_ms)) {
            Admit::Yes => Ok(LetIn::Asked),
            Admit::Probe => Ok(LetIn::Probe),
            Admit::No { retry_after_ms } => Err(Open { retry_after_ms }),
        }
    }

    fn locked<R>(&self, act: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut breaker = self.breaker.lock().expect("no panic happens under this lock");
        let answer = act(&mut breaker);
        self.quiet.store(breaker.is_quiet(), Ordering::Release);
        answer
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.let_in == LetIn::Probe {
            self.guarded.locked(|breaker| breaker.abandoned(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::check;

    fn guarded() -> Guarded {
        Guarded::new(Settings { faults: 2, window_ms: 100, open_ms: 50 })
    }

    /// Makes a call that ends at once.
    fn call(guarded: &Guarded, now_ms: u64, faulted: bool) -> Result<bool, u64> {
        let permit = guarded.admit(now_ms).map_err(|open| open.retry_after_ms)?;
        Ok(guarded.done(permit, now_ms, faulted))
    }

    #[test]
    fn enough_faults_open_it_and_one_less_does_not() {
        check(|| {
            let guarded = guarded();
            assert_eq!((call(&guarded, 0, false), call(&guarded, 0, true), call(&guarded, 0, false)), (Ok(false), Ok(false), Ok(false)));
            assert_eq!((call(&guarded, 0, true), call(&guarded, 0, false)), (Ok(true), Err(50)));
            assert_eq!(guarded.state(), BreakerState::Open { until_ms: 50 });
        });
    }

    #[test]
    fn it_is_quiet_again_once_its_faults_are_old() {
        check(|| {
            let guarded = guarded();
            assert_eq!(call(&guarded, 0, true), Ok(false));
            assert!(!guarded.quiet.load(Ordering::Acquire));
            assert_eq!(call(&guarded, 100, false), Ok(false));
            assert!(guarded.quiet.load(Ordering::Acquire));
        });
    }

    #[test]
    fn a_probe_that_succeeds_closes_it_and_one_that_is_given_up_lets_another_try() {
        check(|| {
            let guarded = guarded();
            let late = guarded.admit(0).unwrap();
            assert_eq!((call(&guarded, 0, true), call(&guarded, 0, true)), (Ok(false), Ok(true)));
            let probe = guarded.admit(50).unwrap();
            assert_eq!(call(&guarded, 50, false), Err(50), "one probe at a time");
            assert!(!guarded.done(late, 50, false), "a call from before decides nothing");
            assert_eq!(guarded.state(), BreakerState::HalfOpen);
            drop(probe);
            assert_eq!((call(&guarded, 51, false), call(&guarded, 51, false)), (Ok(false), Ok(false)));
            assert!(guarded.quiet.load(Ordering::Acquire));
        });
    }

    #[test]
    fn a_call_that_is_given_up_says_nothing() {
        check(|| {
            let guarded = guarded();
            assert_eq!(call(&guarded, 0, true), Ok(false));
            drop(guarded.admit(0).unwrap());
            assert_eq!((guarded.state(), call(&guarded, 0, true)), (BreakerState::Closed, Ok(true)));
        });
    }

    #[test]
    fn a_probe_that_says_nothing_closes_nothing_and_lets_another_try() {
        check(|| {
            let guarded = guarded();
            assert_eq!((call(&guarded, 0, true), call(&guarded, 0, true)), (Ok(false), Ok(true)));
            guarded.told(guarded.admit(50).unwrap(), 50, None);
            assert_ne!(guarded.state(), BreakerState::Closed);
            guarded.told(guarded.admit(51).unwrap(), 51, Some(false));
            assert_eq!(guarded.state(), BreakerState::Closed);
        });
    }

    #[test]
    fn another_goes_on_where_it_was_left() {
        check(|| {
            let (before, after) = (guarded(), guarded());
            assert!(before.left().is_none(), "nothing is to be known");
            assert_eq!(call(&before, 0, true), Ok(false));
            after.go_on(before.left().unwrap());
            assert_eq!((call(&after, 0, true), call(&after, 0, false)), (Ok(true), Err(50)));
            let probe = after.admit(50).unwrap();
            let last = guarded();
            last.go_on(after.left().unwrap());
            assert_eq!((call(&last, 50, false), last.state()), (Ok(false), BreakerState::Closed), "whoever tried before is not waited for");
            drop(probe);
        });
    }
}
