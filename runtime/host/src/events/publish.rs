//! Publishing: an event of a durable topic is kept first and delivered then, any other is queued at once.
//!
//! Easily got wrong: whoever publishes may give up waiting (its deadline, a dropped future), and the event is kept all the same. So keeping it and telling
//! of it go on together, in a task of their own.

use std::sync::Arc;

use plugwork_core::events::outbox::OutboxError;
use plugwork_core::events::{Chain, Event};
use plugwork_core::record::ConsentKey;
use plugwork_core::{Issue, Refusal};

use super::bus::{Bus, Key, Scope};
use super::durable::Durable;
use super::filter::{Filter, Wanted};
use super::serve::serve;
use super::subscriber::{Queued, Subscriber};
use crate::log::Level;

/// Each time so many events of a tenant were kept, all of its plugins look where they are: those who want none of them would fall behind what is there,
/// and seem to have missed something.
const LOOK_EVERY: u64 = 256;

impl Bus {
    /// Whether events of this topic are kept.
    pub(super) fn keeps(&self, topic: &str) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.keeps(topic))
    }

    /// Publishes an event; says how many did not get it because their queues are full. One of a durable topic is kept when this resolves, and nobody's
    /// queue has a say in it. The topic was checked.
    pub(crate) async fn emit(
        &self,
        tenant: &str,
        topic: &str,
        payload: Vec<u8>,
        source: &Arc<str>,
        chain: Chain,
    ) -> Result<usize, OutboxError> {
        let Some(durable) = self.durable.as_ref().filter(|durable| durable.keeps(topic)) else {
            let (event, published) = self.publish(Scope::Tenant(tenant), topic, payload, source, chain);
            return Ok(self.wait_for_room(&event, published).await);
        };
        let event = Event { topic: topic.into(), payload, source: source.clone(), chain, sequence: None };
        let admitted = durable.admit(tenant, &event)?;
        let shared = self.runtime.upgrade().ok_or(OutboxError::Closed)?;
        let (io, tenant) = (shared.io.clone(), tenant.to_owned());
        let kept = io.spawn(async move {
            let _admitted = admitted;
            shared.bus.keep_and_tell(&tenant, event).await
        });
        kept.await.unwrap_or(Err(OutboxError::Closed)).map(|()| 0)
    }

    async fn keep_and_tell(&self, tenant: &str, event: Event) -> Result<(), OutboxError> {
        let Some(durable) = &self.durable else { return Err(OutboxError::Closed) };
        let topic = event.topic.clone();
        // Whoever is told of it has a cursor before it is kept: a crash right behind that loses nothing.
        for subscriber in &self.route(Scope::Tenant(tenant), &topic).subscribers {
            if let Some(lane) = subscriber.lane() {
                // Its own trouble is nobody else's: who publishes is told where the event itself cannot be kept.
                if let (Err(error), Some(shared)) = (lane.begun().await, self.runtime.upgrade()) {
                    shared.complain(Level::Error, &format!("a subscriber has no place among the durable events yet: {error}"));
                }
            }
        }
        let _untold = durable.keeping();
        let (event, sequence) = durable.keep(tenant, event).await?;
        let event = Arc::new(event);
        for subscriber in &self.route(Scope::Tenant(tenant), &topic).subscribers {
            match subscriber.is_plugin() {
                true => self.tell_of(subscriber, sequence),
                // It is kept: who publishes it again would tell everybody else twice.
                false => match subscriber.push(&event) {
                    Queued::Yes => {}
                    Queued::NotYet | Queued::No => subscriber.rejects(),
                },
            }
        }
        durable.news.notify_waiters();
        if sequence.is_multiple_of(LOOK_EVERY) {
            let roll = self.read();
            let entries = roll.entries.values().filter(|entry| entry.is_attached && entry.tenant.as_deref() == Some(tenant));
            let all: Vec<_> = entries.map(|entry| entry.subscriber.clone()).collect();
            drop(roll);
            all.iter().for_each(|subscriber| self.tell_of(subscriber, sequence));
        }
        Ok(())
    }

    fn tell_of(&self, subscriber: &Arc<Subscriber>, sequence: u64) {
        subscriber.tell_of(sequence);
        self.looks(subscriber);
    }

    /// Something changed for its durable events.
    pub(super) fn looks(&self, subscriber: &Arc<Subscriber>) {
        subscriber.look();
        if subscriber.is_to_be_served() {
            serve(&self.runtime, subscriber);
        }
    }

    /// Whether a plugin that reads a kept event wants it now. A subscription that ends with it has ended.
    pub(super) fn wants_now(&self, key: &ConsentKey, topic: &str) -> bool {
        let key = Key::Plugin(key.clone());
        let wants = |filter: &Filter| filter.wants(topic);
        match self.read().entries.get(&key).map_or(Wanted::No, |entry| wants(&entry.filter)) {
            Wanted::No => return false,
            Wanted::Yes => return true,
            Wanted::Once => {}
        }
        let mut roll = self.write();
        // Somebody else may have changed it between the two locks.
        let Some(entry) = roll.entries.get_mut(&key) else { return false };
        let wanted = wants(&entry.filter) != Wanted::No;
        entry.filter.received(topic);
        roll.forget_routes();
        wanted
    }

    /// Tells a plugin again of what follows a sequence; says from where on that is.
    pub(super) async fn replay(&self, key: &ConsentKey, after: u64) -> Result<u64, Refusal> {
        let unavailable = |reason: &str| Refusal::Unavailable { reason: reason.to_owned() };
        let Some(durable) = &self.durable else { return Err(unavailable("this host keeps no events")) };
        let span =
            durable.span(&key.tenant).await.map_err(|error| unavailable(&format!("the events cannot be read ({})", error.code())))?;
        if after > span.last {
            return Err(Refusal::Invalid(Issue {
                what: after.to_string(),
                at: "after".to_owned(),
                expected: format!("at most {}, the newest there is", span.last),
            }));
        }
        let subscriber = {
            let roll = self.read();
            let entry = roll.entries.get(&Key::Plugin(key.clone())).filter(|entry| entry.is_attached);
            entry.map(|entry| entry.subscriber.clone()).ok_or_else(|| unavailable("it is not enabled"))?
        };
        let lane = subscriber.lane().ok_or_else(|| unavailable("this host keeps no events"))?;
        let from = lane.replay(after.max(span.first.saturating_sub(1))).map_err(unavailable)?;
        self.looks(&subscriber);
        Ok(from)
    }

    /// Resolves when a plugin has its place among the durable events: what is kept from here on is kept for it, also where it is disabled at once. Where the
    /// outbox fails, whoever publishes has to wait for it too.
    pub(crate) async fn begun(&self, key: &ConsentKey) {
        let subscriber = self.read().entries.get(&Key::Plugin(key.clone())).map(|entry| entry.subscriber.clone());
        let Some(lane) = subscriber.as_ref().and_then(|subscriber| subscriber.lane()) else { return };
        if let (Err(error), Some(shared)) = (lane.begun().await, self.runtime.upgrade()) {
            shared.complain(Level::Error, &format!("`{key}` has no place among the durable events yet: {error}"));
        }
    }

    // ---- consent that ends ------------------------------------------------------------------------------------------------------------

    /// A plugin's consent ended: what is kept for it is not for a later one. Carried out in the background, and in any case before it begins again.
    pub(crate) fn abandon(&self, key: &ConsentKey) {
        let (Some(durable), Some(shared)) = (&self.durable, self.runtime.upgrade()) else { return };
        durable.ends_for(key);
        let (io, key) = (shared.io.clone(), key.clone());
        io.spawn(async move { shared.bus.forget_ended(&key).await });
    }

    /// The same, carried out when it resolves.
    pub(crate) async fn abandoned(&self, key: &ConsentKey) {
        self.durable.iter().for_each(|durable| durable.ends_for(key));
        self.forget_ended(key).await;
    }

    async fn forget_ended(&self, key: &ConsentKey) {
        let Some(durable) = &self.durable else { return };
        if let (Err(error), Some(shared)) = (durable.forget(key).await, self.runtime.upgrade()) {
            shared.complain(Level::Error, &format!("the place of `{key}` among the durable events cannot be forgotten yet: {error}"));
        }
    }

    /// Whether durable events are in a plugin's hands, or on their way to be done with.
    pub(crate) fn is_busy(&self) -> bool {
        self.durable.as_deref().is_some_and(Durable::is_busy)
    }
}
