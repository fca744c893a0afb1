//! What a plugin does not get of the durable events: parked, or gone before it came to them. Counted in its cursor, and told here.
//!
//! Told three ways, since nobody waits for an answer: as an event of the host's own, on record, and where the host's log goes.

use std::sync::Weak;

use plugwork_core::Denial;
use plugwork_core::events::outbox::Parked;
use plugwork_core::events::{Chain, HOST_SOURCE, MISSED_TOPIC, MissedEvent, PARKED_TOPIC, ParkedEvent};

use super::lane::Lane;
use crate::events::Scope;
use crate::events::subscriber::Subscriber;
use crate::log::Level;
use crate::runtime::Shared;

impl Lane {
    pub(super) fn tell_parked(&self, runtime: &Weak<Shared>, subscriber: &Subscriber, parked: &Parked) {
        let Some(shared) = runtime.upgrade() else { return };
        let event = ParkedEvent {
            plugin: self.key.package.as_str(),
            instance: &self.key.instance,
            topic: &parked.topic,
            sequence: parked.sequence,
            attempts: parked.attempts,
            reason: &parked.reason,
        };
        let rule = format!("event {} on `{}` was parked after {} failed calls", parked.sequence, parked.topic, parked.attempts);
        self.tell_of(&shared, subscriber, PARKED_TOPIC, event.payload(), "E-EVENTS-PARKED", rule);
    }

    pub(super) fn tell_missed(&self, shared: &Shared, subscriber: &Subscriber, events: u64, after: u64) {
        let Some(member) = subscriber.member() else { return };
        let subject = member.subject();
        let event = MissedEvent::of(&subject, events, after);
        let rule = format!("{events} events of its tenant were gone before it came to them; it goes on behind {after}");
        self.tell_of(shared, subscriber, MISSED_TOPIC, event.payload(), "E-EVENTS-MISSED", rule);
    }

    fn tell_of(&self, shared: &Shared, subscriber: &Subscriber, topic: &'static str, payload: Vec<u8>, code: &str, rule: String) {
        shared.complain(Level::Warn, &format!("`{}`: {rule}", self.key));
        if let (Some(audit), Some(member)) = (&shared.audit, subscriber.member()) {
            let (code, permission) = (code.to_owned(), "plugwork:points/event-handler".to_owned());
            audit.denial(&member.subject(), &Denial { code, permission, rule, hint: String::new() });
        }
        let bus = &shared.bus;
        let chain = Chain::begun(bus.number());
        let (_, published) = bus.publish(Scope::Tenant(&self.key.tenant), topic, payload, &HOST_SOURCE.into(), chain);
        published.waits_for_nobody();
    }
}
