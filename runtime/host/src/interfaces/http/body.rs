//! Bodies on their way, guarded: the announced length is kept, nothing waits for ever, and the plugin's account is charged.
//!
//! A guard that finds something wrong ends the body with an error. The client then drops the connection, so half a request can never be
//! read as a whole one, nor the rest of it as the next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::account::{Account, Hold, OpenRequest};

/// Bytes sent at once: what may leave before the plugin's share of the network is looked at again.
const PIECE_BYTES: usize = 64 << 10;

/// What an open request occupies of its plugin's account, from its beginning until its answer has been read or dropped. Not kept by the
/// request's body: that one is the client's, which may let go of it late.
pub(super) struct Place {
    pub(super) _slot: OpenRequest,
    pub(super) _memory: Hold,
}

/// Time that may pass between two frames.
struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// To be asked whenever there is nothing to pass on. The timer is made at the first such time, so that a body that flows never pays for it.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(context)
    }

    fn reset(&mut self) {
        self.timer = None;
    }
}

/// A request's body, on its way from the guest.
pub(super) struct Upload {
    body: WasiBody,
    account: Arc<Account>,
    /// Bytes that were announced and are still to come.
    left: Option<u64>,
    announced: Option<u64>,
    piece: Bytes,
    paid: bool,
    waiting: Option<Pin<Box<Sleep>>>,
    idle: Idle,
}

impl Upload {
    pub(super) fn new(body: WasiBody, announced: Option<u64>, account: Arc<Account>, idle: Duration) -> Self {
        Self { body, account, left: announced, announced, piece: Bytes::new(), paid: false, waiting: None, idle: Idle::new(idle) }
    }

    /// The next piece, as soon as it may leave.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.paid {
            self.paid = true;
            let wait = self.account.egress(self.piece.len().min(PIECE_BYTES) as u64);
            self.waiting = (!wait.is_zero()).then(|| Box::pin(tokio::time::sleep(wait)));
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
        }
        self.waiting = None;
        self.paid = false;
        let length = self.piece.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.piece.split_to(length)))))
    }

    fn broken(&self) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(Some(Err(Error::HttpRequestBodySize(self.announced))))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        // Asked before each piece, a waiting one too: of what was taken back nothing more leaves.
        if this.account.revoked() {
            return Poll::Ready(Some(Err(Error::HttpRequestDenied)));
        }
        loop {
            if !this.piece.is_empty() {
                return this.poll_piece(context);
            }
            let frame = match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Pending => {
                    ready!(this.idle.poll(context));
                    return Poll::Ready(Some(Err(Error::ConnectionWriteTimeout)));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) if this.left.is_some_and(|left| left > 0) => return this.broken(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            this.idle.reset();
            match frame.into_data() {
                Ok(data) => {
                    if let Some(left) = &mut this.left {
                        match left.checked_sub(data.len() as u64) {
                            Some(rest) => *left = rest,
                            None => return this.broken(),
                        }
                    }
                    this.piece = data;
                }
                // What may stand in trailers differs from server to server; a request needs none.
                Err(trailers) if trailers.trailers_ref().is_some_and(|trailers| !trailers.is_empty()) => {
                    return Poll::Ready(Some(Err(Error::HttpRequestTrailerSectionSize(Some(0)))));
                }
                Err(_) => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_empty() && self.left.is_none_or(|left| left == 0) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left + self.piece.len() as u64),
            None => SizeHint::default(),
        }
    }
}

/// A response's body, on its way to the guest.
pub(super) struct Download {
    body: WasiBody,
    account: Arc<Account>,
    _place: Place,
    idle: Idle,
}

impl Download {
    pub(super) fn new(body: WasiBody, account: Arc<Account>, place: Place, idle: Duration) -> Self {
        Self { body, account, _place: place, idle: Idle::new(idle) }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if this.account.revoked() {
            return Poll::Ready(Some(Err(Error::HttpRequestDenied)));
        }
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            ready!(this.idle.poll(context));
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        };
        this.idle.reset();
        if let Some(Ok(frame)) = &frame {
            this.account.received(frame.data_ref().map_or(0, |data| data.len() as u64));
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
