//! `wasi:http/handler` 0.3 as a point: one request into a guest, its answer out of it as soon as there is a head, bodies as streams.
//!
//! What `wasmtime-wasi-http` makes of a response body ends well whenever its store is gone, also when the guest trapped in the middle. So a body is
//! read here, beside the guest, and handed on with a word of its own for its end: one that stops without that word is broken. Easily got wrong: a
//! body that nobody writes any more, and nobody gave up, looks like one that somebody will; only the deadline ends it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use plugwork_core::Refusal;
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::exports::wasi::http::handler;
use wasmtime_wasi_http::{Error as WireError, FieldMap, WasiBody};

use super::client_wait::{ClientWait, FromClient, ToClient};
use super::incoming::{Handed, Incoming, words};
use crate::account::Hold;
use crate::point::{Call, Point};
use crate::state::State;

crate::point! {
    /// The point of WASI 0.3: `wasi:http/handler`. It needs the full profile.
    pub Handler = "wasi:http/handler@0.3.0" in handler
}

pub(crate) use handler::Guest;

impl Call for Handler {
    type Input = Incoming;
    type Output = ();

    fn visit(incoming: &Incoming) -> Option<(Incoming, ())> {
        Some((incoming.clone(), ()))
    }

    async fn call(
        guest: &<Self as Point>::Guest,
        mut store: StoreContextMut<'_, State>,
        incoming: &Incoming,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        let Some(handed) = incoming.take() else { wasmtime::bail!("a request was handed over twice") };
        if let Some(cause) = handed.cause.clone() {
            store.data_mut().caused_by(cause);
        }
        let wait = ClientWait::default();
        store.data_mut().client_wait = Some(wait.clone());
        store
            .as_context_mut()
            .run_concurrent(async |accessor| {
                exchange(guest, accessor, handed, &wait, None).await?;
                // What it does after its answer it does to its end, within the deadline of the call.
                poll_fn(|context| accessor.poll_no_interesting_tasks(context)).await;
                Ok::<_, wasmtime::Error>(())
            })
            .await??;
        Ok(Ok(()))
    }
}

/// Gives a guest one request and its answer to whoever asked; done when the guest's side of the body is: the last pieces may still wait for the client. `held` is kept
/// for as long as they are there. An error is a trap of the instance.
pub(crate) async fn exchange(
    guest: &handler::Guest,
    accessor: &Accessor<State>,
    handed: Handed,
    wait: &ClientWait,
    held: Option<Arc<Hold>>,
) -> wasmtime::Result<()> {
    let Handed { request, tls, answer, .. } = handed;
    let request = accessor.with(|mut store| {
        let view = store.data_mut().http_paid();
        let request = incoming(view.hooks, request, tls, wait);
        Ok::<_, wasmtime::Error>(view.table.push(request)?)
    })?;
    let response = match guest.call_handle(accessor, request).await? {
        Ok(response) => response,
        Err(code) => {
            // Nobody listens any more: the client is gone.
            drop(answer.send(Err(words(&code))));
            return Ok(());
        }
    };
    let (sent, is_sent) = oneshot::channel();
    let response = accessor.with(|mut store| {
        let response = store.data_mut().http_paid().table.delete(response)?;
        let told = async move { is_sent.await.unwrap_or(Err(WireError::ConnectionTerminated)) };
        response.into_http_with_getter(store.as_context_mut(), told, State::http_paid)
    })?;
    let (parts, body) = response.into_parts();
    let (pieces, arriving) = mpsc::channel(if held.is_some() { PIECES_AHEAD } else { 1 });
    let arriving = Forwarded { pieces: arriving, is_whole: false, _held: held }.boxed_unsync();
    let response = http::Response::from_parts(parts, ToClient::new(arriving, wait).boxed_unsync());
    if answer.send(Ok(response)).is_ok() && forward(body, pieces).await {
        drop(sent.send(Ok(())));
    }
    Ok(())
}

/// The request as the guest is given it.
fn incoming(hooks: &mut dyn wasmtime_wasi_http::WasiHttpHooks, request: http::Request<WasiBody>, tls: bool, wait: &ClientWait) -> Request {
    let (mut head, body) = request.into_parts();
    let host = head.headers.remove(http::header::HOST);
    let asked = head.uri.into_parts();
    let authority = asked.authority.or_else(|| http::uri::Authority::try_from(host?.as_bytes()).ok());
    let scheme = if tls { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
    let fields = FieldMap::new_immutable(hooks, head.headers);
    let body = FromClient::new(body, wait).boxed_unsync();
    // That the guest has read it, or why not, is nobody's business here: `Arriving` of the server around knows how it came.
    Request::new(head.method, Some(scheme), authority, asked.path_and_query, fields, None, body).0
}

/// Pieces of an answer that may wait for the client, beside the one that the engine's crate keeps, where somebody is charged for them: a small body and its end, so that
/// its guest need not wait until somebody looks. Elsewhere it is one.
const PIECES_AHEAD: usize = 2;

/// A part of an answer's body on its way out of the store.
enum Piece {
    Frame(Frame<Bytes>),
    Failed(WireError),
    End,
}

/// Reads a body beside its guest; says whether all of it went on.
async fn forward(mut body: WasiBody, to: mpsc::Sender<Piece>) -> bool {
    loop {
        let frame = tokio::select! {
            biased;
            // Dropped here, it tells the guest that nobody reads.
            () = to.closed() => return false,
            frame = body.frame() => frame,
        };
        let (piece, is_last) = match frame {
            Some(Ok(frame)) => (Piece::Frame(frame), false),
            Some(Err(error)) => (Piece::Failed(error), true),
            None => (Piece::End, true),
        };
        let is_whole = matches!(piece, Piece::End);
        if to.send(piece).await.is_err() {
            return false;
        }
        if is_last {
            return is_whole;
        }
    }
}

/// An answer's body outside of the store.
struct Forwarded {
    pieces: mpsc::Receiver<Piece>,
    is_whole: bool,
    /// What its guest left behind counts for its plugin until it is gone.
    _held: Option<Arc<Hold>>,
}

impl Body for Forwarded {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(context)) {
            Some(Piece::Frame(frame)) => Some(Ok(frame)),
            Some(Piece::Failed(error)) => Some(Err(error)),
            Some(Piece::End) => {
                self.is_whole = true;
                None
            }
            None => Some(Err(WireError::HttpResponseIncomplete)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
