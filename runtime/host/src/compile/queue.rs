//! Who compiles now, who waits, and who is turned away because too many wait.
//!
//! What may surprise: callers of one component never meet here. The cache lets one of them through and the others wait for its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugwork_core::CompileFailure;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) struct Queue {
    places: Arc<Semaphore>,
    waiting: AtomicU32,
    waiting_max: u32,
}

/// One of the places; free again when it is dropped.
pub(crate) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Queue {
    pub(super) fn new(at_once: u32, waiting_max: u32) -> Self {
        let places = usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places)), waiting: AtomicU32::new(0), waiting_max }
    }

    /// Waits for a place, first come first served, unless too many wait already.
    pub(super) async fn enter(&self) -> Result<Place, CompileFailure> {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            return Ok(Place(permit));
        }
        let waits = Waits::join(self).ok_or(CompileFailure::Busy { waiting_max: self.waiting_max })?;
        let permit = self.places.clone().acquire_owned().await;
        drop(waits);
        Ok(Place(permit.expect("nobody closes it")))
    }
}

/// Counted out again however the wait ends: a caller may give up.
struct Waits<'a>(&'a Queue);

impl<'a> Waits<'a> {
    fn join(queue: &'a Queue) -> Option<Self> {
        let more = |waiting: u32| (waiting < queue.waiting_max).then_some(waiting + 1);
        queue.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(queue))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_more_than_may_wait_is_turned_away_and_nobody_else() {
        let queue = Queue::new(1, 2);
        let place = queue.enter().await.expect("it is free");
        let mut waiting = [Box::pin(queue.enter()), Box::pin(queue.enter())];
        waiting.iter_mut().for_each(|wait| assert!(wait.now_or_never().is_none()));
        assert_eq!(queue.enter().await.err(), Some(CompileFailure::Busy { waiting_max: 2 }));
        drop(place);
        let [first, second] = waiting;
        assert!(first.await.is_ok());
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_no_longer_counts() {
        let queue = Queue::new(1, 1);
        let _place = queue.enter().await.expect("it is free");
        for _ in 0..3 {
            let mut wait = Box::pin(queue.enter());
            assert!(wait.as_mut().now_or_never().is_none(), "it waits, it is not turned away");
        }
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }
}
