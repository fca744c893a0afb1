//! What the host publishes of plugins themselves: every change of a lifecycle is an event.
//!
//! Easily got wrong: told after the change is in force, and to nobody's delay: where a queue is full that waits for room, this does not wait.

use std::sync::Arc;

use plugwork_core::Digest;
use plugwork_core::events::{Chain, HOST_SOURCE, LifecycleEvent, LifecycleTopic};

use super::Scope;
use crate::installation::Member;
use crate::runtime::Shared;

impl Member {
    /// Says what happened to it; `from` is the file that ran before, where another version took its place.
    pub(crate) fn happened(&self, shared: &Shared, what: LifecycleTopic, from: Option<Digest>, reason: &str) {
        let subject = self.subject();
        let payload = LifecycleEvent::of(&subject, from, reason).payload();
        let bus = &shared.bus;
        let source: Arc<str> = HOST_SOURCE.into();
        let chain = Chain::begun(bus.number());
        let (_, published) = bus.publish(Scope::Tenant(&subject.tenant), what.topic(), payload, &source, chain);
        published.waits_for_nobody();
    }
}
