//! All installations of a runtime by key, and the snapshot of those that are active.
//!
//! Easily got wrong: a change builds a new snapshot and puts it in place of the old one, so that a call reads it without a lock; many changes at
//! once (a start) build it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use arc_swap::ArcSwap;
use plugwork_core::dispatch::Dispatching;
use plugwork_core::record::ConsentKey;

use super::Member;
use super::roster::{Attached, Roster};
use crate::point::Point;

/// Every installation.
#[derive(Default)]
pub(crate) struct Members {
    by_key: RwLock<HashMap<ConsentKey, Arc<Member>>>,
    active: ArcSwap<Roster>,
    /// Held while a new snapshot is built.
    changing: Mutex<()>,
    dispatching: HashMap<String, Dispatching>,
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
        self.active.load().point::<P>(&self.dispatching)
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
