//! The body of an answer on its way to a client: counted, in pieces, and broken off where the client takes it too slowly or its deployment has to end.
//!
//! Easily got wrong: hyper does not ask for a body while its client's window over HTTP/2 is shut, so no timer in the body would ever be looked at. That is
//! why somebody else looks at all bodies that are not handed over with their head, and takes away what an overdue one holds: its plugin's call, its place, its deployment.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::Error;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use plugwork_http::Body;

use crate::access::Watching;
use crate::budget::Taken;
use crate::crowd::Busy;
use crate::pace::Pace;
use crate::request::Memory;
use crate::settings::Settings;

/// What is handed over at once. Bytes; what of it a client has not taken yet is no longer seen here.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The body that is sent.
pub(crate) struct Watched(Arc<Mutex<State>>);

struct State {
    /// Nothing once it was broken off.
    open: Option<Open>,
    /// Who waits for more of it.
    waker: Option<Waker>,
}

struct Open {
    body: Body,
    /// What was given and not yet handed over.
    rest: Bytes,
    /// What was handed over last.
    piece_bytes: usize,
    /// None where all of it is taken at once.
    pace: Option<Pace>,
    watching: Watching,
    /// The bytes of an answer that is whole in memory, of their budget.
    memory: Option<Arc<Taken>>,
    busy: Option<Busy>,
}

/// Bytes that are on the budget for as long as any part of them is.
struct Counted {
    bytes: Bytes,
    _memory: Arc<Taken>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// All bodies of a server that are being sent piece by piece.
#[derive(Default)]
pub(crate) struct Sendings(Mutex<Known>);

#[derive(Default)]
struct Known {
    bodies: Vec<Weak<Mutex<State>>>,
    /// When those that are gone are taken out.
    sweep_at: usize,
}

impl Watched {
    /// The request is held until it is sent.
    pub(crate) fn hold(&self, busy: Busy) {
        if let Some(open) = &mut self.state().open {
            open.busy = Some(busy);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sendings {
    /// A body to be sent.
    pub(crate) fn watch(&self, body: Body, mut watching: Watching, memory: Memory, settings: &Settings) -> Watched {
        let is_empty = body.is_end_stream();
        // All of it is handed over with the head, so nothing of it can become overdue here.
        let is_taken_at_once = matches!(memory, Memory::Own(None));
        let memory = match memory {
            Memory::Own(taken) => taken.map(Arc::new),
            Memory::Plugins => None,
        };
        // A body that is empty may never be asked for.
        watching.access.complete = is_empty;
        let pace = (!is_taken_at_once).then(|| {
            let mut pace = Pace::new(settings.stall_ms, settings.send_bytes_per_second_min);
            pace.waits(Instant::now());
            pace
        });
        let open = Open { body, rest: Bytes::new(), piece_bytes: 0, pace, watching, memory, busy: None };
        let state = Arc::new(Mutex::new(State { open: Some(open), waker: None }));
        if !is_empty && !is_taken_at_once {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.bodies.len() >= known.sweep_at {
                known.bodies.retain(|body| body.strong_count() > 0);
                known.sweep_at = known.bodies.len() * 2 + 64;
            }
            known.bodies.push(Arc::downgrade(&state));
        }
        Watched(state)
    }

    /// Looks at all of them again and again.
    pub(crate) async fn look_after(&self, settings: impl Fn() -> Settings) {
        loop {
            let pause = Duration::from_millis((settings().stall_ms / 4).clamp(10, 500));
            tokio::time::sleep(pause).await;
            self.break_off_overdue(Instant::now());
        }
    }

    fn break_off_overdue(&self, now: Instant) {
        let bodies: Vec<_> = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.bodies.iter().filter_map(Weak::upgrade).collect()
        };
        for body in bodies {
            let overdue = {
                let mut state = body.lock().unwrap_or_else(PoisonError::into_inner);
                let is_overdue = |open: &Open| open.pace.as_ref().is_some_and(|pace| pace.is_over(now)) || open.watching.live.is_over();
                let overdue = state.open.take_if(|open| is_overdue(open));
                overdue.map(|mut open| {
                    open.watching.access.complete = false;
                    (open, state.waker.take())
                })
            };
            // Ended where nobody waits for the lock: ending a call is more than a moment's work.
            if let Some((open, waker)) = overdue {
                drop(open);
                waker.into_iter().for_each(Waker::wake);
            }
        }
    }
}

impl Open {
    /// The next piece of what is there, or what comes next.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(pace) = &mut self.pace {
            pace.took(std::mem::take(&mut self.piece_bytes), Instant::now());
        }
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = self.counted(data),
                    Err(trailers) => {
                        // Nobody asks for more after them.
                        self.watching.access.complete = self.is_end_stream();
                        return Poll::Ready(Some(Ok(trailers)));
                    }
                },
                other => {
                    self.watching.access.complete = matches!(other, Poll::Ready(None));
                    return other;
                }
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES_MAX));
        self.watching.access.response_bytes += piece.len() as u64;
        // Who knows its length is not asked for its end.
        self.watching.access.complete = self.is_end_stream();
        if let Some(pace) = &mut self.pace {
            self.piece_bytes = piece.len();
            pace.waits(Instant::now());
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn counted(&self, bytes: Bytes) -> Bytes {
        match &self.memory {
            Some(memory) => Bytes::from_owner(Counted { bytes, _memory: memory.clone() }),
            None => bytes,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut state = self.state();
        let Some(open) = &mut state.open else { return Poll::Ready(Some(Err(Error::new("it was broken off")))) };
        let polled = open.poll(context);
        if polled.is_pending() && !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.state().open.as_ref().is_some_and(Open::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.state();
        let Some(open) = &state.open else { return SizeHint::new() };
        let (rest, mut hint) = (open.rest.len() as u64, open.body.size_hint());
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
