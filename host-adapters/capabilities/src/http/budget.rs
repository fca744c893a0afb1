//! A grant's bytes per minute: one budget for all requests of a grant, both ways.
//!
//! A body under way waits for its share; a request that begins when the budget is spent is denied, because waiting for up to a minute
//! would only end at somebody's deadline.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use plugwork::wasmtime_wasi_http::{Error as WireError, WasiBody};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

const MINUTE_NS: u128 = 60_000_000_000;

/// A bucket that holds one minute's bytes and is always filling.
pub(super) struct Budget {
    per_minute: u64,
    /// The moment at which the bucket would be full again. In the future by a minute or more: it is spent.
    full_at: Mutex<Instant>,
}

impl Budget {
    pub(super) fn new(per_minute: u64) -> Self {
        Self { per_minute: per_minute.max(1), full_at: Mutex::new(Instant::now()) }
    }

    pub(super) fn per_minute(&self) -> u64 {
        self.per_minute
    }

    /// Takes bytes that have moved; how long to wait before moving more.
    pub(super) fn take(&self, bytes: u64, now: Instant) -> Duration {
        let cost_ns = u128::from(bytes) * MINUTE_NS / u128::from(self.per_minute);
        let mut full_at = self.full_at.lock().expect("no panic happens under this lock");
        *full_at = (*full_at).max(now) + Duration::from_nanos(u64::try_from(cost_ns).unwrap_or(u64::MAX));
        Self::wait(*full_at, now)
    }

    /// How long until there is something left; zero where there is.
    pub(super) fn debt(&self, now: Instant) -> Duration {
        Self::wait(*self.full_at.lock().expect("no panic happens under this lock"), now)
    }

    fn wait(full_at: Instant, now: Instant) -> Duration {
        (full_at - Duration::from_secs(60).min(full_at - now)).saturating_duration_since(now)
    }
}

/// A body whose bytes come out of a budget, and that keeps its request's place in the grant's concurrency.
pub(super) struct Metered {
    body: WasiBody,
    budget: Option<Arc<Budget>>,
    waiting: Option<Pin<Box<Sleep>>>,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Metered {
    pub(super) fn new(body: WasiBody, budget: Option<Arc<Budget>>, place: Option<Arc<OwnedSemaphorePermit>>) -> Self {
        Self { body, budget, waiting: None, _place: place }
    }
}

impl Body for Metered {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = &mut *self;
        if let Some(waiting) = &mut this.waiting {
            ready!(waiting.as_mut().poll(context));
            this.waiting = None;
        }
        let frame = ready!(Pin::new(&mut this.body).poll_frame(context));
        if let (Some(budget), Some(Ok(frame))) = (&this.budget, &frame) {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            let wait = budget.take(bytes, Instant::now());
            if !wait.is_zero() {
                this.waiting = Some(Box::pin(tokio::time::sleep(wait)));
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_bytes_may_come_at_once_and_one_more_waits() {
        let budget = Budget::new(600);
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(budget.take(600, now), Duration::ZERO);
        assert_eq!(budget.debt(now), Duration::ZERO);
        assert_eq!(budget.take(1, now), Duration::from_millis(100));
        assert_eq!(budget.debt(now), Duration::from_millis(100));
        assert_eq!(budget.debt(now + Duration::from_millis(100)), Duration::ZERO);
    }

    #[test]
    fn rest_fills_it_and_no_more_than_a_minute() {
        let budget = Budget::new(600);
        let now = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(budget.take(600, now), Duration::ZERO);
        assert_eq!(budget.take(300, now + Duration::from_secs(30)), Duration::ZERO);
        assert!(!budget.take(1, now + Duration::from_secs(30)).is_zero());
    }
}
