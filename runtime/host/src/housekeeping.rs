//! The one background task that every runtime has: it moves the coarse clock, ends what nobody uses, and looks after new versions.
//!
//! It ends with its runtime. Easily got wrong: nothing here may wait for a guest, or the clock of all others would stand still; instances are ended in
//! tasks of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use plugwork_core::capacity::{Resource, Scarce};
use tokio::time::{Instant, MissedTickBehavior};

use crate::generation::Generation;
use crate::installation::Member;
use crate::log::Level;
use crate::native::Service;
use crate::runtime::{Runtime, Shared};
use crate::session::Place;

/// How often the clock moves.
const EVERY: Duration = Duration::from_millis(100);
/// Looks at idle instances and sessions: every so many moves of the clock.
const SWEEP_EVERY: u64 = 5;
/// Writes down what was used, and looks whether the process is near its limits.
const REST_EVERY: u64 = 300;

/// What housekeeping knows of: everything that may have to be ended. Weak, so that it keeps nothing alive.
#[derive(Default)]
pub(crate) struct Watched {
    pub(crate) generations: std::sync::Mutex<Vec<Weak<Generation>>>,
    pub(crate) sessions: std::sync::Mutex<Vec<Weak<Place>>>,
    pub(crate) members: std::sync::Mutex<Vec<Weak<Member>>>,
    /// Where the next search for an idle instance begins.
    search: AtomicUsize,
    /// What was told to be nearly used up, and still is.
    told: std::sync::Mutex<Vec<Scarce>>,
}

/// Starts it.
pub(crate) fn start(runtime: Weak<Shared>, opened: Instant) {
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moves: u64 = 0;
        loop {
            interval.tick().await;
            let Some(shared) = runtime.upgrade() else { return };
            let runtime = Runtime::from(shared);
            let shared = runtime.shared();
            shared.engines.ticker.set_coarse_ms(u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX));
            look_after_members(&runtime);
            if moves.is_multiple_of(SWEEP_EVERY) {
                // Where there are records whoever reads them does it.
                if shared.audit.is_none() {
                    runtime.end_expired();
                }
                sweep_sessions(shared);
                sweep_instances(shared);
            }
            if moves.is_multiple_of(REST_EVERY) {
                shared.tell_what_is_near();
                shared.keep_last_use();
            }
            moves += 1;
        }
    });
}

/// Those that are alive of a list that forgets the others.
fn alive<T>(list: &std::sync::Mutex<Vec<Weak<T>>>) -> Vec<Arc<T>> {
    let mut list = list.lock().expect("no panic happens under this lock");
    list.retain(|weak| weak.strong_count() > 0);
    list.iter().filter_map(Weak::upgrade).collect()
}

/// New versions that are watched: each verdict in a task of its own, since it may write records.
fn look_after_members(runtime: &Runtime) {
    let watched = std::mem::take(&mut *runtime.shared().watched.members.lock().expect("no panic happens under this lock"));
    for member in watched.iter().filter_map(Weak::upgrade) {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            if member.look_after(&runtime).await {
                runtime.shared().watch_member(&member);
            }
        });
    }
}

/// Sessions whose time is over.
fn sweep_sessions(shared: &Shared) {
    let now_ms = shared.now_ms();
    for place in alive(&shared.watched.sessions) {
        if let Some(live) = place.cut(now_ms) {
            shared.io.spawn(async move {
                place.entered().end_all([live]).await;
            });
        }
    }
}

/// Warm instances that nobody used for long.
fn sweep_instances(shared: &Shared) {
    for generation in alive(&shared.watched.generations) {
        if generation.idle() > 0 {
            let idle_ms = shared.idle_ms;
            shared.io.spawn(async move { generation.release_idle(idle_ms).await });
        }
    }
}

impl Shared {
    /// Says once that something is nearly used up, and again after it was not.
    pub(crate) fn tell_what_is_near(&self) {
        let near = self.density.capacity().near(self.density.held(&self.seats));
        let told = std::mem::replace(&mut *self.watched.told.lock().expect("no panic happens under this lock"), near.clone());
        for scarce in near.iter().filter(|scarce| !told.iter().any(|other| other.what == scarce.what)) {
            self.complain(Level::Warn, &format!("this process is near its limits: {scarce}"));
        }
    }

    /// The coarse clock: milliseconds since the runtime was opened.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        self.engines.ticker.coarse_ms()
    }

    /// Plugins with open sessions in the version that takes calls, those whose sessions were used last at the end.
    pub(crate) fn with_sessions(&self) -> Vec<Arc<Member>> {
        let mut open: Vec<_> =
            alive(&self.watched.sessions).iter().filter_map(|place| Some((place.last_used_ms(), place.holds_loaded()?.clone()))).collect();
        // Stable: of those that were used in the same moment the one that was opened first comes first.
        open.sort_by_key(|(used_ms, _)| *used_ms);
        open.into_iter().map(|(_, member)| member).collect()
    }

    pub(crate) fn watch_session(&self, place: &Arc<Place>) {
        self.watched.sessions.lock().expect("no panic happens under this lock").push(Arc::downgrade(place));
    }

    pub(crate) fn watch_member(&self, member: &Arc<Member>) {
        self.watched.members.lock().expect("no panic happens under this lock").push(Arc::downgrade(member));
    }

    pub(crate) fn watch_generation(&self, generation: &Arc<Generation>) {
        if generation.reuses() {
            self.watched.generations.lock().expect("no panic happens under this lock").push(Arc::downgrade(generation));
        }
    }

    /// Lets a generation drain, in a task of its own: calls finish or hit their deadline, sessions may go on until the time to drain is over.
    pub(crate) fn retire(&self, generation: Arc<Generation>) {
        // With nothing under way and nothing warm it is gone at once: whoever waits for its descriptor need not wait for a task too.
        if generation.is_over_once_closed() {
            return;
        }
        // Calls may take as long as their deadline says, whatever the time for sessions is.
        let deadline = Duration::from_millis(generation.limits.deadline_ms);
        let (patience, draining) = (self.drain, self.draining.clone());
        draining.fetch_add(1, Ordering::SeqCst);
        self.io.spawn(async move {
            if !generation.retire(patience).await {
                generation.emptied(deadline.saturating_sub(patience)).await;
            }
            draining.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// The same for a native plugin.
    pub(crate) fn retire_native(&self, service: Arc<Service>) {
        let patience = self.drain.max(Duration::from_millis(self.limits.deadline_ms));
        let draining = self.draining.clone();
        // Closed before this returns, and not only when the task begins.
        service.gate.close();
        draining.fetch_add(1, Ordering::SeqCst);
        self.io.spawn(async move {
            service.retire(patience).await;
            draining.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// Ends one warm instance, whichever is found first from where the last search ended; says whether there was one. Not the one that waits for the
    /// longest time: among ten thousand plugins that would be a search through all of them for each call.
    pub(crate) fn release_one_idle(&self) -> bool {
        let found = {
            let generations = self.watched.generations.lock().expect("no panic happens under this lock");
            let count = generations.len();
            let begin = self.watched.search.fetch_add(1, Ordering::Relaxed);
            (0..count).find_map(|step| {
                let place = begin.wrapping_add(step) % count;
                // Looked for by taking it: one that is only seen may be gone by then, while others have some.
                let live = generations[place].upgrade()?.take_idle()?;
                self.watched.search.store(place + 1, Ordering::Relaxed);
                Some(live)
            })
        };
        // Dropped, not ended, and not under the lock: somebody waits for its place.
        found.is_some()
    }

    /// Looks whether there is room, and where instances are what is in the way ends warm ones that nobody uses, for as long as there are any.
    pub(crate) fn with_idle_gone<T>(&self, look: impl Fn() -> Result<T, Scarce>) -> Result<T, Scarce> {
        loop {
            match look() {
                Err(Scarce { what: Resource::Maps | Resource::Instances, .. }) if self.release_one_idle() => {}
                looked => return looked,
            }
        }
    }

    /// Writes down which plugins were used, the last first.
    pub(crate) fn keep_last_use(&self) {
        let mut used: Vec<_> =
            self.members.all().iter().filter_map(|member| Some((member.last_used_ms()?, member.key.to_string()))).collect();
        if used.is_empty() {
            return;
        }
        used.sort_by(|one, other| other.cmp(one));
        let names: Vec<String> = used.into_iter().map(|(_, name)| name).collect();
        self.last_use.write(&names);
    }
}
