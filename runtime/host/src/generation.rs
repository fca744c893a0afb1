//! A generation: one loaded version of a plugin, compiled and linked with its grants, with its warm instances. It lives until its last call drains.
//!
//! Everything that a call needs is here; who may be called, and in which version, is decided in `installation`. Easily got wrong: a generation that
//! is closed takes no call any more, and whoever was sent to it must look again for the one that came after it.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, RwLock, Weak};
use std::time::Duration;

use plugwork_core::chain::Caller;
use plugwork_core::reach::Reach;
use plugwork_core::{InterfaceName, Limits, Manifest, Subject, breaker};
use semver::Version;
use tokio::sync::Notify;
use wasmtime::Store;
use wasmtime::component::Component;

use crate::account::Account;
use crate::admission::{self, Seat};
use crate::breaker::{Guarded, Permit};
use crate::capability::{Configured, Prepare};
use crate::density::Loaded;
use crate::drain::drain;
use crate::engine::Profile;
use crate::error::{Error, ErrorKind, Result};
use crate::gate::Gate;
use crate::guards::{Asked, Call as GuardedCall, GuardedExports, NOBODY};
use crate::inspect::Facts;
use crate::interfaces::{lifecycle, wasi};
use crate::ledger::Spend;
use crate::live::Live;
use crate::log::{Log, Sink};
use crate::observed::Observed;
use crate::point::{Call, Point};
use crate::room::{self, Rooms};
use crate::runtime::Shared;
use crate::shelf::{Shelf, Shelved};
use crate::source::Source;
use crate::state::{Prepared, State};
use crate::threads::{GuestThreads, Lane};
use crate::ticker::Ticker;
use crate::wiring::view::{View, Views};
use crate::wiring::{Chained, Wires};

/// Each granted capability with its bounds, by name.
pub(crate) type ConfiguredByName = Vec<(String, Arc<dyn Configured>)>;

/// Where points' exports are, found at their first use.
type Indices = RwLock<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>;

/// How many there were in this process.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// Warm instances of one generation.
const WARM_MAX: usize = 16;
/// How long one instance may serve.
pub(crate) const AGE_MS_MAX: u64 = 3_600_000;

/// One loaded version of a plugin.
pub(crate) struct Generation {
    /// Unlike that of any other that there was in this process.
    pub(crate) number: u64,
    pub(crate) subject: Arc<Subject>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) facts: Arc<Facts>,
    /// What it is linked with where nobody but the host calls it: all that it was granted.
    pub(crate) own: Arc<View>,
    /// What it is linked with on behalf of other plugins.
    pub(crate) views: Views,
    pub(crate) wires: Arc<Wires>,
    /// Who has a say before calls of it.
    pub(crate) guarded: GuardedExports,
    /// Guards that the application named for it.
    pub(crate) guards_named: Vec<Arc<Self>>,
    pub(crate) reach: Vec<Reach>,
    pub(crate) limits: Limits,
    pub(crate) account: Arc<Account>,
    pub(crate) profile: Profile,
    pub(crate) component: Component,
    pub(crate) lifecycle: Option<lifecycle::GuestIndices>,
    /// Whether it can hand its memory over to the version that comes after it.
    pub(crate) handover: bool,
    /// Limits that somebody gave it instead of the runtime's.
    pub(crate) limits_given: Option<Limits>,
    /// Where it comes from; its consent is on record where `recorded` says so.
    pub(crate) source: Source,
    pub(crate) recorded: bool,
    /// Whether it imports anything of WASI.
    pub(crate) uses_wasi: bool,
    pub(crate) configuration: String,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) runtime: Weak<Shared>,
    /// What changes while it lives.
    pub(crate) work: Work,
}

/// The part of a generation that calls change.
pub(crate) struct Work {
    /// Calls and sessions that are under way.
    pub(crate) gate: Gate,
    /// Notified when the last call after closing has ended.
    pub(crate) drained: Notify,
    pub(crate) observed: Observed,
    pub(crate) breaker: Guarded,
    /// For its calls where it is not part of an installation.
    pub(crate) lane: OnceLock<Lane>,
    /// Sessions that are still open are cut.
    pub(crate) drain_is_over: AtomicBool,
    /// Counts it among what is loaded.
    _loaded: Loaded,
    indices: Indices,
    /// Warm instances; `None` where each call has one of its own.
    shelf: Option<Shelf<Box<Live>>>,
    /// Instances with several calls in them; `None` where each has one at a time.
    pub(crate) rooms: Option<Rooms>,
    /// Calls that take a warm instance or a seat for another one, whichever is there first, and who tells them that one came back.
    wanting: AtomicU32,
    came_back: Notify,
}

/// What a call finds to run in.
pub(crate) enum Found {
    /// An instance that was used before, and its history.
    Warm(Box<Live>, Shelved<()>),
    /// Room for a new one.
    Seat(Seat),
}

/// Counts a call that wants an instance, also where it is cancelled.
struct Wanting<'a>(&'a AtomicU32);

impl<'a> Wanting<'a> {
    fn one(wanting: &'a AtomicU32) -> Self {
        wanting.fetch_add(1, Ordering::Relaxed);
        Self(wanting)
    }
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Work {
    /// Notes how a call ended, for the watch over a new version and for the breaker. `now_ms` is the time at its end: a call may have taken long.
    #[inline]
    pub(crate) fn ended(&self, permit: Permit<'_>, now_ms: u64, time: Duration, error: Option<&Error>) {
        let faulted = Error::says_of_plugin(error);
        if let Some(faulted) = faulted {
            self.observed.add(time, faulted);
        }
        self.breaker.told(permit, now_ms, faulted);
    }

    /// `reuse_calls` is how many calls one instance may serve, `at_once` how many of them at the same time.
    pub(crate) fn new(reuse_calls: Option<NonZeroU32>, at_once: u32, breaker: breaker::Settings, loaded: Loaded) -> Self {
        Self {
            gate: Gate::default(),
            drained: Notify::new(),
            observed: Observed::default(),
            breaker: Guarded::new(breaker),
            lane: OnceLock::new(),
            drain_is_over: AtomicBool::new(false),
            _loaded: loaded,
            indices: RwLock::default(),
            shelf: reuse_calls.map(|calls| Shelf::new(WARM_MAX, AGE_MS_MAX, calls)),
            rooms: reuse_calls.filter(|_| at_once > 1).map(|calls| Rooms::new(calls.get(), at_once)),
            wanting: AtomicU32::new(0),
            came_back: Notify::new(),
        }
    }
}

/// A call or session under way: its generation waits for it.
pub(crate) struct Entered(Arc<Generation>);

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if self.0.work.gate.leave() {
            self.0.work.drained.notify_waiters();
        }
    }
}

impl std::ops::Deref for Entered {
    type Target = Arc<Generation>;

    fn deref(&self) -> &Arc<Generation> {
        &self.0
    }
}

impl Generation {
    /// The number of the next one.
    pub(crate) fn next_number() -> u64 {
        NUMBERS.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins a call; `None` once it is closed.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Entered> {
        self.work.gate.enter().then(|| Entered(self.clone()))
    }

    /// Makes the point's main call: in a warm instance, one of its own, or one that others are in. The caller has entered, and asked the guards.
    pub(crate) async fn call<P: Call>(self: &Arc<Self>, input: &P::Input, asked: &Asked, spend: &mut Spend) -> Result<P::Output> {
        if let Some(rooms) = &self.work.rooms
            && let Some((incoming, output)) = P::visit(input)
            && let Some(runtime) = self.runtime.upgrade()
        {
            // Boxed: every other call would carry it.
            return Box::pin(room::visit(self, rooms, &runtime, incoming, spend)).await.map(|()| output);
        }
        let (mut live, birth) = self.warm_or_new(asked).await?;
        // A new instance's start is part of what the call costs.
        let before = if birth.as_ref().is_some_and(Shelved::is_used) { live.spend() } else { Spend::default() };
        live.is_for(asked);
        let answer = live.ask::<P>(self, input).await;
        // What is said and done between two calls is nobody's.
        live.is_for(&None);
        *spend = live.spend().since(&before);
        if let Some(rest) = self.give_back(live, birth) {
            rest.end(self).await;
        }
        answer
    }

    /// Asks those who guard an interface of it whether the host may call it. Before the breaker, which has one try for many that wait.
    #[inline]
    pub(crate) async fn is_allowed(self: &Arc<Self>, interface: &str, function: Option<&str>, asked: &Asked) -> Result<()> {
        let answering = asked.as_ref().and_then(|asked| asked.answering);
        let call = GuardedCall { interface, function, callers: &NOBODY, asked, answering };
        let Some(answer) = self.asks(&call) else { return Ok(()) };
        // The wait for this thread is part of the call's time, and of no guard's.
        let waited = GuestThreads::take_waited();
        let answer = answer.await;
        GuestThreads::give_waited(waited);
        answer
    }

    /// An instance for the next call, with its history where it may serve again.
    #[inline]
    pub(crate) async fn warm_or_new(&self, asked: &Asked) -> Result<(Box<Live>, Option<Shelved<()>>)> {
        let found = self.find().await?;
        self.start(found, asked).await
    }

    /// A warm instance, or a seat for a new one.
    #[inline]
    pub(crate) async fn find(&self) -> Result<Found> {
        let Some(shelf) = &self.work.shelf else { return self.seat().await.map(Found::Seat) };
        match shelf.take(self.now_ms()) {
            Some(Ok(shelved)) => {
                let (live, birth) = shelved.split();
                return Ok(Found::Warm(live, birth));
            }
            Some(Err(expired)) => {
                expired.end(self).await;
            }
            None => {}
        }
        // Boxed: a warm call would carry its size.
        Box::pin(self.seat_or_warm()).await
    }

    /// The instance that was found, or a new one in that seat.
    #[inline]
    pub(crate) async fn start(&self, found: Found, asked: &Asked) -> Result<(Box<Live>, Option<Shelved<()>>)> {
        match found {
            Found::Warm(live, birth) => Ok((live, Some(birth))),
            Found::Seat(seat) => {
                let birth = self.reuses().then(|| Shelved::new((), self.now_ms()));
                Ok((Box::new(Live::start_in(self, seat, asked).await?), birth))
            }
        }
    }

    /// Whichever is there first: a seat for a new instance, or a warm one.
    async fn seat_or_warm(&self) -> Result<Found> {
        let _wanting = Wanting::one(&self.work.wanting);
        let mut seat = std::pin::pin!(self.seat());
        loop {
            // Listening first, looking second: what comes back between the two is heard of.
            let mut came_back = std::pin::pin!(self.work.came_back.notified());
            came_back.as_mut().enable();
            if let Some((live, birth)) = self.take_warm() {
                return Ok(Found::Warm(live, birth));
            }
            tokio::select! {
                biased;
                seat = &mut seat => {
                    // Told of one that it does not need: the next is.
                    if self.idle() > 0 {
                        self.work.came_back.notify_one();
                    }
                    return seat.map(Found::Seat);
                }
                () = came_back => {}
            }
        }
    }

    /// Keeps an instance warm where it may be used again; gives what is to be ended instead.
    #[inline]
    #[must_use = "what is not kept has to be ended"]
    pub(crate) fn give_back(&self, live: Box<Live>, birth: Option<Shelved<()>>) -> Option<Box<Live>> {
        match (&self.work.shelf, birth) {
            (Some(shelf), Some(birth)) if live.fault().is_none() => self.unless_waited_for(shelf.put(birth.with(live), self.now_ms())),
            _ => Some(live),
        }
    }

    /// Puts an instance with its state where the next call finds it.
    pub(crate) fn warm(&self, live: Box<Live>) -> Option<Box<Live>> {
        let now_ms = self.now_ms();
        match &self.work.shelf {
            Some(shelf) => self.unless_waited_for(shelf.put(Shelved::new(live, now_ms), now_ms)),
            None => Some(live),
        }
    }

    /// After something was put on the shelf. Looked at after and not before: whoever waits has counted itself first and looked at the shelf second.
    #[inline]
    fn unless_waited_for(&self, rest: Option<Box<Live>>) -> Option<Box<Live>> {
        if rest.is_none() && self.account.process_seats().are_waited_for() { self.pass_on() } else { rest }
    }

    /// Somebody waits for a seat: gives a warm instance that has one, to be ended, or tells a call of its own that there is one.
    #[cold]
    fn pass_on(&self) -> Option<Box<Live>> {
        let wanting = self.work.wanting.load(Ordering::Relaxed);
        // Sessions need instances of their own, and other plugins cannot use these.
        if self.account.seats().waiting() > wanting || self.account.process_seats().waiting() > 0 {
            return self.take_idle();
        }
        if wanting > 0 {
            self.work.came_back.notify_one();
        }
        None
    }

    /// Takes a warm instance, if there is one.
    pub(crate) fn take_warm(&self) -> Option<(Box<Live>, Shelved<()>)> {
        self.work.shelf.as_ref()?.take(self.now_ms())?.ok().map(Shelved::split)
    }

    /// Takes an instance that waits for a call, also one that is too old for it: to be ended.
    pub(crate) fn take_idle(&self) -> Option<Box<Live>> {
        let taken = self.work.shelf.as_ref()?.take(self.now_ms())?;
        Some(taken.map_or_else(|expired| expired, Shelved::into_value))
    }

    /// Whether it keeps instances warm.
    pub(crate) fn reuses(&self) -> bool {
        self.work.shelf.is_some()
    }

    /// How many instances wait for a call.
    pub(crate) fn idle(&self) -> usize {
        self.work.shelf.as_ref().map_or(0, Shelf::len)
    }

    /// Ends the warm instances that were not used for so long.
    pub(crate) async fn release_idle(self: &Arc<Self>, idle_ms: u64) {
        let Some(shelf) = &self.work.shelf else { return };
        self.end_all(shelf.sweep(self.now_ms(), idle_ms)).await;
    }

    /// Says goodbye to instances of this version, on a guest thread.
    pub(crate) async fn end_all(self: &Arc<Self>, lives: impl IntoIterator<Item = Box<Live>, IntoIter: Send + 'static>) {
        let mut lives = lives.into_iter().peekable();
        if lives.peek().is_none() {
            return;
        }
        let this = self.clone();
        let goodbye = async move {
            for live in lives {
                live.end(&this).await;
            }
        };
        self.asked_by_host(goodbye).await;
    }

    /// Takes no call any more, waits for those under way, then ends the warm instances. After `patience` sessions are cut, and calls that are still
    /// there go on until their deadline; nothing here waits for them: see [`Generation::emptied`].
    pub(crate) async fn retire(self: &Arc<Self>, patience: Duration) -> bool {
        let in_time = drain(&self.work.gate, &self.work.drained, patience).await;
        self.work.drain_is_over.store(true, Ordering::Relaxed);
        if let Some(shelf) = &self.work.shelf {
            self.end_all(shelf.close()).await;
        }
        in_time
    }

    /// Waits until the last call has ended of one that takes none any more, for so long at most.
    pub(crate) async fn emptied(&self, patience: Duration) {
        drain(&self.work.gate, &self.work.drained, patience).await;
    }

    /// Takes no call any more; says whether nothing is left to wait for.
    pub(crate) fn is_over_once_closed(&self) -> bool {
        self.work.gate.close();
        let is_over = self.work.shelf.is_none() && self.work.gate.closed_and_empty();
        if is_over {
            self.work.drain_is_over.store(true, Ordering::Relaxed);
        }
        is_over
    }

    /// Whether a version that takes its place exports every point that it exports.
    pub(crate) fn is_followed_by(&self, next: &Self) -> Result<()> {
        let gone: Vec<_> =
            self.facts.points().filter(|point| !next.facts.exports.iter().any(|export| point.is_satisfied_by(export))).collect();
        if !gone.is_empty() {
            let names: Vec<_> = gone.iter().map(|point| format!("`{point}`")).collect();
            let message = format!("`{}` does not export {}, which the version that runs does", next.subject, names.join(", "));
            return Err(Error::new(ErrorKind::Invalid, message).of(&next.subject));
        }
        Ok(())
    }

    /// Whether an instance of the version that takes its place has the points that are called here with the types with which they are called.
    pub(crate) fn fits(&self, next: &Self, live: &mut Live) -> Result<()> {
        let Some(runtime) = self.runtime.upgrade() else { return Ok(()) };
        let called = runtime.members.called();
        for point in called.iter().filter(|called| self.facts.points().any(|point| called.interface.is_satisfied_by(point))) {
            let instance = live.instance;
            (point.fits)(&next.own.pre, live.store(), &instance).map_err(|error| {
                let message = format!("`{}` does not fit `{}` as it is called here: {error:#}", next.subject, point.interface);
                Error::new(ErrorKind::Invalid, message).of(&next.subject)
            })?;
        }
        Ok(())
    }

    /// A seat for one more instance.
    pub(crate) async fn seat(&self) -> Result<Seat> {
        let runtime = self.runtime.upgrade();
        // Its own warm instances are no reason to wait: whoever asks for a seat found none that it could use.
        let own_room = || drop(self.take_idle());
        let make_room = || _ = runtime.as_ref().is_some_and(|runtime| runtime.release_one_idle());
        let scarce = |scarce| Error::scarce(scarce).of(&self.subject);
        let seat = admission::seat(&self.account, own_room, make_room).await.map_err(scarce)?;
        if let Some(runtime) = &runtime {
            runtime.with_idle_gone(|| runtime.density.check(&runtime.seats)).map_err(scarce)?;
        }
        Ok(seat)
    }

    /// The version in its manifest.
    pub(crate) fn version(&self) -> Option<&Version> {
        self.manifest.as_ref().map(|manifest| &manifest.version)
    }

    /// Whether it exports the point (or the lifecycle), on a compatible version track.
    pub(crate) fn has<P: Point>(&self) -> bool {
        let wanted: Result<InterfaceName, _> = P::INTERFACE.parse();
        wanted.is_ok_and(|wanted| self.facts.exports.iter().any(|export| wanted.is_satisfied_by(export)))
    }

    /// The runtime's coarse clock.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        self.ticker.coarse_ms()
    }

    /// An error where what it is made of is on no record: an installation is unloaded, and loaded again from that.
    pub(crate) fn may_be_loaded_again(&self) -> Result<()> {
        if !self.wires.is_named && self.guards_named.is_empty() {
            return Ok(());
        }
        let message = format!(
            "`{}` cannot be installed as it was wired, fused or guarded: no record says with whom\nhint: let the grant `call` say whom it calls, and install that plugin too",
            self.subject
        );
        Err(Error::new(ErrorKind::Invalid, message).of(&self.subject))
    }

    /// Whether it takes no calls any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.work.gate.is_closed()
    }

    /// A store for one instance, with what its capabilities prepared in this view of it.
    pub(crate) fn new_store(&self, view: &Arc<View>, callers: Arc<[Caller]>) -> Result<Store<State>> {
        let log = Arc::new(Log::new(self.subject.clone(), self.sink.clone(), self.account.clone()));
        let mut prepared = Prepared::default();
        // A WASI context seeds its random generators: most of a microsecond, which a plugin without WASI need not pay.
        let context = if self.uses_wasi || !view.configured.is_empty() {
            let mut context = wasi::inert_context(&log);
            for (name, configured) in &view.configured {
                configured.prepare(&mut Prepare { wasi: &mut context, prepared: &mut prepared, account: &self.account }).map_err(
                    |error| {
                        Error::new(ErrorKind::Io, format!("cannot prepare capability `{name}` for `{}`: {error:#}", self.subject))
                            .of(&self.subject)
                    },
                )?;
            }
            Some(context.build())
        } else {
            None
        };
        let mut state = State::new(self.subject.clone(), log, self.limits, self.account.clone(), context, prepared);
        state.chained = Chained::of(&self.wires, view, callers);
        let mut store = Store::new(view.pre.engine(), state);
        crate::call::arm_store(&mut store, &self.ticker);
        Ok(store)
    }

    /// Where the point's exports are: found at the first use.
    pub(crate) fn indices<P: Point>(&self) -> Result<Arc<P::Indices>> {
        let known = self.work.indices.read().expect("no panic happens under this lock").get(&TypeId::of::<P>()).cloned();
        if let Some(indices) = known.and_then(|known| known.downcast::<P::Indices>().ok()) {
            return Ok(indices);
        }
        let indices = Arc::new(P::indices(&self.own.pre).map_err(|error| {
            let points: Vec<_> = self.facts.points().map(|point| format!("`{point}`")).collect();
            let message = format!("`{}` is not a `{}`: {error:#}; it exports {}", self.subject, P::INTERFACE, points.join(", "));
            Error::new(ErrorKind::Invalid, message).of(&self.subject)
        })?);
        self.work.indices.write().expect("no panic happens under this lock").insert(TypeId::of::<P>(), indices.clone());
        if let Some(runtime) = self.runtime.upgrade() {
            runtime.members.is_called::<P>();
        }
        Ok(indices)
    }
}
