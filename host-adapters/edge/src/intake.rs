//! A request's body while it is read for a plugin that is given it whole: on a budget of all such bodies, byte by byte as they arrive.
//!
//! Easily got wrong: what was announced is not what comes, so nothing is set aside for it; and what was read is held until the plugin has answered.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::budget::Taken;

/// A body on the budget; without one it is passed on as it is.
pub(crate) struct OnBudget {
    body: Incoming,
    intake: Intake,
}

/// What a body takes of the budget, for as long as it is there. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Intake(Option<Arc<Inner>>);

struct Inner {
    taken: Mutex<Taken>,
    is_exhausted: AtomicBool,
}

impl Intake {
    pub(crate) fn of(body: Incoming, taken: Option<Taken>) -> (OnBudget, Self) {
        let inner = taken.map(|taken| Arc::new(Inner { taken: Mutex::new(taken), is_exhausted: AtomicBool::new(false) }));
        let intake = Self(inner);
        (OnBudget { body, intake: intake.clone() }, intake)
    }

    /// Whether the body was not read to its end because there was no room for it.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_exhausted.load(Ordering::Relaxed))
    }

    fn more(&self, bytes: usize) -> bool {
        let Some(inner) = &self.0 else { return true };
        let is_there = inner.taken.lock().unwrap_or_else(PoisonError::into_inner).more(bytes);
        if !is_there {
            inner.is_exhausted.store(true, Ordering::Relaxed);
        }
        is_there
    }
}

impl Body for OnBudget {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        Pin::new(&mut this.body).poll_frame(context).map(|frame| match frame? {
            Ok(frame) if this.intake.more(frame.data_ref().map_or(0, Bytes::len)) => Some(Ok(frame)),
            Ok(_) => Some(Err("there is no room for it".into())),
            Err(error) => Some(Err(error.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
