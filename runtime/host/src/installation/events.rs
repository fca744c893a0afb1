//! An installation as a subscriber: what it may receive, as far as the bus has to know that without loading it.
//!
//! Easily got wrong: its bounds are those of the consent that it runs with, so whoever puts another version or another consent in force says so here.

use std::sync::Arc;

use plugwork_core::policy::call::CallBounds;
use plugwork_core::policy::events::EventsBounds;
use plugwork_core::{Grants, InterfaceName};

use super::Member;
use crate::account::Account;
use crate::events::{EventHandler, bounds_of};
use crate::generation::Generation;
use crate::point::Point;
use crate::runtime::Shared;

impl Member {
    /// What it may receive and publish; none where it was granted no events.
    pub(crate) fn event_bounds(&self) -> Option<Arc<EventsBounds>> {
        self.event_bounds.load_full()
    }

    /// Whether it is attached to `event-handler`, in a version that fits.
    pub(crate) fn handles_events(&self) -> bool {
        let wanted = EventHandler::INTERFACE.parse::<InterfaceName>();
        wanted.is_ok_and(|wanted| self.settings.load().points.iter().any(|point| wanted.is_satisfied_by(point)))
    }

    /// What all instances of the version that is loaded hold together.
    pub(crate) fn account(&self) -> Option<Arc<Account>> {
        self.current.load().as_ref().map(|generation| generation.account.clone())
    }

    /// These are its rights from here on.
    pub(super) fn is_granted(&self, grants: &Grants) {
        self.event_bounds.store(bounds_of(grants));
        self.call_bounds.store(CallBounds::of(grants).map(Arc::new));
    }

    /// This version takes its calls from here on, and its events.
    pub(super) fn receives_with(self: &Arc<Self>, shared: &Shared, generation: &Generation) {
        self.is_granted(&generation.own.grants);
        shared.bus.attach(self);
    }
}
