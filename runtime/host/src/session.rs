//! A session: one instance, held by its caller. Every call has its own deadline; any fault ends the session, and so does being forgotten.
//!
//! Resources that a point returns (a cursor, an analysis) live in the session's instance and die with it. Easily got wrong: the instance is not
//! in the [`Session`] but in a place that the runtime knows too, so that it can be taken back from a caller who keeps the session and never calls.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork_core::{Fault, Subject};
use wasmtime::StoreContextMut;

use crate::breaker::Permit;
use crate::call::Running;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::Entered;
use crate::guards::Asked;
use crate::installation::Member;
use crate::ledger::Spend;
use crate::live::Live;
use crate::point::{Call, Point};
use crate::runtime::Shared;
use crate::state::State;
use crate::threads::GuestThreads;

/// Why an instance is no longer where its session left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It was not called for longer than `session-idle-ms`.
    Idle(u64),
    /// It existed for longer than `session-total-ms`.
    Total(u64),
    /// Its plugin was replaced, disabled or removed, and the time to drain is over.
    Drained,
    /// Consent was revoked.
    Revoked,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(ms) => write!(f, "it was not used for {ms} ms (`session-idle-ms`)"),
            Self::Total(ms) => write!(f, "it was open for {ms} ms (`session-total-ms`)"),
            Self::Drained => f.write_str("its plugin was replaced, disabled or removed"),
            Self::Revoked => f.write_str("consent was revoked"),
        }
    }
}

/// The place of a session's instance. Empty while a call runs.
pub(crate) struct Place {
    inside: Mutex<Inside>,
    /// By the runtime's coarse clock.
    used_ms: AtomicU64,
    born_ms: u64,
    entered: Entered,
    /// The installation that it is a session of; none where a version was asked by itself.
    member: Option<Arc<Member>>,
}

enum Inside {
    Resting(Box<Live>),
    Calling,
    /// Boxed: every call moves this in and out of its lock, and nearly none finds it so.
    Gone(Box<Gone>),
}

/// What is left of a session that has ended.
struct Gone {
    why: Option<Cut>,
    spend: Spend,
    fault: Option<Fault>,
}

impl Inside {
    fn gone(why: Option<Cut>, spend: Spend, fault: Option<Fault>) -> Self {
        Self::Gone(Box::new(Gone { why, spend, fault }))
    }
}

impl Place {
    fn take(&self) -> Result<Box<Live>> {
        let mut inside = self.inside.lock().expect("no panic happens under this lock");
        match std::mem::replace(&mut *inside, Inside::Calling) {
            Inside::Resting(live) => Ok(live),
            // Only a caller who dropped a call in the middle comes here while it is marked so: the instance went with that call.
            Inside::Calling => {
                *inside = Inside::gone(None, Spend::default(), Some(Fault::Cancelled));
                Err(self.ended(None, Some(&Fault::Cancelled)))
            }
            Inside::Gone(gone) => {
                let error = self.ended(gone.why, gone.fault.as_ref());
                *inside = Inside::Gone(gone);
                Err(error)
            }
        }
    }

    fn put(&self, live: Box<Live>) {
        self.used_ms.store(self.entered.ticker.coarse_ms(), Ordering::Relaxed);
        let mut inside = self.inside.lock().expect("no panic happens under this lock");
        *inside = match live.fault() {
            None => Inside::Resting(live),
            // Dropped outside of the lock, below.
            Some(fault) => Inside::gone(None, live.spend(), Some(fault.clone())),
        };
    }

    /// Asks the breaker of its plugin for a call: none where it is open, and then the call says nothing there. It keeps no session from its next
    /// call: a fault has ended it anyway.
    #[inline]
    fn permit(&self) -> Option<Permit<'_>> {
        self.entered.work.breaker.admit(self.entered.ticker.coarse_ms()).ok()
    }

    /// Tells the watch and the breaker of its plugin how a call went, which may have begun before the breaker opened.
    #[inline]
    fn note(&self, permit: Option<Permit<'_>>, time: Duration, error: Option<&Error>) {
        let (work, now_ms) = (&self.entered.work, self.entered.ticker.coarse_ms());
        match permit {
            Some(permit) => work.ended(permit, now_ms, time, error),
            None => Error::says_of_plugin(error).into_iter().for_each(|faulted| work.observed.add(time, faulted)),
        }
    }

    fn ended(&self, why: Option<Cut>, fault: Option<&Fault>) -> Error {
        let subject = &self.entered.subject;
        match (why, fault) {
            (Some(why), _) => Error::new(ErrorKind::Unavailable, format!("the session of `{subject}` has ended: {why}")),
            (None, Some(fault)) => Error::new(ErrorKind::Invalid, format!("the session has ended: its plugin {fault}")),
            (None, None) => Error::new(ErrorKind::Invalid, "the session has ended"),
        }
        .of(subject)
    }

    /// Takes the instance back where its time is over; a session in the middle of a call is left to its deadline. Gives what is to be ended.
    pub(crate) fn cut(&self, now_ms: u64) -> Option<Box<Live>> {
        let limits = self.entered.account.limits();
        let idle_ms = now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed));
        let total_ms = now_ms.saturating_sub(self.born_ms);
        // A plugin that was removed has drained before its consent ends: that is why.
        let why = if self.entered.work.drain_is_over.load(Ordering::Relaxed) {
            Cut::Drained
        } else if self.entered.account.revoked() {
            Cut::Revoked
        } else if idle_ms > limits.session_idle_ms {
            Cut::Idle(idle_ms)
        } else if total_ms > limits.session_total_ms {
            Cut::Total(total_ms)
        } else {
            return None;
        };
        let mut inside = self.inside.lock().expect("no panic happens under this lock");
        match std::mem::replace(&mut *inside, Inside::Calling) {
            Inside::Resting(live) => {
                *inside = Inside::gone(Some(why), live.spend(), None);
                Some(live)
            }
            other => {
                *inside = other;
                None
            }
        }
    }

    /// When it was last called, by the coarse clock.
    pub(crate) fn last_used_ms(&self) -> u64 {
        self.used_ms.load(Ordering::Relaxed)
    }

    /// The installation of an open session whose version still takes calls.
    pub(crate) fn holds_loaded(&self) -> Option<&Arc<Member>> {
        let is_open = !matches!(*self.inside.lock().expect("no panic happens under this lock"), Inside::Gone(_));
        self.member.as_ref().filter(|_| is_open && !self.entered.work.gate.is_closed())
    }

    /// Its plugin is used by this, as by any other call.
    fn is_used(&self) {
        let now_ms = self.entered.ticker.coarse_ms();
        if let Some(member) = self.member.as_ref().filter(|member| member.is_to_be_noted(now_ms))
            && let Some(runtime) = self.entered.runtime.upgrade()
        {
            member.used(&runtime, now_ms);
        }
    }

    /// Whose it is.
    pub(crate) fn entered(&self) -> &Entered {
        &self.entered
    }
}

/// One instance of a plugin, seen through the point `P`.
pub struct Session<P: Point> {
    place: Arc<Place>,
    guest: Arc<P::Guest>,
}

impl<P: Point> fmt::Debug for Session<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} as {}{})", self.subject(), P::INTERFACE, if self.has_ended() { ", ended" } else { "" })
    }
}

impl<P: Point> Session<P> {
    /// The guards were asked.
    pub(crate) async fn start(entered: Entered, member: Option<Arc<Member>>, asked: &Asked) -> Result<Self> {
        // Before an instance is made: whether it is such a point at all.
        entered.indices::<P>()?;
        let mut live = Box::new(Live::start(&entered, asked).await?);
        let guest = live.guest::<P>(&entered)?;
        let now_ms = entered.ticker.coarse_ms();
        let runtime = entered.runtime.upgrade();
        let inside = Mutex::new(Inside::Resting(live));
        let place = Arc::new(Place { inside, used_ms: now_ms.into(), born_ms: now_ms, entered, member });
        if let Some(runtime) = runtime {
            runtime.watch_session(&place);
        }
        Ok(Self { place, guest })
    }

    /// Makes one call, within its own deadline. After a fault the session has ended: every further call is an error.
    ///
    /// A future that is dropped before it is done cancels the call and ends the session. From a thread that does I/O a call that is not short hops to a guest
    /// thread; where there is no room for it, or no time, it never began and the session goes on.
    pub async fn call<R: Send + 'static>(
        &mut self,
        call: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>) -> Running<'a, wasmtime::Result<R>> + Send + 'static,
    ) -> Result<R> {
        self.call_with(&(), |guest, store, ()| call(guest, store)).await
    }

    /// As [`Session::call`], with something that the call may borrow: the closure alone cannot borrow from its surroundings. It is copied where
    /// the call hops.
    pub async fn call_with<W: Clone + Send + Sync + 'static, R: Send + 'static>(
        &mut self,
        with: &W,
        call: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>, &'a W) -> Running<'a, wasmtime::Result<R>> + Send + 'static,
    ) -> Result<R> {
        let mut live = self.place.take()?;
        self.place.is_used();
        let (before, permit) = (live.time(), self.place.permit());
        let entered = &self.place.entered;
        let Some(runtime) = entered.runtime_to_hop_to() else {
            let answer = live.call(entered, &(&*self.guest, with), |(guest, with), store| call(guest, store, with)).await;
            return self.after(live, before, permit, answer);
        };
        let (guest, with) = (self.guest.clone(), with.clone());
        let ask = |mut live: Box<Live>, place: Arc<Place>| async move {
            live.has_waited(GuestThreads::take_waited());
            let answer = live.call(&place.entered, &(&*guest, &with), |(guest, with), store| call(guest, store, with)).await;
            (live, answer)
        };
        self.elsewhere(&runtime, live, permit, ask).await
    }

    /// Makes a call in its lane.
    async fn elsewhere<R, F>(
        &self,
        runtime: &Shared,
        live: Box<Live>,
        permit: Option<Permit<'_>>,
        ask: impl FnOnce(Box<Live>, Arc<Place>) -> F + Send + 'static,
    ) -> Result<R>
    where
        R: Send + 'static,
        F: Future<Output = (Box<Live>, Result<R>)> + Send + 'static,
    {
        let (before, entered) = (live.time(), &self.place.entered);
        // Not in the hop alone: a call that never began leaves its instance as it was.
        let waiting = Arc::new(Mutex::new(Some(live)));
        let (taken, place) = (waiting.clone(), self.place.clone());
        let take = |waiting: &Mutex<Option<Box<Live>>>| waiting.lock().expect("no panic happens under this lock").take();
        let there = async move {
            let live = take(&taken).expect("taken once, by the call when it begins");
            ask(live, place).await
        };
        match runtime.call_in(&entered.lane(runtime), entered.account.limits().deadline_ms, Box::pin(there)).await {
            Ok((live, answer)) => self.after(live, before, permit, answer),
            Err(never_began) => {
                take(&waiting).into_iter().for_each(|live| self.place.put(live));
                Err(never_began.of(&self.place.entered.subject))
            }
        }
    }

    fn after<R>(&self, live: Box<Live>, time_before: Duration, permit: Option<Permit<'_>>, answer: Result<R>) -> Result<R> {
        self.place.note(permit, live.time() - time_before, answer.as_ref().err());
        self.place.put(live);
        answer
    }

    /// Ends the session on purpose: the plugin's `shutdown` is called, unless a fault ended it already. A session that is only dropped says
    /// nothing to its plugin.
    pub async fn end(self) -> Spend {
        match self.place.take() {
            Ok(live) => {
                let place = self.place.clone();
                let spend = self.place.entered.asked_by_host(async move { live.end(&place.entered).await }).await;
                *self.place.inside.lock().expect("no panic happens under this lock") = Inside::gone(None, spend, None);
                spend
            }
            Err(_) => self.spend(),
        }
    }

    fn look<T>(&self, resting: impl FnOnce(&Live) -> T, gone: impl FnOnce(&Spend, Option<&Fault>) -> T) -> T {
        match &*self.place.inside.lock().expect("no panic happens under this lock") {
            Inside::Resting(live) => resting(live),
            // `&mut self` in every call: seen from here a call that is marked so was dropped.
            Inside::Calling => gone(&Spend::default(), Some(&Fault::Cancelled)),
            Inside::Gone(left) => gone(&left.spend, left.fault.as_ref()),
        }
    }

    /// What the instance has used so far.
    pub fn spend(&self) -> Spend {
        self.look(Live::spend, |spend, _| *spend)
    }

    /// Whose plugin it is.
    pub fn subject(&self) -> &Subject {
        &self.place.entered.subject
    }

    /// The growth that was refused in the last call, if one was: a guest that catches it answers in words of its own.
    pub fn refused_growth(&self) -> Option<Fault> {
        self.look(Live::refused_growth, |_, fault| fault.filter(|fault| matches!(fault, Fault::Memory { .. })).cloned())
    }

    /// Whether a fault, a cancelled call, its limits or the host ended it.
    pub fn has_ended(&self) -> bool {
        self.look(|_| false, |_, _| true)
    }
}

impl<P: Call> Session<P> {
    /// Makes the point's main call in this session.
    pub async fn call_input(&mut self, input: &P::Input) -> Result<P::Output> {
        let mut live = self.place.take()?;
        self.place.is_used();
        let (before, permit) = (live.time(), self.place.permit());
        let Some(runtime) = self.place.entered.runtime_to_hop_to() else {
            let answer = live.ask::<P>(&self.place.entered, input).await;
            return self.after(live, before, permit, answer);
        };
        let input = input.clone();
        let ask = |mut live: Box<Live>, place: Arc<Place>| async move {
            let answer = live.ask::<P>(&place.entered, &input).await;
            (live, answer)
        };
        self.elsewhere(&runtime, live, permit, ask).await
    }
}
