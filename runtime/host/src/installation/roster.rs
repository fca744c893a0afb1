//! Who may be called through a point, as a snapshot: reading it takes no lock that a change could hold.
//!
//! Members stand in the order of dispatch. Easily got wrong: a call that took a snapshot keeps it, so a plugin that was enabled later is not asked
//! by it, and one that was disabled later says so itself.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use plugwork_core::InterfaceName;
use plugwork_core::dispatch::{self, Dispatching};

use super::Member;
use crate::point::Point;

/// The members of one point, in order, and how they are asked.
pub(crate) struct Attached {
    pub(crate) members: Vec<Arc<Member>>,
    pub(crate) dispatching: Dispatching,
}

/// Every active member, and who of them is attached to which point.
#[derive(Default)]
pub(crate) struct Roster {
    members: Arc<[Arc<Member>]>,
    /// By the type of the point; a point is added when it is first asked for. A host has few: looking through them is faster than hashing.
    points: Vec<(TypeId, Arc<Attached>)>,
}

impl Roster {
    pub(crate) fn of(members: Vec<Arc<Member>>) -> Self {
        Self { members: members.into(), points: Vec::new() }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Who is attached to the point; `None` where it was not asked for yet.
    #[inline]
    pub(crate) fn point<P: Point>(&self) -> Option<Arc<Attached>> {
        let key = TypeId::of::<P>();
        self.points.iter().find(|(point, _)| *point == key).map(|(_, attached)| attached.clone())
    }

    /// The same members, and who of them is attached to this point too.
    pub(crate) fn with_point<P: Point>(&self, configured: &HashMap<String, Dispatching>) -> Self {
        let key = TypeId::of::<P>();
        let wanted: Option<InterfaceName> = P::INTERFACE.parse().ok();
        let is_of = |member: &&Arc<Member>| match (&member.native, &wanted) {
            (Some(native), _) => native.point == key,
            (None, Some(wanted)) => member.settings.load().points.iter().any(|point| wanted.is_satisfied_by(point)),
            (None, None) => false,
        };
        let path = wanted.as_ref().map_or(P::INTERFACE, |wanted| wanted.path());
        let dispatching = configured.get(P::INTERFACE).or_else(|| configured.get(path)).cloned().unwrap_or_default();
        let mut members: Vec<_> = self.members.iter().filter(is_of).cloned().collect();
        dispatch::order(&dispatching, &mut members, |member| (member.settings.load().weight, &member.name));
        let others = self.points.iter().filter(|(point, _)| *point != key).cloned();
        let points = others.chain([(key, Arc::new(Attached { members, dispatching }))]).collect();
        Self { members: self.members.clone(), points }
    }
}
