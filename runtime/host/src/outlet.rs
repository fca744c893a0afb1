//! Where the log records of one runtime go: to the application's sink, and to whoever observes the runtime.
//!
//! Not here: limits and rates, which a record has passed by now. Easily got wrong: an observer may come and go while plugins write, so it is looked
//! up for each record.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use plugwork_core::{Clock, Subject};

use crate::log::{Level, Sink};
use crate::observer::Ring;

/// The way out for all records of a runtime.
pub(crate) struct Outlet {
    sink: Option<Arc<dyn Sink>>,
    clock: Arc<dyn Clock>,
    kept: ArcSwapOption<Ring>,
}

impl Outlet {
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, clock: Arc<dyn Clock>) -> Self {
        Self { sink, clock, kept: ArcSwapOption::empty() }
    }

    /// From here on records are kept there too.
    pub(crate) fn keeps(&self, ring: Option<Arc<Ring>>) {
        self.kept.store(ring);
    }

    /// Nothing is kept there any more; another that came later stays.
    pub(crate) fn forgets(&self, ring: &Arc<Ring>) {
        let kept = self.kept.load();
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, ring)) {
            self.kept.compare_and_swap(&*kept, None);
        }
    }
}

impl Sink for Outlet {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        if let Some(ring) = &*self.kept.load() {
            ring.keep(self.clock.now_ms(), subject, level, message);
        }
        if let Some(sink) = &self.sink {
            sink.record(subject, level, message);
        }
    }
}
