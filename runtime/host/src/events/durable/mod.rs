//! Events of durable topics: kept before anybody is told of them, and handed over until they are handled.
//!
//! What is shared by a whole bus is here; `lane` is where one plugin stands, `deliver` hands over, `trouble` tells of what a plugin does not get, `waiting` bounds what is on its way, `reader` is
//! the application's way to read, `settings` what a host says. Easily got wrong: plugins are never handed a durable event from a queue. They are told
//! that there is one, and read on from where they are, so nothing is lost where they are slow.

mod deliver;
mod lane;
mod reader;
mod settings;
mod trouble;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Attempts, Change, Cursor, Lasting, Outbox, OutboxError, Span};
use plugwork_core::policy::topic::TopicPattern;
use plugwork_core::record::{ConsentKey, Event as Recorded, Records, RecordsError};
use plugwork_core::{Clock, Issue};
use tokio::sync::{Notify, RwLock};

pub use lane::DurableStatus;
pub(super) use lane::{Due, Lane};
pub(super) use reader::unkept;
pub use reader::{DurableSubscription, Told};
pub use settings::DurableEvents;
pub(super) use waiting::Admitted;
use waiting::Waiting;

/// Records that are read at once to see whether a consent lasted.
const RECORDS_AT_ONCE: u32 = 256;

/// See the module.
pub(crate) struct Durable {
    pub(super) outbox: Arc<dyn Outbox>,
    topics: Vec<TopicPattern>,
    pub(super) attempts: Attempts,
    pub(super) clock: Arc<dyn Clock>,
    records: Option<Arc<dyn Records>>,
    /// The newest sequence of each tenant.
    ends: Mutex<HashMap<Box<str>, u64>>,
    /// Whose consent ended, and whose cursors have to go before they begin anew.
    ended: Mutex<HashSet<ConsentKey>>,
    /// Beginning is read, forgetting is written: no cursor that was begun anew goes with the one before it.
    order: RwLock<()>,
    /// Something was kept, or it is over.
    pub(super) news: Notify,
    is_closed: AtomicBool,
    /// Calls and acknowledgements under way.
    in_hand: AtomicU64,
    /// Events that are being kept, or are kept and not told.
    untold: AtomicU64,
    waiting: Arc<Waiting>,
}

struct Keeping<'a>(&'a AtomicU64);

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Durable {
    /// Reads where each tenant is, and lets go of what is past its age.
    pub(crate) async fn open(
        outbox: Arc<dyn Outbox>,
        settings: &DurableEvents,
        clock: Arc<dyn Clock>,
        records: Option<Arc<dyn Records>>,
    ) -> Result<Self, OutboxError> {
        outbox.prune(clock.now_ms()).await?;
        let ends = outbox.spans().await?.into_iter().map(|(tenant, span)| (tenant.into(), span.last)).collect();
        Ok(Self {
            outbox,
            // Those that are none were refused by `check`.
            topics: settings.patterns().unwrap_or_default(),
            attempts: settings.attempts,
            clock,
            records,
            ends: Mutex::new(ends),
            ended: Mutex::default(),
            order: RwLock::default(),
            news: Notify::new(),
            is_closed: AtomicBool::new(false),
            in_hand: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            waiting: Arc::default(),
        })
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<Box<str>, u64>> {
        self.ends.lock().expect("no panic happens under this lock")
    }

    fn ended(&self) -> MutexGuard<'_, HashSet<ConsentKey>> {
        self.ended.lock().expect("no panic happens under this lock")
    }

    /// Whether events of this topic are kept.
    pub(super) fn keeps(&self, topic: &str) -> bool {
        self.topics.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether a pattern matches anything that is kept.
    pub(super) fn concerns(&self, pattern: &TopicPattern) -> bool {
        self.topics.iter().any(|durable| durable.overlaps(pattern))
    }

    /// The newest sequence of a tenant; 0 where there never was one.
    pub(super) fn end(&self, tenant: &str) -> u64 {
        self.ends().get(tenant).copied().unwrap_or(0)
    }

    /// Whether there is room for one more event of a tenant on its way to the outbox.
    pub(super) fn admit(&self, tenant: &str, event: &Event) -> Result<Admitted, OutboxError> {
        self.waiting.admit(tenant, event.bytes())
    }

    /// An event is about to be kept; it is told when this is dropped.
    pub(super) fn keeping(&self) -> impl Drop + '_ {
        self.untold.fetch_add(1, Ordering::SeqCst);
        Keeping(&self.untold)
    }

    /// Whether everybody was told of everything that is kept.
    pub(super) fn all_is_told(&self) -> bool {
        self.untold.load(Ordering::SeqCst) == 0
    }

    /// Keeps an event. From here on it is delivered, whatever happens.
    pub(super) async fn keep(&self, tenant: &str, event: Event) -> Result<(Event, u64), OutboxError> {
        let event = self.outbox.append(tenant, self.clock.now_ms(), event).await?;
        let sequence = event.sequence.unwrap_or_default();
        let mut ends = self.ends();
        let end = ends.entry(tenant.into()).or_default();
        // Two that are kept at once may come here in either order.
        *end = (*end).max(sequence);
        Ok((event, sequence))
    }

    /// What is there of a tenant.
    pub(super) async fn span(&self, tenant: &str) -> Result<Span, OutboxError> {
        self.outbox.span(tenant).await
    }

    // ---- cursors ----------------------------------------------------------------------------------------------------------------------

    /// Begins or goes on with a cursor. One whose consent did not last is begun anew; nothing is begun for who `is_over` by then.
    async fn begin(
        &self,
        key: &ConsentKey,
        granted: Vec<TopicPattern>,
        end: u64,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Cursor>, OutboxError> {
        loop {
            if self.ended().contains(key) {
                self.forget(key).await?;
            }
            let _order = self.order.read().await;
            if self.ended().contains(key) {
                continue;
            }
            if is_over() {
                return Ok(None);
            }
            let consent = self.consent(key).await?;
            if let Some(before) = self.outbox.cursor(key).await?
                && !self.lasted(key, before.consent, consent).await?
            {
                self.outbox.change(key, Change::Forget).await?;
            }
            return self.outbox.change(key, Change::Begin { granted, consent, end }).await;
        }
    }

    /// The record that a consent rests on; 0 where that is on none.
    async fn consent(&self, key: &ConsentKey) -> Result<u64, OutboxError> {
        let Some(records) = &self.records else { return Ok(0) };
        let record = records.consent(key).await.map_err(unread)?;
        Ok(record.filter(|record| matches!(record.event(), Ok(Recorded::Granted(_)))).map_or(0, |record| record.sequence))
    }

    /// Whether consent was there all the time between two records. What is on no record is the application's own to know.
    async fn lasted(&self, key: &ConsentKey, from: u64, to: u64) -> Result<bool, OutboxError> {
        let Some(records) = self.records.as_ref().filter(|_| from > 0 && from != to) else { return Ok(true) };
        let (mut lasting, mut after) = (Lasting::of(key.clone()), from - 1);
        loop {
            let read = records.read(after, RECORDS_AT_ONCE).await.map_err(unread)?;
            read.iter().for_each(|record| lasting.follow(record));
            match read.last() {
                Some(last) if read.len() == RECORDS_AT_ONCE as usize => after = last.sequence,
                _ => return Ok(lasting.lasts()),
            }
        }
    }

    /// A consent ended: what is kept is not for a later one.
    pub(super) fn ends_for(&self, key: &ConsentKey) {
        self.ended().insert(key.clone());
    }

    /// Forgets a cursor whose consent ended. What fails is tried again before the next one begins.
    pub(super) async fn forget(&self, key: &ConsentKey) -> Result<(), OutboxError> {
        let _alone = self.order.write().await;
        if self.ended().contains(key) {
            self.outbox.change(key, Change::Forget).await?;
            self.ended().remove(key);
        }
        Ok(())
    }

    // ---- ending -----------------------------------------------------------------------------------------------------------------------

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.news.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Whether a call or an acknowledgement is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.in_hand.load(Ordering::SeqCst) > 0
    }
}

/// Nobody is told of anything while it is unknown whether they may be.
fn unread(error: RecordsError) -> OutboxError {
    match error {
        RecordsError::Busy { waited_ms } => OutboxError::Busy { waited_ms },
        error => OutboxError::Storage { what: format!("the records cannot be read: {error}"), hint: String::new() },
    }
}

/// Which issue a host has with its settings.
pub(crate) fn check(settings: &DurableEvents) -> Result<(), Issue> {
    settings.patterns()?;
    settings.attempts.check()
}
