//! How many requests of one plugin are with it at once, and how many wait: the rest is told so at once.
//!
//! Easily got wrong: a request is with its plugin for as long as that makes its answer. One that streams is at it until the last of it was sent, so a
//! client that reads slowly holds its place. That is why what is sent has a deadline too (`sending`, `wire`). And whoever was given a place waits for it
//! no more, also where its task had no turn since: all who are here are counted, not who still thinks that it waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::Settings;

/// The places of one plugin.
#[derive(Debug)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    places_max: usize,
    /// Requests that are here: with the plugin, and in the line.
    here: Arc<AtomicUsize>,
    here_max: usize,
    patience: Duration,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Option<(Here, OwnedSemaphorePermit)>);

impl Place {
    /// The plugin is done with the request, though its answer is still to be sent.
    pub(crate) fn give_back(&mut self) {
        self.0 = None;
    }
}

/// Counts one that is here, also where it gives up. Goes before its place is free: one less is seen, and then a place.
#[derive(Debug)]
struct Here(Arc<AtomicUsize>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(settings: &Settings) -> Self {
        let places_max = settings.plugin_requests_max.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places_max)),
            places_max,
            here: Arc::default(),
            here_max: places_max.saturating_add(settings.plugin_queue_max),
            patience: Duration::from_millis(settings.plugin_queue_ms),
        }
    }

    /// Requests that are with the plugin.
    pub(crate) fn in_flight(&self) -> usize {
        self.places_max - self.places.available_permits().min(self.places_max)
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.here.load(Ordering::Relaxed).saturating_sub(self.in_flight())
    }

    /// A place; none where too many wait already, or it waited too long. The second is how long, where there was none at once.
    pub(crate) async fn enter(&self) -> (Option<Place>, Option<Duration>) {
        if let Ok(permit) = self.places.clone().try_acquire_owned() {
            self.here.fetch_add(1, Ordering::Relaxed);
            return (Some(Place(Some((Here(self.here.clone()), permit)))), None);
        }
        let one_more = |here: usize| (here < self.here_max).then(|| here + 1);
        if self.here.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return (None, Some(Duration::ZERO));
        }
        let (here, began) = (Here(self.here.clone()), Instant::now());
        let permit = tokio::time::timeout(self.patience, self.places.clone().acquire_owned()).await;
        (permit.ok().and_then(Result::ok).map(|permit| Place(Some((here, permit)))), Some(began.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_too_many_is_refused_at_once_and_one_that_waits_only_for_its_time() {
        let settings = Settings { plugin_requests_max: 1, plugin_queue_max: 1, plugin_queue_ms: 100, ..Settings::default() };
        let gate = Arc::new(Gate::new(&settings));
        let (first, waited) = gate.enter().await;
        assert!(first.is_some() && waited.is_none());
        let patient = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter().await.0.is_some() }
        });
        while gate.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(gate.enter().await.0.is_none(), "the line is full");
        assert!(!patient.await.unwrap(), "its time was over");
        let patient = gate.enter();
        let ((second, waited), ()) = tokio::join!(patient, async { drop(first) });
        assert!(second.is_some() && waited.is_some());
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
        drop(second);
        assert_eq!((gate.in_flight(), gate.here.load(Ordering::Relaxed)), (0, 0));
    }

    #[tokio::test]
    async fn whoever_was_given_a_place_waits_no_more_though_it_had_no_turn_since() {
        let settings = Settings { plugin_requests_max: 1, plugin_queue_max: 1, plugin_queue_ms: 60_000, ..Settings::default() };
        let gate = Gate::new(&settings);
        let (first, _) = gate.enter().await;
        let mut second = Box::pin(gate.enter());
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
        let mut third = Box::pin(gate.enter());
        assert!(futures::poll!(&mut third).is_pending(), "it is the only one in the line");
        assert!(gate.enter().await.0.is_none(), "now the line is full");
        drop(second.await);
        assert!(third.await.0.is_some());
    }
}
