//! One subscriber: its queue with a lock around it, whoever waits for it, and what became of its events.
//!
//! Easily got wrong: the lock guards the queue and nothing else; no guest, and nobody who waits, ever has it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use arc_swap::ArcSwapOption;
use plugwork_core::events::{Bounds, Event, Overflow, Pushed, Queue};
use plugwork_core::limits::{EVENT_QUEUE_BYTES_MAX, EVENTS_AT_ONCE_BYTES_MAX, EVENTS_AT_ONCE_MAX};
use plugwork_core::policy::topic::TopicPattern;
use tokio::sync::Notify;

use super::counts::{Counting, End, SubscriberStatus};
use super::durable::{Due, Lane};
use crate::account::Hold;
use crate::installation::Member;

/// What waits in a queue without being charged; and the step in which what is beyond that is.
const UNCHARGED_BYTES: usize = 64 << 10;

/// How much may wait, what happens past that, and how much is taken at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) events_max: u32,
    pub(super) overflow: Overflow,
    pub(super) at_once: u32,
}

impl Shape {
    fn bounds(self) -> Bounds {
        Bounds { events_max: self.events_max.max(1) as usize, bytes_max: EVENT_QUEUE_BYTES_MAX }
    }
}

/// Who receives events: a plugin, or a part of the application.
pub(crate) struct Subscriber {
    name: String,
    /// None where the application reads it.
    member: Option<Weak<Member>>,
    inbox: Mutex<Inbox>,
    /// Something waits, or it is over. One reads.
    arrived: Notify,
    /// There is room again.
    room: Notify,
    /// It is over: whoever waits before trying a delivery again need not.
    over: Notify,
    counts: Counting,
    is_served: AtomicBool,
    /// What a plugin may have, once it may have less than before: what was queued by then is looked at again.
    left: ArcSwapOption<Box<[TopicPattern]>>,
    unsettled: Arc<Unsettled>,
    /// Where a plugin stands among the durable events, in a host that keeps some.
    lane: Option<Lane>,
}

/// What there is to do for a plugin.
pub(super) enum Work {
    /// To hand over these.
    Queued(Vec<Arc<Event>>),
    /// A step with durable events.
    Durable,
}

struct Inbox {
    queue: Queue<Arc<Event>>,
    at_once: usize,
    /// Memory that is charged to the plugin, beyond what is free.
    hold: Option<(Hold, usize)>,
    is_over: bool,
}

/// What became of an event that was to be queued.
pub(super) enum Queued {
    Yes,
    /// No room; the publisher may wait for it.
    NotYet,
    /// No room, or nobody there any more.
    No,
}

/// Events that plugins have not yet done with, of the whole bus.
#[derive(Default)]
pub(super) struct Unsettled {
    count: AtomicU64,
    none: Notify,
}

impl Unsettled {
    pub(super) fn add(&self, events: u64) {
        self.count.fetch_add(events, Ordering::SeqCst);
    }

    pub(super) fn done(&self, events: u64) {
        if events > 0 && self.count.fetch_sub(events, Ordering::SeqCst) == events {
            self.none.notify_waiters();
        }
    }

    /// Resolves once there is none, for a moment at least.
    pub(super) async fn none(&self) {
        loop {
            let mut none = std::pin::pin!(self.none.notified());
            // Listening first, looking second.
            none.as_mut().enable();
            if self.count.load(Ordering::SeqCst) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Subscriber {
    pub(super) fn new(name: String, member: Option<Weak<Member>>, shape: Shape, unsettled: Arc<Unsettled>, lane: Option<Lane>) -> Self {
        let inbox = Inbox {
            queue: Queue::new(shape.bounds(), shape.overflow),
            at_once: shape.at_once.clamp(1, EVENTS_AT_ONCE_MAX) as usize,
            hold: None,
            is_over: false,
        };
        Self {
            name,
            member,
            inbox: Mutex::new(inbox),
            arrived: Notify::new(),
            room: Notify::new(),
            over: Notify::new(),
            counts: Counting::default(),
            is_served: AtomicBool::new(false),
            left: ArcSwapOption::empty(),
            unsettled,
            lane,
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("no panic happens under this lock")
    }

    pub(super) fn reshape(&self, shape: Shape) {
        let mut inbox = self.inbox();
        inbox.queue.rebound(shape.bounds(), shape.overflow);
        inbox.at_once = shape.at_once.clamp(1, EVENTS_AT_ONCE_MAX) as usize;
    }

    /// What it may have from now on; whether that is less than before.
    pub(super) fn is_granted(&self, granted: &[TopicPattern], is_less: bool) {
        if is_less || self.left.load().is_some() {
            self.left.store(Some(Arc::new(granted.into())));
        }
    }

    /// Whether it still may have an event that was queued for it.
    fn may_have(&self, event: &Event) -> bool {
        self.left.load().as_ref().is_none_or(|granted| granted.iter().any(|pattern| pattern.matches(&event.topic)))
    }

    pub(super) fn lane(&self) -> Option<&Lane> {
        self.lane.as_ref()
    }

    /// How many events go into one call.
    pub(super) fn at_once(&self) -> usize {
        self.inbox().at_once
    }

    /// There are durable events up to this sequence.
    pub(super) fn tell_of(&self, newest: u64) {
        if self.lane.as_ref().is_some_and(|lane| lane.tell(newest)) {
            self.arrived.notify_one();
        }
    }

    /// Something changed for its durable events.
    pub(super) fn look(&self) {
        self.arrived.notify_one();
    }

    /// The plugin, where it is one and still there.
    pub(super) fn member(&self) -> Option<Arc<Member>> {
        self.member.as_ref()?.upgrade()
    }

    pub(super) fn is_plugin(&self) -> bool {
        self.member.is_some()
    }

    /// Whether somebody has to begin to serve it, which is asked for once.
    pub(super) fn is_to_be_served(&self) -> bool {
        self.is_plugin() && !self.is_served.load(Ordering::Relaxed) && !self.is_served.swap(true, Ordering::SeqCst)
    }

    /// Queues an event, or does with it what the queue was told to do with what it has no room for.
    pub(super) fn push(&self, event: &Arc<Event>) -> Queued {
        let mut inbox = self.inbox();
        if inbox.is_over {
            return Queued::No;
        }
        let bytes = event.bytes();
        let kept = if self.is_plugin() { inbox.charge(bytes, self) } else { true };
        let pushed = if kept { inbox.queue.push(event.clone(), bytes) } else { Pushed::Full(event.clone()) };
        let (overflow, displaced) = match pushed {
            Pushed::Kept => (None, 0),
            Pushed::Displaced(events) => (None, events as u64),
            Pushed::Full(_) => (Some(inbox.queue.overflow()), 0),
        };
        if overflow.is_none() && self.is_plugin() {
            self.unsettled.add(1);
        }
        drop(inbox);
        match overflow {
            None => {
                self.counts.queued();
                self.ended(displaced, End::Dropped);
                self.arrived.notify_one();
                Queued::Yes
            }
            Some(Overflow::Block) => Queued::NotYet,
            Some(Overflow::Reject | Overflow::DropOldest) => Queued::No,
        }
    }

    /// Resolves when there may be room, or it is over.
    pub(super) async fn push_when_there_is_room(&self, event: &Arc<Event>) -> bool {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Listening first, looking second.
            room.as_mut().enable();
            match self.push(event) {
                Queued::Yes => return true,
                Queued::No => return false,
                Queued::NotYet => room.await,
            }
        }
    }

    pub(super) fn rejects(&self) {
        self.counts.rejected();
    }

    /// So many queued events came to their end.
    pub(super) fn ended(&self, events: u64, end: End) {
        if events > 0 {
            self.counts.ended(events, end);
            if self.is_plugin() {
                self.unsettled.done(events);
            }
        }
    }

    /// What there is to do next for a plugin, by turns where both wait. None once it is over.
    pub(super) async fn work(&self, durable_first: bool) -> Option<Work> {
        loop {
            let due = self.lane.as_ref().map_or(Due::Never, Lane::due);
            if due == Due::Now && durable_first {
                return Some(Work::Durable);
            }
            if let Some(taken) = self.take(usize::MAX)? {
                return Some(Work::Queued(taken));
            }
            match due {
                Due::Now => return Some(Work::Durable),
                // One that came since is remembered.
                Due::Never => self.arrived.notified().await,
                Due::At(at) => tokio::select! {
                    () = self.arrived.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    /// Those that wait, in order, as many as go into one call. None once it is over.
    pub(super) async fn next(&self, at_once_max: usize) -> Option<Vec<Arc<Event>>> {
        loop {
            if let Some(taken) = self.take(at_once_max)? {
                return Some(taken);
            }
            // One that came since is remembered.
            self.arrived.notified().await;
        }
    }

    /// The same without waiting: none outside once it is over, none inside while nothing waits.
    #[expect(clippy::option_option, reason = "over and empty are two things")]
    pub(super) fn take(&self, at_once_max: usize) -> Option<Option<Vec<Arc<Event>>>> {
        let mut inbox = self.inbox();
        if inbox.is_over {
            return None;
        }
        if inbox.queue.is_empty() {
            return Some(None);
        }
        let at_once = inbox.at_once.min(at_once_max);
        let mut taken = Vec::with_capacity(at_once.min(inbox.queue.len()));
        // Equally far along: what is published in answer is counted from there.
        let with = |first: &Arc<Event>, next: &Arc<Event>| first.chain.hops == next.chain.hops;
        inbox.queue.take(at_once, EVENTS_AT_ONCE_BYTES_MAX, with, &mut taken);
        let is_waited_for = inbox.queue.overflow() == Overflow::Block;
        let freed = if inbox.queue.bytes() <= UNCHARGED_BYTES { inbox.hold.take() } else { None };
        drop(inbox);
        drop(freed);
        if is_waited_for {
            self.room.notify_waiters();
        }
        Some(Some(taken))
    }

    /// Events that are in hand; however that ends, they are accounted for.
    pub(super) fn in_hand(&self, events: Vec<Arc<Event>>) -> InHand<'_> {
        InHand { subscriber: self, events, end: End::Lost }
    }

    /// Nothing is queued for it any more, and what waits is forgotten.
    pub(super) fn end(&self) {
        let (waited, hold) = {
            let mut inbox = self.inbox();
            inbox.is_over = true;
            (inbox.queue.clear() as u64, inbox.hold.take())
        };
        drop(hold);
        self.lane.iter().for_each(Lane::end);
        self.ended(waited, End::Dropped);
        self.arrived.notify_one();
        self.over.notify_one();
        self.room.notify_waiters();
    }

    /// Resolves when it is over.
    pub(super) async fn is_over(&self) {
        self.over.notified().await;
    }

    pub(super) fn status(&self) -> SubscriberStatus {
        let inbox = self.inbox();
        let (waiting, waiting_bytes, overflow) = (inbox.queue.len(), inbox.queue.bytes(), inbox.queue.overflow());
        drop(inbox);
        let durable = self.lane.as_ref().map(Lane::status);
        SubscriberStatus { name: self.name.clone(), waiting, waiting_bytes, overflow, counts: self.counts.read(), durable }
    }
}

impl Inbox {
    /// Charges the plugin where more waits than is free; says whether it may be. One that is not loaded has no account, and its queue has its bounds all
    /// the same.
    fn charge(&mut self, bytes: usize, subscriber: &Subscriber) -> bool {
        let needed = (self.queue.bytes() + bytes).saturating_sub(UNCHARGED_BYTES);
        let charged = self.hold.as_ref().map_or(0, |(_, charged)| *charged);
        if needed <= charged || needed > EVENT_QUEUE_BYTES_MAX {
            return true;
        }
        let more = (needed - charged).next_multiple_of(UNCHARGED_BYTES);
        let grown = match &mut self.hold {
            Some((hold, _)) => hold.grow(more as u64),
            None => match subscriber.member().and_then(|member| member.account()) {
                Some(account) => account.hold(more as u64).map(|hold| self.hold = Some((hold, 0))),
                None => return true,
            },
        };
        if let (Ok(()), Some((_, charged))) = (&grown, &mut self.hold) {
            *charged += more;
        }
        grown.is_ok()
    }
}

/// See [`Subscriber::in_hand`].
pub(super) struct InHand<'a> {
    subscriber: &'a Subscriber,
    events: Vec<Arc<Event>>,
    end: End,
}

impl InHand<'_> {
    /// Those that the subscriber still may have; the others are dropped.
    pub(super) fn entitled(&mut self) -> &Vec<Arc<Event>> {
        let all = self.events.len();
        self.events.retain(|event| self.subscriber.may_have(event));
        self.subscriber.ended((all - self.events.len()) as u64, End::Dropped);
        &self.events
    }

    pub(super) fn ended(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.subscriber.ended(self.events.len() as u64, self.end);
    }
}
