//! The application's side: it publishes, subscribes, and sees how everybody is doing.
//!
//! Easily got wrong: a [`Subscription`] that nobody reads fills up and then does what it was told; it does not hold anybody up unless that was
//! [`Overflow::Block`].

use std::sync::{Arc, Weak};

use plugwork_core::events::outbox::{Cursor, Span};
use plugwork_core::events::{Chain, Event, Overflow};
use plugwork_core::limits::{EVENT_PAYLOAD_BYTES_MAX, EVENT_QUEUE_EVENTS, EVENT_QUEUE_EVENTS_MAX};
use plugwork_core::policy::topic::{TopicPattern, is_reserved, is_topic};
use plugwork_core::{Issue, Subject};

use super::Scope;
use super::bus::Key;
use super::counts::{End, SubscriberStatus};
use super::durable::{Durable, DurableSubscription, unkept};
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
    /// that block. One of a durable topic is kept when it resolves, and handed over whatever happens then; it waits for nobody's queue.
    ///
    /// An error of kind `Invalid` for what is no topic, for one of the host's own, for a payload of more than 64 KiB, and for a durable topic of
    /// every tenant; of kind `Unavailable` where somebody whose queue is full wants publishers to know: all others have it then; of the same kind with the
    /// code `E-OUTBOX-FULL` where too many events are on their way to the outbox, and then nobody has it; of kind `Io` where the event could not be kept. It may have been all the same, where the disk failed in the middle.
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
        let chain = Chain::begun(bus.number());
        let rejected = match &self.tenant {
            Some(tenant) => bus.emit(tenant, topic, payload, &SOURCE.into(), chain).await.map_err(unkept)?,
            None if bus.keeps(topic) => {
                return wrong(format!("`{topic}` of every tenant"), "topic", "one tenant, since the topic is durable");
            }
            None => {
                let (event, published) = bus.publish(self.scope(), topic, payload, &SOURCE.into(), chain);
                bus.wait_for_room(&event, published).await
            }
        };
        match rejected {
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

    /// Reads the durable events of one tenant that a pattern matches, behind a sequence (0: from the first that is there), and goes on with those to
    /// come. Nothing is kept of where this is: whoever goes on after a restart gives the sequence of the last event that it is done with.
    ///
    /// An error of kind `Invalid` where this host keeps no events, for what is no pattern or matches no durable topic, of every tenant, and beyond the
    /// newest sequence; of kind `Io` where the outbox cannot be read. What is not there any more is told: [`super::Told::Missed`].
    ///
    /// ```no_run
    /// # async fn example(runtime: plugwork::Runtime, done: u64) -> plugwork::Result<()> {
    /// use plugwork::events::Told;
    ///
    /// let mut told = runtime.events().subscribe_from("orders/**", done).await?;
    /// while let Some(told) = told.next().await? {
    ///     match told {
    ///         Told::Event(event) => println!("{:?}: {}", event.sequence, event.topic),
    ///         Told::Missed { events, after } => println!("{events} events are gone; going on behind {after}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn subscribe_from(&self, pattern: &str, after: u64) -> Result<DurableSubscription> {
        let wrong = |what: String, at: &str, expected: &str| {
            Error::from_issue("cannot subscribe:", Issue { what, at: at.to_owned(), expected: expected.to_owned() })
        };
        let pattern = TopicPattern::try_from(pattern.to_owned()).map_err(|what| wrong(what, "pattern", "a topic pattern"))?;
        let (durable, tenant) = self.of_one_tenant(wrong)?;
        DurableSubscription::open(durable, tenant, pattern, after).await
    }

    /// Which durable events of the tenant are there.
    ///
    /// An error of kind `Invalid` where this host keeps none, or of every tenant; of kind `Io` where the outbox cannot be read.
    pub async fn kept(&self) -> Result<Span> {
        let wrong = |what: String, at: &str, expected: &str| {
            Error::from_issue("cannot look:", Issue { what, at: at.to_owned(), expected: expected.to_owned() })
        };
        let (durable, tenant) = self.of_one_tenant(wrong)?;
        durable.span(tenant).await.map_err(unkept)
    }

    /// Where a plugin is among the durable events of its tenant, enabled or not, and what was parked; none where it was never told of any.
    ///
    /// An error of kind `Invalid` where this host keeps none; of kind `Io` where the outbox cannot be read.
    pub async fn cursor(&self, subject: &Subject) -> Result<Option<Cursor>> {
        match &self.runtime.shared().bus.durable {
            Some(durable) => durable.outbox.cursor(&subject.into()).await.map_err(unkept),
            None => Err(Error::new(ErrorKind::Invalid, "this host keeps no events: give it `Builder::outbox`")),
        }
    }

    fn of_one_tenant(&self, wrong: impl Fn(String, &str, &str) -> Error) -> Result<(&Arc<Durable>, &Arc<str>)> {
        let Some(durable) = &self.runtime.shared().bus.durable else {
            return Err(wrong("this host keeps no events".to_owned(), "", "a host that was given `Builder::outbox`"));
        };
        let tenant =
            self.tenant.as_ref().ok_or_else(|| wrong("every tenant".to_owned(), "tenant", "one tenant: each has its own sequence"))?;
        Ok((durable, tenant))
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

    /// Resolves when no plugin has an event to handle: none waits, also for another try, and none is in its hands. What the application's own subscriptions have not
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
        self.subscriber.ended(taken.len() as u64, End::Handled);
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
