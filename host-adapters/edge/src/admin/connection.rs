//! One connection of an operator: HTTP/1.1, with deadlines like those of the public listener.
//!
//! Easily got wrong: at the port anybody may connect. Who gets an answer there that needs no token, or has no token that counts, gets no second one on the same
//! connection, and a connection without a request makes room for others.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, StatusCode};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::who::Peer;
use crate::crowd::{Busy, Seat};
use crate::pace::Pace;
use crate::wire::{Speaks, Wire};

/// The largest head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long one may take, and a connection be without a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a reader may keep the listener waiting. Milliseconds.
const STALL_MS: u64 = 30_000;
/// Taking so many bytes makes good for a second of it.
const SEND_BYTES_PER_SECOND_MIN: u64 = 4_096;

/// Answers until the connection ends; from `stop` on no further request of it.
pub(crate) async fn serve<S>(router: Router, stream: S, peer: Peer, seat: Seat, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = tokio::select! {
        opened = tokio::time::timeout(HEAD_DEADLINE, Wire::open(stream, Pace::new(STALL_MS, SEND_BYTES_PER_SECOND_MIN))) => opened,
        _ = stop.wait_for(|stop| *stop) => return,
        () = seat.presence.told_to_leave() => return,
    };
    let Ok(Some((wire, Speaks::Http1))) = opened else { return };
    let inner = TowerToHyperService::new(router);
    let presence = seat.presence.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let is_health = matches!(request.uri().path(), "/livez" | "/readyz");
        let (busy, answering) = (presence.begin(), inner.call(request));
        async move {
            let mut response = answering.await?;
            let is_strangers = is_health || matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS);
            if is_strangers && peer.address().is_some() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| Answer { body, _busy: busy }))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_BYTES_MAX).half_close(false);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(wire), service));
    tokio::select! {
        // How it ended is nobody's business but the operator's.
        _ = serving.as_mut() => return,
        // Without a word: whoever finds a connection closed that it did not use asks again on another one.
        () = seat.presence.told_to_leave() => return,
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    drop(serving.await);
}

/// An answer's body. Its connection is busy until it was sent.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
