//! One connection: its protocol, its deadlines, and its end.
//!
//! Easily got wrong: hyper's deadline for a head also ends a connection of HTTP/1.1 that is idle; over HTTP/2 nothing does, so that is looked at here.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use plugwork_http::Connection;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::crowd::{Busy, Presence};
use crate::listen::{Accepted, Stream};
use crate::metrics::Held;
use crate::pace::Pace;
use crate::request::{Peer, Shared, answer};
use crate::sending::Watched;
use crate::settings::Settings;
use crate::tls;
use crate::wire::{Speaks, Wire};

/// The largest head that is read at all; what counts within it is held to smaller limits by `plugwork-http`. Also what is gathered of an answer over HTTP/1.1 before
/// it is sent: more than the head of one, so that a small body goes with it (`sending`).
const HEAD_BYTES_MAX: usize = 64 << 10;

type Answering = Pin<Box<dyn Future<Output = Result<Response<Watched>, Infallible>> + Send>>;

/// Behind a pointer and in code of this crate: its type, with the engine's in it, is deeper than the compiler of whoever uses this crate goes.
#[inline(never)]
fn answering(shared: Arc<Shared>, request: Request<Incoming>, peer: Arc<Peer>, busy: Busy) -> Answering {
    Box::pin(async move {
        let response = answer(&shared, request, &peer).await;
        response.body().hold(busy);
        Ok(response)
    })
}

/// The first bytes: TLS where the listener has it, then the protocol. `None`: the client went away before, or spoke neither.
async fn open(accepted: Accepted, settings: &Settings) -> Option<(Wire<Stream>, Speaks)> {
    let pace = Pace::new(settings.stall_ms, settings.send_bytes_per_second_min);
    let Some(config) = accepted.tls else { return Wire::open(accepted.stream, pace).await };
    let stream = TlsAcceptor::from(config).accept(accepted.stream).await.ok()?;
    let agreed = tls::agreed(stream.get_ref().1.alpn_protocol());
    let (wire, speaks) = Wire::open(Box::new(stream) as Stream, pace).await?;
    // Whoever agreed on one protocol and speaks the other is no client of ours.
    agreed.is_none_or(|agreed| agreed == speaks).then_some((wire, speaks))
}

/// Serves a connection until it ends; from `stop` on no further request of it.
pub(crate) async fn serve(shared: Arc<Shared>, accepted: Accepted, presence: Arc<Presence>, mut stop: watch::Receiver<bool>) {
    let settings = shared.node.settings();
    let metrics = shared.node.metrics();
    metrics.connections.fetch_add(1, Ordering::Relaxed);
    let _open = Held::new(&metrics.connections_open);
    let peer = Arc::new(Peer::new(Connection { tls: accepted.tls.is_some(), client: accepted.client }));
    let opening = tokio::time::timeout(Duration::from_millis(settings.head_deadline_ms), open(accepted, &settings));
    let opened = tokio::select! {
        opened = opening => opened,
        _ = stop.wait_for(|stop| *stop) => return,
        () = presence.told_to_leave() => return,
    };
    let Ok(Some((wire, speaks))) = opened else { return };
    let service = service_fn({
        let (presence, shared) = (presence.clone(), shared.clone());
        move |request: Request<Incoming>| answering(shared.clone(), request, peer.clone(), presence.begin())
    });
    let builder = builder(&settings, speaks);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(wire), service));
    let mut stopping = pin!(async { drop(stop.wait_for(|stop| *stop).await) });
    let idle = Duration::from_millis(settings.idle_ms);
    let (mut is_stopping, mut is_idle, mut seen) = (false, false, 0);
    loop {
        tokio::select! {
            // How it ended is nobody's business but the client's.
            _ = serving.as_mut() => return,
            () = stopping.as_mut(), if !is_stopping => {
                is_stopping = true;
                serving.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(idle), if speaks == Speaks::Http2 && !is_stopping => {
                let began = presence.requests();
                if began == seen && presence.is_idle() {
                    (is_stopping, is_idle) = (true, true);
                    serving.as_mut().graceful_shutdown();
                }
                seen = began;
            }
            // Without a word: whoever finds a connection closed that it did not use asks again on another one.
            () = presence.told_to_leave() => return,
            // Who was told to go, and keeps the rest of an answer from being sent, is not waited for.
            () = tokio::time::sleep(settings.drain()), if is_idle => return,
        }
    }
}

fn builder(settings: &Settings, speaks: Speaks) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(settings.head_deadline_ms))
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams_max)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        // A client that opens and resets streams is told to calm down after so many.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(1 << 20)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(Duration::from_millis(settings.idle_ms))
        .keep_alive_timeout(Duration::from_millis(settings.head_deadline_ms));
    match speaks {
        Speaks::Http1 => builder.http1_only(),
        Speaks::Http2 => builder.http2_only(),
    }
}
