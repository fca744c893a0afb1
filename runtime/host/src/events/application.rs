//! The application's side: it publishes, subscribes, and sees how everybody is doing.
//!
//! Easily got wrong: a [`Subscription`] that nobody reads fills up and then does what it was told; it does not hold anybody up unless that was
//! [`Overflow::Block`].

use std::sync::{Arc, Weak};

use plugwork_core::events::{Chain, Event, Overflow};
use plugwork_core::limits::{EVENT_PAYLOAD_BYTES_MAX, EVENT_QUEUE_EVENTS, EVENT_QUEUE_EVENTS_MAX};
use plugwork_core::policy::topic::{TopicPattern, is_reserved, is_topic};
use plugwork_core::{Issue, Subject};

use super::Scope;
use super::bus::Key;
use super::counts::{End, SubscriberStatus};
use super::filter::Filter;
use super::subscriber::{Shape, Subscriber};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{Runtime, Shared};

/// As whom the application publishes. No plugin is called so: their names have a colon.
const SOURCE: &str = "application";

/// The events of one tenant of a runtime, `default` unless told otherwise.
#[derive(Clone)]
pub struct Events {
    runtime: Runtime,
    /// None: every tenant.
    tenant: Option<Arc<str>>,
}

/// The queue of one of the application's subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// Events that may wait, 1 to 65,536; 1,024. Together they have at most 4 MiB, counted with 128 bytes for each.
    pub events_max: u32,
    /// What happens past that. The oldest is dropped.
    pub overflow: Overflow,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { events_max: EVENT_QUEUE_EVENTS, overflow: Overflow::DropOldest }
    }
}

impl Runtime {
    /// The events of its plugins, and of the application itself.
    ///
    /// ```no_run
    /// # async fn example(runtime: plugwork::Runtime) -> plugwork::Result<()> {
    /// use plugwork::events::QueueOptions;
    ///
    /// let mut told = runtime.events().subscribe("invoices/*", QueueOptions::default())?;
    /// runtime.events().emit("orders/created", "order 7").await?; // queued for everybody who may hear of it
    /// runtime.events().settled().await; // no plugin has an event to handle any more
    /// while let Some(event) = told.try_next() {
    ///     println!("{}: {} bytes from {}", event.topic, event.payload.len(), event.source);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events { runtime: self.clone(), tenant: Some("default".into()) }
    }
}

impl Events {
    /// Those of another tenant.
    pub fn of_tenant(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }

    /// Those of all tenants: what is published reaches each, and what is subscribed to comes from each.
    pub fn of_every_tenant(self) -> Self {
        Self { tenant: None, ..self }
    }

    fn scope(&self) -> Scope<'_> {
        self.tenant.as_deref().map_or(Scope::Every, Scope::Tenant)
    }

    /// Publishes an event with the source `application`. Resolves when it is queued for everybody who wants it and has room; waits only for queues
    /// that block.
    ///
    /// An error of kind `Invalid` for what is no topic, for one of the host's own, and for a payload of more than 64 KiB; of kind `Unavailable` where
    /// somebody whose queue is full wants publishers to know: all others have it then.
    pub async fn emit(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Result<()> {
        let payload = payload.into();
        let wrong = |what: String, at: &str, expected: &str| {
            Err(Error::from_issue("the event cannot be published:", Issue { what, at: at.to_owned(), expected: expected.to_owned() }))
        };
        if !is_topic(topic) || is_reserved(topic) {
            let shown: String = topic.chars().take(64).collect();
            return wrong(format!("`{}`", shown.escape_debug()), "topic", "words joined by `/`, the first of them not `plugwork`");
        }
        if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
            return wrong(format!("{} bytes", payload.len()), "payload", "at most 65,536 bytes");
        }
        let bus = &self.runtime.shared().bus;
        let (event, published) = bus.publish(self.scope(), topic, payload, &SOURCE.into(), Chain::begun(bus.number()));
        match bus.wait_for_room(&event, published).await {
            0 => Ok(()),
            rejected => Err(Error::new(ErrorKind::Unavailable, format!("the queues of {rejected} subscribers of `{topic}` are full"))),
        }
    }

    /// Subscribes to the topics that a pattern matches, from now on and until the subscription is dropped. The host's own topics
    /// (`plugwork/lifecycle/…`) are matched by patterns that name them.
    pub fn subscribe(&self, pattern: &str, queue: QueueOptions) -> Result<Subscription> {
        let wrong =
            |what: String, at: &str, expected: String| Error::from_issue("cannot subscribe:", Issue { what, at: at.to_owned(), expected });
        let pattern = TopicPattern::try_from(pattern.to_owned()).map_err(|what| wrong(what, "pattern", "a topic pattern".to_owned()))?;
        if !(1..=EVENT_QUEUE_EVENTS_MAX).contains(&queue.events_max) {
            return Err(wrong(queue.events_max.to_string(), "events-max", format!("1 to {EVENT_QUEUE_EVENTS_MAX}")));
        }
        let shape = Shape { events_max: queue.events_max, overflow: queue.overflow, at_once: 1 };
        let shared = self.runtime.shared();
        let (key, subscriber) = shared.bus.subscribe_application(self.scope(), Filter::of([pattern].into()), shape);
        Ok(Subscription { key, subscriber, runtime: self.runtime.downgrade() })
    }

    /// How every subscriber is doing, of all tenants: plugins in the order of their keys, then the application's own.
    pub fn subscribers(&self) -> Vec<SubscriberStatus> {
        self.runtime.shared().bus.status()
    }

    /// How one plugin is doing as a subscriber; none where it is none.
    pub fn subscriber(&self, subject: &Subject) -> Option<SubscriberStatus> {
        let name = plugwork_core::record::ConsentKey::from(subject).to_string();
        self.subscribers().into_iter().find(|status| status.name == name)
    }

    /// Resolves when no plugin has an event to handle: none waits, and none is in its hands. What the application's own subscriptions have not
    /// read does not count. Resolves never where there always is one.
    pub async fn settled(&self) {
        self.runtime.shared().bus.settled().await;
    }
}

/// A subscription of the application's own. Dropping it ends it.
pub struct Subscription {
    key: Key,
    subscriber: Arc<Subscriber>,
    runtime: Weak<Shared>,
}

impl Subscription {
    /// The next event, in the order in which they were queued; none once the runtime was closed. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        let taken = self.subscriber.next(1).await?;
        self.handled(taken)
    }

    /// The next event, where one waits.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        let taken = self.subscriber.take(1).flatten()?;
        self.handled(taken)
    }

    fn handled(&self, mut taken: Vec<Arc<Event>>) -> Option<Arc<Event>> {
        self.subscriber.in_hand(taken.len()).ended(End::Handled);
        taken.pop()
    }

    /// How it is doing.
    pub fn status(&self) -> SubscriberStatus {
        self.subscriber.status()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        match self.runtime.upgrade() {
            Some(shared) => shared.bus.detach(&self.key),
            None => self.subscriber.end(),
        }
    }
}
