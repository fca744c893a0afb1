//! `wasi:http/incoming-handler` as a point: one request into a guest, its answer out of it as soon as there is a head, bodies as streams.
//!
//! What `wasmtime-wasi-http` makes of a response body ends well whenever its other side is gone, also when the guest trapped in the middle. So a
//! body is marked here when its guest finishes it (`outgoing-body.finish`), and one that ends without that mark is broken. Easily got wrong: the
//! head goes to whoever asks while the call is still running; what is of interest afterwards is how the call ended.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use plugwork_core::Refusal;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::exports::wasi::http::incoming_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Host as _, HostOutgoingBody as _, HostOutgoingResponse as _, Scheme};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::HostOutgoingResponse;
use wasmtime_wasi_http::{Error as WireError, FieldMap, WasiBody};

use super::client_wait::{ClientWait, FromClient, ToClient};
use super::types::INSTANCE;
use crate::cause::Cause;
use crate::point::{Call, Point};
use crate::state::State;

crate::point! {
    /// The point that components written for other hosts export: `wasi:http` 0.2.
    pub IncomingHandler = "wasi:http/incoming-handler@0.2.0" in incoming_handler
}

/// What a guest answers: a response whose body may still be written, or its own word for why there is none, for the log.
pub type Answered = Result<http::Response<WasiBody>, String>;

/// One request on its way into a guest. It can be handed over once, and its clones are that one request.
#[derive(Clone)]
pub struct Incoming(Arc<Mutex<Option<Handed>>>);

pub(crate) struct Handed {
    pub(super) request: http::Request<WasiBody>,
    pub(super) tls: bool,
    pub(super) answer: oneshot::Sender<Answered>,
    pub(super) cause: Option<Arc<Cause>>,
}

/// The longest of a guest's own words that is kept. Characters.
const WORDS_MAX: usize = 256;

impl Incoming {
    /// A request, and where its answer will be. Its authority is in its target or in its `host`; `tls` says which scheme the guest is told.
    /// Nothing is received where the call ends without an answer.
    pub fn new(request: http::Request<WasiBody>, tls: bool) -> (Self, oneshot::Receiver<Answered>) {
        let (answer, answered) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(Handed { request, tls, answer, cause: None })))), answered)
    }
}

impl Incoming {
    /// Says what it is known by: for the log, and for what its plugin asks of others. Nothing where it was handed over already.
    pub fn caused_by(self, cause: Cause) -> Self {
        if let Some(handed) = self.0.lock().expect("no panic happens under this lock").as_mut() {
            handed.cause = Some(Arc::new(cause));
        }
        self
    }

    /// The same once more, for whoever took it and does not hand it over.
    pub(crate) fn of(handed: Handed) -> Self {
        Self(Arc::new(Mutex::new(Some(handed))))
    }

    /// Gives it back, for whoever took it and could not hand it over.
    pub(crate) fn put(&self, handed: Handed) {
        *self.0.lock().expect("no panic happens under this lock") = Some(handed);
    }

    /// What it is, for whoever comes first.
    pub(crate) fn take(&self) -> Option<Handed> {
        self.0.lock().expect("no panic happens under this lock").take()
    }
}

/// A guest's own word for why there is no answer, for the log.
pub(super) fn words(code: &impl std::fmt::Debug) -> String {
    format!("{code:?}").chars().take(WORDS_MAX).collect()
}

impl Call for IncomingHandler {
    type Input = Incoming;
    type Output = ();

    async fn call(
        guest: &<Self as Point>::Guest,
        mut store: StoreContextMut<'_, State>,
        incoming: &Incoming,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        let Some(Handed { request, tls, answer, cause }) = incoming.take() else { wasmtime::bail!("a request was handed over twice") };
        let state = store.data_mut();
        if let Some(cause) = cause {
            state.caused_by(cause);
        }
        // What an earlier call of this instance left unfinished is nobody's any more.
        state.answering.0.clear();
        let wait = ClientWait::default();
        state.client_wait = Some(wait.clone());
        let request = request.map(|body| FromClient::new(body, &wait).boxed_unsync());
        let mut view = state.http_paid();
        let request = view.new_incoming_request(if tls { Scheme::Https } else { Scheme::Http }, request)?;
        let tell = move |answered: Result<http::Response<WasiBody>, ErrorCode>| {
            let answered = answered.map(|response| response.map(|body| ToClient::new(body, &wait).boxed_unsync()));
            // Nobody listens any more: the client is gone, and so will be this call.
            drop(answer.send(answered.map_err(|code| words(&code))));
        };
        let answer = view.new_response_outparam_from_callback(tell)?;
        guest.call_handle(store, request, answer).await?;
        Ok(Ok(()))
    }
}

/// The response bodies of an instance that were begun, and whether each was finished.
#[derive(Default)]
pub(crate) struct Answering(Vec<(u32, Arc<AtomicBool>)>);

impl Answering {
    /// A body was begun under this handle. One that had it before is gone.
    fn begin(&mut self, body: &Resource<HostOutgoingBody>) -> Arc<AtomicBool> {
        let finished = Arc::new(AtomicBool::new(false));
        self.0.retain(|(handle, _)| *handle != body.rep());
        self.0.push((body.rep(), finished.clone()));
        finished
    }

    fn end(&mut self, body: &Resource<HostOutgoingBody>) -> Option<Arc<AtomicBool>> {
        let at = self.0.iter().position(|(handle, _)| *handle == body.rep())?;
        Some(self.0.swap_remove(at).1)
    }
}

/// Defines the two functions between which a response's body lives, over those of the engine's crate.
pub(super) fn link_bodies(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Begun = wasmtime::Result<(Result<Resource<HostOutgoingBody>, ()>,)>;
    type Finished = wasmtime::Result<(Result<(), ErrorCode>,)>;
    let mut instance = linker.instance(INSTANCE)?;
    instance.func_wrap(
        "[method]outgoing-response.body",
        |mut store: StoreContextMut<'_, State>, (response,): (Resource<HostOutgoingResponse>,)| -> Begun {
            let state = store.data_mut();
            let handle = Resource::new_borrow(response.rep());
            let body = match state.http_paid().body(response)? {
                Ok(body) => body,
                Err(()) => return Ok((Err(()),)),
            };
            let finished = state.answering.begin(&body);
            let response: &mut HostOutgoingResponse = state.table.get_mut(&handle)?;
            response.body = response.body.take().map(|inner| Marked { inner, finished }.boxed_unsync());
            Ok((Ok(body),))
        },
    )?;
    instance.func_wrap(
        "[static]outgoing-body.finish",
        |mut store: StoreContextMut<'_, State>, (body, trailers): (Resource<HostOutgoingBody>, Option<Resource<FieldMap>>)| -> Finished {
            let state = store.data_mut();
            // Marked first: its other side may be read on another thread, and is told to break where the length is not what was announced.
            let finished = state.answering.end(&body);
            let mark = |is_finished| finished.iter().for_each(|finished| finished.store(is_finished, Ordering::Release));
            mark(true);
            let mut view = state.http_paid();
            let Err(error) = view.finish(body, trailers) else { return Ok((Ok(()),)) };
            // Where this is a trap its other side ends when the store is dropped, as if it were whole.
            let code = view.convert_error_code(error).inspect_err(|_| mark(false))?;
            Ok((Err(code),))
        },
    )
}

/// A response's body that is whole only where its guest has finished it.
struct Marked {
    inner: WasiBody,
    finished: Arc<AtomicBool>,
}

impl Body for Marked {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(None) if !self.finished.load(Ordering::Acquire) => Poll::Ready(Some(Err(WireError::HttpResponseIncomplete))),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && self.finished.load(Ordering::Acquire)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
