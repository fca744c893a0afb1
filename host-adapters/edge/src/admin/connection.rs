//! One connection of an operator: HTTP/1.1, with deadlines like those of the public listener.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::who::Peer;
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
pub(crate) async fn serve<S>(router: Router, stream: S, peer: Peer, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = tokio::select! {
        opened = tokio::time::timeout(HEAD_DEADLINE, Wire::open(stream, Pace::new(STALL_MS, SEND_BYTES_PER_SECOND_MIN))) => opened,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let Ok(Some((wire, Speaks::Http1))) = opened else { return };
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        inner.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_BYTES_MAX).half_close(false);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(wire), service));
    tokio::select! {
        // How it ended is nobody's business but the operator's.
        _ = serving.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    drop(serving.await);
}
