//! Installations: one instance of one plugin that a runtime manages through all its versions, from consent to removal.
//!
//! Here is who is called and in which version. What each change does is in the files beside: `moves` (install, enable, disable, remove), `load`,
//! `replace`, `start`. Easily got wrong: an installation that is active need not be loaded; its first call loads it.

mod back;
mod consented;
mod direct;
mod dynamic;
mod events;
mod expiry;
pub(crate) mod hooks;
pub(crate) mod load;
mod lost;
pub(crate) mod members;
mod moves;
mod order;
mod replace;
pub(crate) mod roster;
mod settings;
mod start;
mod status;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use plugwork_core::breaker::{Breaker, BreakerState};
use plugwork_core::lifecycle::{Actor, Move, Stage, State as LifeState};
use plugwork_core::policy::call::CallBounds;
use plugwork_core::policy::events::EventsBounds;
use plugwork_core::record::{ConsentKey, Settings};
use plugwork_core::{Denial, Digest, InterfaceName, Subject, lifecycle};

use crate::dispatch::{self, Origin, Outcome, Told};
use crate::error::{Error, ErrorKind, Result};
use crate::flight::Flight;
use crate::generation::{Entered, Generation};
use crate::guards::{Asked, Behalf};
use crate::native::AnyNative;
use crate::plugin::Plugin;
use crate::point::{Call, Point};
use crate::runtime::{Runtime, Shared};
use crate::session::Session;
use crate::threads::{GuestThreads, Job, Lane};

pub use hooks::{Change, Hooks};
pub use replace::{Offered, Replaced, Replacement};
pub(crate) use start::native_subject;
pub use start::{Found, Preload, Skipped, Start, Started};
pub use status::Status;

/// One managed plugin. Its clones are one installation.
#[derive(Clone)]
pub struct Installation {
    runtime: Runtime,
    member: Arc<Member>,
    /// For whom it calls.
    asked: Asked,
}

/// What the runtime keeps of an installation, loaded or not: a hundred thousand of these fit in one process.
pub(crate) struct Member {
    pub(crate) key: ConsentKey,
    /// As shown: the package and the instance.
    pub(crate) name: Arc<str>,
    pub(crate) settings: ArcSwap<Settings>,
    /// Which file it is.
    subject: ArcSwap<Subject>,
    /// How to load it again.
    recipe: ArcSwap<load::Recipe>,
    pub(crate) native: Option<AnyNative>,
    state: Mutex<LifeState>,
    /// Accepted and not yet called: what enabling begins with.
    ready: Mutex<Option<Arc<Generation>>>,
    /// The version that new calls go to, while it is active and loaded.
    current: ArcSwapOption<Generation>,
    /// The version before it, for as long as it may come back.
    watched: Mutex<Option<back::Watched>>,
    /// The file that ran when it was last enabled, where another has consent by now: what `migrate` is told of.
    updated_from: Mutex<Option<Digest>>,
    /// What was said when a version last went back by itself.
    rolled_back: Mutex<Option<String>>,
    /// The record that the version rests on which is being enabled; 0 while none is.
    enabling_since: AtomicU64,
    /// Whether the application had its say in this activation: one that is loaded at its first call is activated by that.
    activated: AtomicBool,
    flight: Flight<Result<Arc<Generation>>>,
    /// Held by whoever changes it: one change at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
    lane: OnceLock<Lane>,
    /// How many versions were loaded so far.
    generations: AtomicU64,
    /// The last record of its life that it is in accord with.
    heard: AtomicU64,
    /// By the coarse clock; 0 before the first call.
    used_ms: AtomicU64,
    /// When its consent is over, in Unix milliseconds.
    expires_ms: AtomicU64,
    /// What it may receive and publish, also while it is not loaded.
    event_bounds: ArcSwapOption<EventsBounds>,
    /// Whom it may call, also while it is not loaded.
    call_bounds: ArcSwapOption<CallBounds>,
    /// The breaker of the version that was unloaded, where that had something to say.
    breaker_left: Mutex<Option<Box<(Digest, Breaker)>>>,
}

impl Member {
    fn new(subject: Subject, settings: Settings, recipe: load::Recipe, native: Option<AnyNative>) -> Self {
        Self {
            key: ConsentKey::from(&subject),
            name: subject.to_string().into(),
            settings: ArcSwap::from_pointee(settings),
            subject: ArcSwap::from_pointee(subject),
            recipe: ArcSwap::from_pointee(recipe),
            ready: Mutex::default(),
            native,
            state: Mutex::new(LifeState::Discovered),
            current: ArcSwapOption::empty(),
            watched: Mutex::default(),
            updated_from: Mutex::default(),
            enabling_since: AtomicU64::new(0),
            rolled_back: Mutex::default(),
            activated: AtomicBool::new(false),
            flight: Flight::default(),
            changing: Arc::default(),
            lane: OnceLock::new(),
            generations: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            used_ms: AtomicU64::new(0),
            expires_ms: AtomicU64::new(u64::MAX),
            event_bounds: ArcSwapOption::empty(),
            call_bounds: ArcSwapOption::empty(),
            breaker_left: Mutex::default(),
        }
    }

    pub(crate) fn subject(&self) -> Arc<Subject> {
        self.subject.load_full()
    }

    /// The version that was accepted and is not enabled yet.
    pub(crate) fn ready(&self) -> Option<Arc<Generation>> {
        self.ready.lock().expect("no panic happens under this lock").clone()
    }

    fn is_updated(&self) -> bool {
        self.updated_from.lock().expect("no panic happens under this lock").is_some()
    }

    /// The number of the version that is loaded now; none where none is.
    pub(crate) fn current_number(&self) -> Option<u64> {
        self.current.load().as_ref().map(|generation| generation.number)
    }

    fn updated_from(&self, digest: Option<Digest>) {
        *self.updated_from.lock().expect("no panic happens under this lock") = digest;
    }

    /// When it was last called, by the coarse clock.
    pub(crate) fn last_used_ms(&self) -> Option<u64> {
        Some(self.used_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// It is in accord with what this record says of its life, and those before it.
    fn hear(&self, sequence: u64) {
        self.heard.fetch_max(sequence, Ordering::SeqCst);
    }

    /// Whether a record of its life says nothing new.
    fn has_heard(&self, sequence: u64) -> bool {
        self.heard.load(Ordering::SeqCst) >= sequence
    }

    fn count_generation(&self) {
        self.generations.fetch_add(1, Ordering::Relaxed);
    }

    /// How many versions of it were loaded so far.
    fn generations(&self) -> u64 {
        self.generations.load(Ordering::Relaxed)
    }

    pub(crate) fn lane(&self, threads: &GuestThreads) -> &Lane {
        self.lane.get_or_init(|| threads.lane())
    }

    /// How long a call of it may wait for a guest thread: as long as it may take. Where it is not loaded its own limit is not known.
    pub(crate) fn patience_ms(&self, shared: &Shared) -> u64 {
        self.current.load().as_ref().map_or(shared.limits.deadline_ms, |generation| generation.limits.deadline_ms)
    }

    pub(crate) fn state(&self) -> LifeState {
        self.state.lock().expect("no panic happens under this lock").clone()
    }

    fn is(&self, stage: Stage) -> bool {
        self.state.lock().expect("no panic happens under this lock").stage() == stage
    }

    fn refused(&self, denial: Denial) -> Error {
        Error::refused(format!("`{}` stays {}:", self.name, self.state()), vec![denial]).of(&self.subject())
    }

    /// Makes a legal move and says where it was; an illegal one is an error that names the legal ones.
    fn advance(&self, by_move: Move, who: Actor, to: impl FnOnce(Stage) -> LifeState) -> Result<LifeState> {
        let mut state = self.state.lock().expect("no panic happens under this lock");
        let next = lifecycle::next(state.stage(), by_move, who);
        let next = next.map_err(|denial| Error::refused(format!("`{}` stays {state}:", self.name), vec![denial]).of(&self.subject()))?;
        Ok(std::mem::replace(&mut *state, to(next)))
    }

    /// Makes one call, in whichever version is current when it begins.
    #[inline]
    pub(crate) async fn call<P: Call>(
        self: &Arc<Self>,
        runtime: &Runtime,
        input: &P::Input,
        asked: &Asked,
        told: &mut Told,
    ) -> Result<P::Output> {
        if let Some(native) = &self.native {
            let shared = runtime.shared();
            if !shared.guards.is_empty() {
                self.asks_native(runtime, native.interface, asked).await?;
            }
            let now_ms = shared.now_ms();
            let service = native.enter().ok_or_else(|| self.unavailable())?;
            let permit = service.breaker.admit(now_ms).map_err(|open| self.tripped(open.retry_after_ms))?;
            let started = Instant::now();
            self.used_ms.store(now_ms.max(1), Ordering::Relaxed);
            let answer = native.call::<P>(input, shared.limits.deadline_ms, &shared.io).await.map_err(|error| error.of(&self.subject()));
            told.time = started.elapsed();
            let faulted = Error::says_of_plugin(answer.as_ref().err());
            faulted.into_iter().for_each(|faulted| native.observed.add(told.time, faulted));
            service.breaker.told(permit, shared.now_ms(), faulted);
            return answer;
        }
        let now_ms = runtime.shared().now_ms();
        self.used(runtime.shared(), now_ms);
        let entered = match self.enter_current() {
            Some(entered) => entered,
            None => self.enter_loaded(runtime, now_ms).await?,
        };
        entered.is_allowed(P::INTERFACE, None, asked).await?;
        let permit = entered.work.breaker.admit(entered.now_ms()).map_err(|open| self.tripped(open.retry_after_ms))?;
        told.by = Some(entered.subject.clone());
        told.version = entered.version().cloned();
        let answer = entered.call::<P>(input, asked, &mut told.spend).await;
        // Read for the ledger anyway: two more readings of the clock would be a tenth of a warm call.
        told.time = told.spend.time;
        entered.work.ended(permit, runtime.shared().now_ms(), told.time, answer.as_ref().err());
        answer
    }

    /// Begins a call in the current version, loading it where it is not.
    #[inline]
    pub(crate) async fn enter(self: &Arc<Self>, runtime: &Runtime, now_ms: u64) -> Result<Entered> {
        self.used(runtime.shared(), now_ms);
        match self.enter_current() {
            Some(entered) => Ok(entered),
            None => self.enter_loaded(runtime, now_ms).await,
        }
    }

    #[inline]
    fn enter_current(&self) -> Option<Entered> {
        self.current.load().as_ref().and_then(Generation::enter)
    }

    /// Not loaded, or closed in this very moment: by the time it is loaded the next version is the current one. Entered as it was given, because
    /// where little fits it may be unloaded again before it would be found there.
    #[cold]
    async fn enter_loaded(self: &Arc<Self>, runtime: &Runtime, now_ms: u64) -> Result<Entered> {
        loop {
            self.is_left_open(now_ms)?;
            if let Some(entered) = self.loaded(runtime).await?.enter() {
                return Ok(entered);
            }
            if let Some(entered) = self.enter_current() {
                return Ok(entered);
            }
        }
    }

    /// Notes that it was used, at most once a second: more often would say no more.
    #[inline]
    pub(crate) fn used(self: &Arc<Self>, shared: &Shared, now_ms: u64) {
        if self.is_to_be_noted(now_ms) {
            self.used_ms.store(now_ms.max(1), Ordering::Relaxed);
            shared.density.touch(self);
        }
    }

    /// Whether the last use that was noted is long ago.
    #[inline]
    pub(crate) fn is_to_be_noted(&self, now_ms: u64) -> bool {
        let before = self.used_ms.load(Ordering::Relaxed);
        before == 0 || now_ms.saturating_sub(before) >= 1_000
    }

    /// An error where the breaker was open when it was unloaded and still is: others need not make room for a call that would be refused.
    fn is_left_open(&self, now_ms: u64) -> Result<()> {
        let left = self.breaker_left.lock().expect("no panic happens under this lock");
        match left.as_ref().map(|left| left.1.state()) {
            Some(BreakerState::Open { until_ms }) if now_ms < until_ms => Err(self.tripped(until_ms - now_ms)),
            _ => Ok(()),
        }
    }

    fn tripped(&self, retry_after_ms: u64) -> Error {
        let message = format!(
            "`{}` failed too often and is not called for {retry_after_ms} ms more (its breaker is open)\nhint: `plugwork logs {}` says why",
            self.name, self.key.package
        );
        Error::new(ErrorKind::Unavailable, message).retry_after(retry_after_ms).of(&self.subject())
    }

    pub(crate) fn unavailable(&self) -> Error {
        let state = self.state();
        let hint = match state.stage() {
            Stage::Installed => format!("\nhint: `plugwork enable {}`", self.key.package),
            _ => String::new(),
        };
        Error::new(ErrorKind::Unavailable, format!("`{}` takes no calls: it is {state}{hint}", self.name)).of(&self.subject())
    }
}

/// A state without data of its own.
fn plain(stage: Stage) -> LifeState {
    match stage {
        Stage::Discovered => LifeState::Discovered,
        Stage::Installed => LifeState::Installed,
        Stage::Enabling => LifeState::Enabling,
        Stage::Active => LifeState::Active,
        Stage::Suspended => LifeState::Suspended { reason: String::new() },
        Stage::Disabling => LifeState::Disabling,
        Stage::Failed => LifeState::Failed { fault: String::new() },
        Stage::Removed => LifeState::Removed,
    }
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Installation({}, {})", self.member.name, self.state())
    }
}

impl Installation {
    pub(crate) fn new(runtime: &Runtime, member: &Arc<Member>) -> Self {
        Self { runtime: runtime.clone(), member: member.clone(), asked: None }
    }

    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The same installation, called for somebody: guards are told who. Default: nobody in particular.
    pub fn for_principal(mut self, principal: &str) -> Self {
        self.asked = Behalf::of(principal);
        self
    }

    /// Whose it is: tenant, instance and package, through all its versions.
    pub fn key(&self) -> &ConsentKey {
        &self.member.key
    }

    /// Which file it is now.
    pub fn subject(&self) -> Arc<Subject> {
        self.member.subject()
    }

    /// Whether it is a component or native.
    pub fn origin(&self) -> Origin {
        if self.member.native.is_some() { Origin::Native } else { Origin::Component }
    }

    /// Where it is in its life.
    pub fn state(&self) -> LifeState {
        self.member.state()
    }

    /// Whether it is attached to this point, in any version that fits. Told without loading it.
    pub fn is_attached_to(&self, point: &InterfaceName) -> bool {
        self.member.settings.load().points.iter().any(|attached| point.is_satisfied_by(attached))
    }

    /// The version that a call would go to now; loads it where it is not loaded. A native plugin has none: an error of kind `Invalid`.
    pub async fn plugin(&self) -> Result<Plugin> {
        let generation = self.member.loaded(&self.runtime).await?;
        Ok(Plugin::new(generation))
    }

    /// Makes the point's main call, in whichever version is current. From a thread that does I/O it hops to a guest thread, if its calls
    /// are not short ([`Builder::calls_in_place`](crate::Builder::calls_in_place)), with a copy of the input.
    pub async fn call<P: Call>(&self, input: &P::Input) -> Result<P::Output> {
        if self.member.native.is_some() || GuestThreads::is_here() {
            return self.member.call::<P>(&self.runtime, input, &self.asked, &mut Told::default()).await;
        }
        let (this, input) = (self.clone(), input.clone());
        let call = async move { this.member.call::<P>(&this.runtime, &input, &this.asked, &mut Told::default()).await };
        self.member.call_in_lane(&self.runtime, Box::pin(call)).await?
    }

    /// Makes the point's main call on a guest thread, or here if its calls are short, in turns with the other calls of this plugin, and says what the plugin did. For callers on
    /// threads that do I/O. Dropping the future cancels the call.
    pub async fn ask<P: Call>(&self, input: P::Input) -> (Outcome, Option<P::Output>) {
        dispatch::ask_one::<P>(&self.runtime, &self.member, input, &self.asked).await
    }

    /// How long a call of it may wait for a guest thread: as long as it may take.
    pub fn patience(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.member.patience_ms(self.runtime.shared()))
    }

    /// Begins the point's main call on a guest thread, or here if its calls are short, and gives the call in hand: dropped it is cancelled, detached it goes on to its
    /// end. `ended` makes what awaiting it gives, there, as soon as the call has ended, which may be before this returns; a call that is cancelled never comes to it. Awaiting gives nothing where the
    /// call could not begin within the time it may take; an error where too many calls of this plugin wait already.
    pub fn begin<P: Call, T: Send + 'static>(
        &self,
        input: P::Input,
        ended: impl FnOnce(Outcome, Option<P::Output>) -> T + Send + 'static,
    ) -> Result<Job<Option<T>>> {
        dispatch::begin_one::<P, T>(&self.runtime, &self.member, input, &self.asked, ended)
    }

    /// Starts a session with the version that is current. A replacement waits for it, until its time to drain is over.
    pub async fn session<P: Point>(&self) -> Result<Session<P>> {
        let this = self.clone();
        self.member.on_guest_thread(&self.runtime, Box::pin(async move { this.start_session().await })).await
    }

    async fn start_session<P: Point>(&self) -> Result<Session<P>> {
        let now_ms = self.runtime.shared().now_ms();
        let entered = self.member.enter(&self.runtime, now_ms).await?;
        let generation = entered.clone();
        generation.is_allowed(P::INTERFACE, None, &self.asked).await?;
        let breaker = &generation.work.breaker;
        let permit = breaker.admit(now_ms).map_err(|open| self.member.tripped(open.retry_after_ms))?;
        let started = Session::start(entered, Some(self.member.clone()), &self.asked).await;
        breaker.told(permit, self.runtime.shared().now_ms(), Error::says_of_plugin(started.as_ref().err()));
        started
    }
}
