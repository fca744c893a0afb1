//! All installations of a runtime by key, and the snapshot of those that are active.
//!
//! Easily got wrong: a change builds a new snapshot and puts it in place of the old one, so that a call reads it without a lock; many changes at
//! once (a start) build it once.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock};

use arc_swap::ArcSwap;
use plugwork_core::InterfaceName;
use plugwork_core::dispatch::Dispatching;
use plugwork_core::record::ConsentKey;

use super::Member;
use super::roster::{Attached, Roster};
use crate::point::Point;
use crate::state::State;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// Whether one instance has a point as it was bound.
pub(crate) type Check = fn(&InstancePre<State>, &mut Store<State>, &Instance) -> wasmtime::Result<()>;

/// A point that is called here.
#[derive(Clone)]
pub(crate) struct Called {
    pub(crate) interface: InterfaceName,
    pub(crate) fits: Check,
}

/// Points that were called, by their types.
type CalledByType = RwLock<HashMap<TypeId, Called>>;

/// Every installation.
#[derive(Default)]
pub(crate) struct Members {
    by_key: RwLock<HashMap<ConsentKey, Arc<Member>>>,
    active: ArcSwap<Roster>,
    /// Held while a new snapshot is built.
    changing: Mutex<()>,
    dispatching: HashMap<String, Dispatching>,
    called: CalledByType,
    /// Keys of which somebody is making an installation.
    installing: Mutex<HashSet<ConsentKey>>,
}

/// A key while its installation is made: nobody else makes one.
pub(crate) struct Installing<'a> {
    members: &'a Members,
    key: ConsentKey,
}

impl Drop for Installing<'_> {
    fn drop(&mut self) {
        self.members.installing.lock().expect("no panic happens under this lock").remove(&self.key);
    }
}

impl Members {
    pub(crate) fn new(dispatching: HashMap<String, Dispatching>) -> Self {
        Self { dispatching, ..Self::default() }
    }

    pub(crate) fn get(&self, key: &ConsentKey) -> Option<Arc<Member>> {
        self.by_key.read().expect("no panic happens under this lock").get(key).cloned()
    }

    pub(crate) fn contains(&self, key: &ConsentKey) -> bool {
        self.by_key.read().expect("no panic happens under this lock").contains_key(key)
    }

    /// Begins to make an installation; none where there is one, or somebody is making it.
    pub(crate) fn begin(&self, key: &ConsentKey) -> Option<Installing<'_>> {
        let begun = self.installing.lock().expect("no panic happens under this lock").insert(key.clone());
        let installing = begun.then(|| Installing { members: self, key: key.clone() })?;
        // Looked at after it was begun: whoever made one before is done.
        (!self.contains(key)).then_some(installing)
    }

    pub(crate) fn get_or_insert(&self, key: &ConsentKey, fresh: impl FnOnce() -> Member) -> Arc<Member> {
        self.by_key.write().expect("no panic happens under this lock").entry(key.clone()).or_insert_with(|| Arc::new(fresh())).clone()
    }

    pub(crate) fn remove(&self, key: &ConsentKey) {
        self.by_key.write().expect("no panic happens under this lock").remove(key);
    }

    /// All of them, in the order of their keys.
    pub(crate) fn all(&self) -> Vec<Arc<Member>> {
        let mut all: Vec<_> = self.by_key.read().expect("no panic happens under this lock").values().cloned().collect();
        all.sort_by(|one, other| one.key.cmp(&other.key));
        all
    }

    /// Who is attached to a point, and how they are asked.
    #[inline]
    pub(crate) fn point<P: Point>(&self) -> Arc<Attached> {
        let known = self.active.load().point::<P>();
        known.unwrap_or_else(|| self.attach::<P>())
    }

    #[cold]
    fn attach<P: Point>(&self) -> Arc<Attached> {
        self.is_called::<P>();
        loop {
            self.active.rcu(|roster| roster.with_point::<P>(&self.dispatching));
            // A change that came in between has begun anew, without points.
            if let Some(attached) = self.active.load().point::<P>() {
                return attached;
            }
        }
    }

    /// Remembers that a point is called here: from now on versions that take another's place have to fit it.
    pub(crate) fn is_called<P: Point>(&self) {
        let Ok(interface) = P::INTERFACE.parse() else { return };
        let fits: Check =
            |pre, store, instance| P::load(&P::indices(pre)?, wasmtime::AsContextMut::as_context_mut(store), instance).map(drop);
        self.called.write().expect("no panic happens under this lock").insert(TypeId::of::<P>(), Called { interface, fits });
    }

    /// The points that are called here.
    pub(crate) fn called(&self) -> Vec<Called> {
        self.called.read().expect("no panic happens under this lock").values().cloned().collect()
    }

    pub(crate) fn join(&self, member: &Arc<Member>) {
        self.join_all(std::slice::from_ref(member));
    }

    /// From here on they are asked.
    pub(crate) fn join_all(&self, joining: &[Arc<Member>]) {
        self.change(|members| {
            let known: std::collections::HashSet<_> = members.iter().map(Arc::as_ptr).collect();
            let new: Vec<_> = joining.iter().filter(|member| !known.contains(&Arc::as_ptr(member))).cloned().collect();
            members.extend(new);
        });
    }

    /// From here on it is not asked.
    pub(crate) fn part(&self, member: &Arc<Member>) {
        self.change(|members| members.retain(|other| !Arc::ptr_eq(other, member)));
    }

    /// Everybody is gone.
    pub(crate) fn part_all(&self) -> Vec<Arc<Member>> {
        let mut parted = Vec::new();
        self.change(|members| parted = std::mem::take(members));
        parted
    }

    /// Somebody's points or weight changed.
    pub(crate) fn refresh(&self) {
        self.change(|_| {});
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Member>>)) {
        let _one = self.changing.lock().expect("no panic happens under this lock");
        let mut members = self.active.load().members().to_vec();
        change(&mut members);
        self.active.store(Arc::new(Roster::of(members)));
    }
}
