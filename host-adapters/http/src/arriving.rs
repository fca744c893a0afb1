//! A request's body on its way to a plugin that reads it as a stream: counted, within its time, and told on when it fails.
//!
//! Easily got wrong: the plugin is only told that reading failed. Why it did is kept beside, so that the client is told that, and not whatever the
//! plugin made of it, where the plugin has not answered yet.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HOST};
use http_body::{Body, Frame, SizeHint};
use plugwork::wasmtime_wasi_http::Error as WireError;
use tokio::time::Sleep;

use crate::body::{broken, late, not_as_announced};
use crate::head::{check_size, is_hop_by_hop, is_the_hosts_word, too_large};
use crate::limits::HttpLimits;
use crate::problem::Problem;

/// Why a body failed, once it has.
pub(crate) type Failed = Arc<OnceLock<Problem>>;

pub(crate) struct Arriving<B> {
    body: Pin<Box<B>>,
    announced: Option<u64>,
    received: u64,
    limits: HttpLimits,
    /// Made when the body is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
    failed: Failed,
}

impl<B: Body> Arriving<B> {
    pub(crate) fn new(body: B, announced: Option<u64>, limits: &HttpLimits, failed: Failed) -> Self {
        Self { body: Box::pin(body), announced, received: 0, limits: *limits, timer: None, failed }
    }

    fn fail(&self, problem: Problem, error: WireError) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        drop(self.failed.set(problem));
        Poll::Ready(Some(Err(error)))
    }
}

impl<B: Body> Body for Arriving<B> {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = &mut *self;
        if this.failed.get().is_some() {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(context) else {
            let deadline = Duration::from_millis(this.limits.body_deadline_ms);
            ready!(this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline))).as_mut().poll(context));
            return this.fail(late(), WireError::ConnectionReadTimeout);
        };
        match frame {
            None if this.announced.is_some_and(|announced| announced != this.received) => {
                this.fail(not_as_announced(), WireError::HttpRequestBodySize(this.announced))
            }
            None => Poll::Ready(None),
            Some(Err(_)) => this.fail(broken(), WireError::ConnectionTerminated),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(mut data) => {
                    this.received += data.remaining() as u64;
                    let bytes_max = this.limits.body_bytes_max as u64;
                    if this.received > bytes_max {
                        return this.fail(too_large(), WireError::HttpRequestBodySize(Some(bytes_max)));
                    }
                    let length = data.remaining();
                    Poll::Ready(Some(Ok(Frame::data(data.copy_to_bytes(length)))))
                }
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    if let Err(problem) = check_size(&trailers, &this.limits) {
                        return this.fail(problem, WireError::HttpRequestTrailerSectionSize(None));
                    }
                    strip_trailers(&mut trailers);
                    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        // One that ends too early fails when it is asked for more.
        self.announced.is_none_or(|announced| announced == self.received) && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What may not come after a body: framing, routing, and what is the host's to say.
fn strip_trailers(trailers: &mut HeaderMap) {
    let goes = |name: &http::HeaderName| {
        *name == HOST || *name == CONTENT_LENGTH || is_hop_by_hop(name.as_str()) || is_the_hosts_word(name.as_str())
    };
    let gone: Vec<_> = trailers.keys().filter(|name| goes(name)).cloned().collect();
    for name in gone {
        trailers.remove(name);
    }
}
