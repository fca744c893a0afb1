//! A response's body on its way from a plugin that writes it as a stream, and the call that writes it.
//!
//! Easily got wrong: a body that is dropped before its end, because the client is gone, cancels the call; one that was sent whole lets the call go on
//! to its own end, within its deadline. A call that has ended without finishing its body leaves nobody to write the rest: then it is broken, also where the
//! instance lives on. A request that failed on its way breaks its answer off too, whatever its plugin makes of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use plugwork::wasmtime_wasi_http::{Error as WireError, WasiBody};
use plugwork::{Installation, Job};
use tokio::task::coop::has_budget_remaining;

use crate::answer::{self, is_a_trailer};
use crate::arriving::Failed;
use crate::limits::HttpLimits;

pub(crate) struct Leaving {
    body: WasiBody,
    /// None once it has ended.
    call: Option<Job<Option<()>>>,
    /// Holds the guest threads: awaiting a call whose threads were stopped would be a panic.
    _installation: Installation,
    /// Bytes that were announced and are still to come.
    left: Option<u64>,
    announced: Option<u64>,
    /// Whether the request failed.
    failed: Failed,
    limits: HttpLimits,
    ended: bool,
}

impl Leaving {
    pub(crate) fn new(
        body: WasiBody,
        announced: Option<u64>,
        call: Option<Job<Option<()>>>,
        installation: &Installation,
        limits: &HttpLimits,
        failed: &Failed,
    ) -> Self {
        let _installation = installation.clone();
        Self { body, call, _installation, left: announced, announced, failed: failed.clone(), limits: *limits, ended: false }
    }

    /// What of the body is there; broken where there will be no more.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if let Some(call) = &mut self.call {
            ready!(Pin::new(call).poll(context));
            self.call = None;
        }
        // It may have written its last just before it ended.
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => Poll::Ready(frame),
            // What is there is not given out: this connection has done enough for one turn, and is woken for the next.
            Poll::Pending if !has_budget_remaining() => Poll::Pending,
            Poll::Pending => Poll::Ready(Some(Err(WireError::HttpResponseIncomplete))),
        }
    }

    fn broken(&self) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        Poll::Ready(Some(Err(WireError::HttpResponseBodySize(self.announced))))
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = &mut *self;
        let frame = ready!(this.poll_body(context));
        if this.failed.get().is_some() {
            return Poll::Ready(Some(Err(WireError::HttpResponseIncomplete)));
        }
        match frame {
            None if this.left.is_some_and(|left| left > 0) => return this.broken(),
            None => this.ended = true,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref()
                    && let Some(left) = &mut this.left
                {
                    match left.checked_sub(data.len() as u64) {
                        Some(rest) => *left = rest,
                        None => return this.broken(),
                    }
                }
                if let Some(trailers) = frame.trailers_ref()
                    && (!trailers.keys().all(is_a_trailer) || answer::check_size(trailers, &this.limits).is_err())
                {
                    return Poll::Ready(Some(Err(WireError::HttpProtocolError)));
                }
                this.ended = frame.is_trailers();
                return Poll::Ready(Some(Ok(frame)));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.failed.get().is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(|| self.body.size_hint(), SizeHint::with_exact)
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let whole = self.ended || self.failed.get().is_none() && (self.left == Some(0) || self.body.is_end_stream());
        // Before the body: a guest that writes just now is to find its call cancelled, and not a client that is gone.
        let call = self.call.take();
        if whole {
            call.into_iter().for_each(Job::detach);
        }
    }
}
