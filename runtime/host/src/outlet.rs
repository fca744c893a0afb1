//! Where the log records of one runtime go: to the application's sink, and to whoever observes the runtime.
//!
//! Not here: limits and rates, which a record has passed by now. Easily got wrong: an observer may come and go while plugins write, so it is looked
//! up for each record.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use plugwork_core::{Clock, Subject};

use crate::cause::Cause;
use crate::log::{Level, Sink};
use crate::observer::Ring;

/// The way out for all records of a runtime.
pub(crate) struct Outlet {
    sink: Option<Arc<dyn Sink>>,
    clock: Arc<dyn Clock>,
    kept: ArcSwapOption<Ring>,
    observers: Mutex<usize>,
}

impl Outlet {
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, clock: Arc<dyn Clock>) -> Self {
        Self { sink, clock, kept: ArcSwapOption::empty(), observers: Mutex::new(0) }
    }

    /// From here on records are kept too, in one place for all who observe, until each of them has said [`forgets`](Self::forgets).
    pub(crate) fn keeps(&self) -> Arc<Ring> {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        *observers += 1;
        let ring = self.kept.load_full().unwrap_or_default();
        self.kept.store(Some(ring.clone()));
        ring
    }

    /// One observer fewer. With the last of them goes what was kept.
    pub(crate) fn forgets(&self) {
        let mut observers = self.observers.lock().unwrap_or_else(PoisonError::into_inner);
        *observers = observers.saturating_sub(1);
        if *observers == 0 {
            self.kept.store(None);
        }
    }
}

impl Sink for Outlet {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self.record_for(subject, None, level, message);
    }

    fn record_for(&self, subject: &Subject, cause: Option<&Cause>, level: Level, message: &str) {
        if let Some(ring) = &*self.kept.load() {
            ring.keep(self.clock.now_ms(), subject, level, message);
        }
        if let Some(sink) = &self.sink {
            sink.record_for(subject, cause, level, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::Digest;

    /// Time stands still.
    struct Still;

    impl Clock for Still {
        fn now_ms(&self) -> u64 {
            7
        }
    }

    #[test]
    fn all_who_observe_are_told_of_the_same_and_one_that_goes_takes_nothing_along() {
        let outlet = Outlet::new(None, Arc::new(Still));
        let package = "test:guest".parse().unwrap();
        let subject = Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: Digest::of(b"") };
        let says = |message: &str| outlet.record(&subject, Level::Info, message);
        let told = |ring: &Ring| ring.after(0, None).records.into_iter().map(|kept| kept.message).collect::<Vec<_>>();
        says("nobody listens");
        let first = outlet.keeps();
        says("one");
        let second = outlet.keeps();
        says("two");
        assert_eq!((told(&first), told(&second)), (vec!["one".to_owned(), "two".to_owned()], told(&first)));
        outlet.forgets();
        says("three");
        assert_eq!(told(&first), ["one", "two", "three"]);
        outlet.forgets();
        says("nobody listens");
        assert_eq!(told(&first).len(), 3);
        assert!(told(&outlet.keeps()).is_empty(), "it begins anew");
    }
}
