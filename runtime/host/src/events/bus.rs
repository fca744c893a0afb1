//! The bus: who wants which topic, and the way of one event into their queues.
//!
//! Easily got wrong: who is told is decided when an event is published. Routes are remembered by topic and forgotten together, whenever anybody's wishes
//! change; all of it is under one lock, so that no route outlives the wishes it was made of.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use plugwork_core::Refusal;
use plugwork_core::events::{Chain, Event};
use plugwork_core::lifecycle::Stage;
use plugwork_core::limits::EVENT_ROUTES_MAX;
use plugwork_core::policy::events::EventsBounds;
use plugwork_core::record::ConsentKey;

use super::EventsSettings;
use super::counts::SubscriberStatus;
use super::durable::{Durable, Lane};
use super::filter::{Filter, Wanted};
use super::serve::serve;
use super::subscriber::{Queued, Shape, Subscriber, Unsettled};
use crate::installation::Member;
use crate::runtime::Shared;

/// Whose events: of one tenant, or of all of them. Only the application can say the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    Tenant(&'a str),
    Every,
}

/// See the module.
pub(crate) struct Bus {
    roll: RwLock<Roll>,
    settings: EventsSettings,
    /// Where events of durable topics are kept; none in a host that keeps none.
    pub(super) durable: Option<Arc<Durable>>,
    pub(super) runtime: Weak<Shared>,
    /// Numbers of chains.
    numbers: AtomicU64,
    /// Numbers of the application's subscribers.
    subscribers: AtomicU64,
    unsettled: Arc<Unsettled>,
}

/// Everybody, and what is remembered of them.
#[derive(Default)]
pub(super) struct Roll {
    pub(super) entries: BTreeMap<Key, Entry>,
    /// By tenant and topic.
    routes: HashMap<Box<str>, HashMap<Arc<str>, Arc<Route>>>,
    routes_count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Plugin(ConsentKey),
    Application(u64),
}

pub(super) struct Entry {
    pub(super) subscriber: Arc<Subscriber>,
    /// None: all.
    pub(super) tenant: Option<Box<str>>,
    pub(super) filter: Filter,
    /// A plugin that subscribes while it is enabled is told of nothing until it is.
    pub(super) is_attached: bool,
}

/// Who is told of a topic.
pub(super) struct Route {
    pub(super) topic: Arc<str>,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
}

/// What became of an event: whom it could not be queued for.
#[derive(Default)]
pub(crate) struct Published {
    /// How many did not get it.
    pub(crate) rejected: usize,
    /// Whose queue is full and who are to be waited for.
    full: Vec<Arc<Subscriber>>,
}

impl Published {
    /// Whose queue is full does not get it.
    pub(crate) fn waits_for_nobody(self) {
        self.full.iter().for_each(|subscriber| subscriber.rejects());
    }
}

impl Bus {
    pub(crate) fn new(settings: EventsSettings, durable: Option<Arc<Durable>>, runtime: Weak<Shared>) -> Self {
        // Chains outlive a process where their events do. A thousand of them a millisecond would be needed to meet those of an earlier one.
        let first = durable.as_ref().map_or(1, |durable| durable.clock.now_ms() << 10);
        let (numbers, subscribers) = (AtomicU64::new(first), AtomicU64::new(1));
        Self { roll: RwLock::default(), settings, durable, runtime, numbers, subscribers, unsettled: Arc::default() }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Roll> {
        self.roll.read().expect("no panic happens under this lock")
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Roll> {
        self.roll.write().expect("no panic happens under this lock")
    }

    /// A number that no chain has yet.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    // ---- publishing -------------------------------------------------------------------------------------------------------------------

    /// Queues an event of a topic that is not durable for everybody who wants it and has room; waits for nobody. The topic was checked.
    pub(crate) fn publish(
        &self,
        scope: Scope<'_>,
        topic: &str,
        payload: Vec<u8>,
        source: &Arc<str>,
        chain: Chain,
    ) -> (Arc<Event>, Published) {
        let route = self.route(scope, topic);
        let event = Arc::new(Event { topic: route.topic.clone(), payload, source: source.clone(), chain, sequence: None });
        let mut published = Published::default();
        for subscriber in &route.subscribers {
            match subscriber.push(&event) {
                Queued::Yes => {
                    if subscriber.is_to_be_served() {
                        serve(&self.runtime, subscriber);
                    }
                }
                Queued::NotYet => published.full.push(subscriber.clone()),
                Queued::No => {
                    subscriber.rejects();
                    published.rejected += 1;
                }
            }
        }
        (event, published)
    }

    /// Waits for those whose queues were full, for a while; says how many did not get the event.
    pub(crate) async fn wait_for_room(&self, event: &Arc<Event>, published: Published) -> usize {
        let Published { rejected, full } = published;
        if full.is_empty() {
            return rejected;
        }
        let until = tokio::time::Instant::now() + Duration::from_millis(self.settings.block_ms);
        let waiting = full.iter().map(|subscriber| async move {
            let queued = tokio::time::timeout_at(until, subscriber.push_when_there_is_room(event)).await.unwrap_or(false);
            if !queued {
                subscriber.rejects();
            }
            queued
        });
        let queued = futures::future::join_all(waiting).await;
        rejected + queued.iter().filter(|queued| !**queued).count()
    }

    pub(super) fn route(&self, scope: Scope<'_>, topic: &str) -> Arc<Route> {
        let is_kept = self.keeps(topic);
        let Scope::Tenant(tenant) = scope else { return self.write().route(scope, topic, is_kept) };
        let known = self.read().routes.get(tenant).and_then(|routes| routes.get(topic)).cloned();
        known.unwrap_or_else(|| self.write().route(scope, topic, is_kept))
    }

    // ---- subscribers ------------------------------------------------------------------------------------------------------------------

    /// A plugin is active with these bounds, or with others than before; without any it is no subscriber. Decided under the lock: whoever makes it
    /// inactive meanwhile takes it off afterwards.
    pub(crate) fn attach(&self, member: &Arc<Member>) {
        let mut roll = self.write();
        let bounds = member.event_bounds().filter(|bounds| !bounds.incoming.is_empty() && member.handles_events());
        let key = Key::Plugin(member.key.clone());
        match bounds.filter(|_| member.state().stage() == Stage::Active) {
            Some(bounds) => {
                let entry = self.entry(&mut roll, key, member, &bounds);
                entry.is_attached = true;
                let subscriber = entry.subscriber.clone();
                roll.forget_routes();
                // Before anybody publishes to it: what is kept from here on is kept for it.
                if let Some(lane) = subscriber.lane() {
                    lane.grant(&bounds.incoming);
                    drop(roll);
                    self.looks(&subscriber);
                }
            }
            // Most plugins never were: their coming and going is no reason to forget anything.
            None => {
                let gone = roll.remove(&key);
                drop(roll);
                if gone.is_some() && member.state().stage() == Stage::Active {
                    // Another version, which is told of nothing.
                    self.abandon(&member.key);
                }
                gone.into_iter().for_each(|entry| entry.subscriber.end());
            }
        }
    }

    /// A plugin is no subscriber any more.
    pub(crate) fn forget(&self, key: &ConsentKey) {
        self.detach(&Key::Plugin(key.clone()));
    }

    /// It is no subscriber any more.
    pub(super) fn detach(&self, key: &Key) {
        let gone = self.write().remove(key);
        gone.into_iter().for_each(|entry| entry.subscriber.end());
    }

    /// The plugin's entry, with the bounds that hold now.
    fn entry<'a>(&self, roll: &'a mut Roll, key: Key, member: &Arc<Member>, bounds: &EventsBounds) -> &'a mut Entry {
        let shape = Shape {
            events_max: bounds.queue_events.unwrap_or(self.settings.queue_events),
            overflow: bounds.overflow,
            at_once: bounds.at_once.unwrap_or(u32::MAX),
        };
        let granted: Arc<[_]> = bounds.incoming.clone().into();
        let entry = roll.entries.entry(key).or_insert_with(|| Entry {
            subscriber: Arc::new(Subscriber::new(
                member.key.to_string(),
                Some(Arc::downgrade(member)),
                shape,
                self.unsettled.clone(),
                self.durable.as_ref().map(|durable| Lane::new(durable.clone(), member.key.clone(), self.unsettled.clone())),
            )),
            tenant: Some(member.key.tenant.as_str().into()),
            filter: Filter::of(granted.clone()),
            is_attached: false,
        });
        entry.subscriber.reshape(shape);
        let is_less = entry.filter.grant(granted.clone());
        entry.subscriber.is_granted(&granted, is_less);
        entry
    }

    /// A plugin's own subscription.
    pub(crate) fn subscribe(&self, member: &Arc<Member>, bounds: &EventsBounds, pattern: &str, once: bool) -> Result<u32, Refusal> {
        let mut roll = self.write();
        if !matches!(member.state().stage(), Stage::Active | Stage::Enabling) {
            return Err(Refusal::Unavailable { reason: format!("`{}` is not enabled", member.key) });
        }
        let entry = match roll.entries.get_mut(&Key::Plugin(member.key.clone())) {
            Some(entry) => entry,
            None => self.entry(&mut roll, Key::Plugin(member.key.clone()), member, bounds),
        };
        let knew = entry.filter.number_of(pattern, once).is_some();
        let subscribed = entry.filter.subscribe(pattern, once);
        if subscribed.is_ok() && !knew {
            entry.subscriber.lane().into_iter().for_each(Lane::wants_else);
        }
        roll.forget_routes();
        subscribed
    }

    /// The number of a plugin's own subscription, where it has it.
    pub(crate) fn subscription(&self, key: &ConsentKey, pattern: &str, once: bool) -> Option<u32> {
        self.read().entries.get(&Key::Plugin(key.clone()))?.filter.number_of(pattern, once)
    }

    /// Ends one of a plugin's own subscriptions; says whether there was one.
    pub(crate) fn unsubscribe(&self, key: &ConsentKey, number: u32) -> bool {
        let mut roll = self.write();
        let ended = roll.entries.get_mut(&Key::Plugin(key.clone())).is_some_and(|entry| entry.filter.unsubscribe(number));
        roll.forget_routes();
        ended
    }

    /// The application subscribes.
    pub(super) fn subscribe_application(&self, scope: Scope<'_>, filter: Filter, shape: Shape) -> (Key, Arc<Subscriber>) {
        let number = self.subscribers.fetch_add(1, Ordering::Relaxed);
        let tenant = match scope {
            Scope::Tenant(tenant) => Some(tenant.into()),
            Scope::Every => None,
        };
        let subscriber = Arc::new(Subscriber::new(format!("application {number}"), None, shape, self.unsettled.clone(), None));
        let entry = Entry { subscriber: subscriber.clone(), tenant, filter, is_attached: true };
        let mut roll = self.write();
        roll.entries.insert(Key::Application(number), entry);
        roll.forget_routes();
        (Key::Application(number), subscriber)
    }

    /// How everybody is doing, plugins first, in the order of their keys.
    pub(super) fn status(&self) -> Vec<SubscriberStatus> {
        self.read().entries.values().filter(|entry| entry.is_attached).map(|entry| entry.subscriber.status()).collect()
    }

    /// Resolves once no plugin has an event to handle, for a moment at least.
    pub(super) async fn settled(&self) {
        self.unsettled.none().await;
    }

    /// Nothing is published any more, and nobody is told.
    pub(crate) fn close(&self) {
        let entries = std::mem::take(&mut *self.write()).entries;
        entries.into_values().for_each(|entry| entry.subscriber.end());
        self.durable.iter().for_each(|durable| durable.close());
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.close();
    }
}

impl Roll {
    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let gone = self.entries.remove(key);
        if gone.is_some() {
            self.forget_routes();
        }
        gone
    }

    pub(super) fn forget_routes(&mut self) {
        self.routes.clear();
        self.routes_count = 0;
    }

    /// Who is told now. A subscription that ends with this topic has ended.
    fn route(&mut self, scope: Scope<'_>, topic: &str, is_kept: bool) -> Arc<Route> {
        let mut subscribers = Vec::new();
        let mut once = false;
        for entry in self.entries.values_mut() {
            let is_of = match (&entry.tenant, scope) {
                (None, _) | (_, Scope::Every) => true,
                (Some(theirs), Scope::Tenant(tenant)) => **theirs == *tenant,
            };
            if !is_of || !entry.is_attached {
                continue;
            }
            match entry.filter.wants(topic) {
                Wanted::No => continue,
                Wanted::Yes => {}
                // What is kept is taken when it is read.
                Wanted::Once if is_kept => {}
                Wanted::Once => {
                    entry.filter.received(topic);
                    once = true;
                }
            }
            subscribers.push(entry.subscriber.clone());
        }
        let route = Arc::new(Route { topic: topic.into(), subscribers });
        if let (Scope::Tenant(tenant), false) = (scope, once) {
            if self.routes_count >= EVENT_ROUTES_MAX {
                self.forget_routes();
            }
            self.routes.entry(tenant.into()).or_default().insert(route.topic.clone(), route.clone());
            self.routes_count += 1;
        }
        if once {
            self.forget_routes();
        }
        route
    }
}
