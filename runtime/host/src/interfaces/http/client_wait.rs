//! How long the guest of an incoming request was kept waiting by its client, who did not send what was to be read, or did not take what was written.
//!
//! Not here: what follows from it, which is for the end of the call (`call`). Easily got wrong: both can be so at the same time, and that time counts
//! once; and a guest that works meanwhile does not wait, which is not known here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

/// The waits of one request. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientWait(Arc<Mutex<Meter>>);

#[derive(Debug, Default)]
struct Meter {
    /// Of its two bodies, how many wait for the client.
    waiting: u8,
    since: Option<Instant>,
    before: Duration,
}

impl ClientWait {
    /// All of it, with what goes on.
    pub(crate) fn total(&self) -> Duration {
        let meter = self.meter();
        meter.before + meter.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.0.lock().expect("no panic happens under this lock")
    }
}

/// One of the two bodies.
struct Side {
    wait: ClientWait,
    is_waiting: bool,
}

impl Side {
    fn waits(&mut self, is_waiting: bool) {
        if is_waiting == self.is_waiting {
            return;
        }
        self.is_waiting = is_waiting;
        let mut meter = self.wait.meter();
        if is_waiting {
            meter.waiting += 1;
            meter.since.get_or_insert_with(Instant::now);
        } else {
            meter.waiting -= 1;
            if meter.waiting == 0
                && let Some(since) = meter.since.take()
            {
                meter.before += since.elapsed();
            }
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.waits(false);
    }
}

/// A request's body. It waits for the client from when it was asked for what is not there until that comes.
pub(super) struct FromClient {
    inner: WasiBody,
    side: Side,
}

impl FromClient {
    pub(super) fn new(inner: WasiBody, wait: &ClientWait) -> Self {
        Self { inner, side: Side { wait: wait.clone(), is_waiting: false } }
    }
}

impl Body for FromClient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        self.side.waits(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body. It waits for the client whenever nobody asks for more: from when a piece was taken until the next one is wanted.
pub(super) struct ToClient {
    inner: WasiBody,
    side: Side,
}

impl ToClient {
    pub(super) fn new(inner: WasiBody, wait: &ClientWait) -> Self {
        let mut side = Side { wait: wait.clone(), is_waiting: false };
        side.waits(true);
        Self { inner, side }
    }
}

impl Body for ToClient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        self.side.waits(matches!(frame, Poll::Ready(Some(Ok(_)))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
