//! Records that a test steers: another process writes between two looks at a consent, or an append takes long to say that it is durable.
//!
//! Easily got wrong: what is held is the answer. The records are there by then, and everybody who reads finds them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use plugwork::core::record::{ConsentKey, Event, Head, Pending, PublicKey, Record, Records, Verified};
use tokio::sync::Notify;

/// Its clones are the same records.
#[derive(Clone)]
pub(crate) struct Steered {
    records: Arc<dyn Records>,
    steps: Arc<Steps>,
}

#[derive(Default)]
struct Steps {
    /// Appended before that look at a consent, counted from now; 0 is never.
    before_look: Mutex<(u32, Vec<Event>)>,
    /// Appended right before the next version that takes another's place, or goes back.
    before_replacement: Mutex<Vec<Event>>,
    /// How many looks at a consent there were.
    looks: AtomicU32,
    holds: AtomicBool,
    held: AtomicBool,
    let_go: Notify,
}

impl Steered {
    pub(crate) fn new(records: Arc<dyn Records>) -> Self {
        Self { records, steps: Arc::default() }
    }

    /// Somebody else appends this before the look at a consent with that number, counted from now.
    pub(crate) fn before_look(&self, number: u32, events: Vec<Event>) {
        *self.steps.before_look.lock().unwrap() = (number, events);
    }

    /// Somebody else appends this when the next version is about to be put on record that takes another's place.
    pub(crate) fn before_replacement(&self, events: Vec<Event>) {
        *self.steps.before_replacement.lock().unwrap() = events;
    }

    pub(crate) fn looks(&self) -> u32 {
        self.steps.looks.load(Ordering::SeqCst)
    }

    /// Whoever puts on record that another version takes the place, or the one before again, is answered when it is let go.
    pub(crate) fn holds_replacements(&self) {
        self.steps.holds.store(true, Ordering::SeqCst);
    }

    /// Whether one is on record and its answer is held.
    pub(crate) fn is_held(&self) -> bool {
        self.steps.held.load(Ordering::SeqCst)
    }

    pub(crate) fn let_go(&self) {
        self.steps.let_go.notify_one();
    }

    async fn is_about_to_append(&self, is_replacement: bool) {
        let events = if is_replacement { std::mem::take(&mut *self.steps.before_replacement.lock().unwrap()) } else { Vec::new() };
        if !events.is_empty() {
            self.records.append(0, events).await.unwrap();
        }
    }

    async fn appended(&self, is_replacement: bool) {
        if is_replacement && self.steps.holds.swap(false, Ordering::SeqCst) {
            self.steps.held.store(true, Ordering::SeqCst);
            self.steps.let_go.notified().await;
        }
    }
}

fn is_replacement(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Replaced { .. } | Event::RolledBack { .. }))
}

impl Records for Steered {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        Box::pin(async move {
            let is_replacement = is_replacement(&events);
            self.is_about_to_append(is_replacement).await;
            let appended = self.records.append(at_ms, events).await;
            self.appended(is_replacement).await;
            appended
        })
    }

    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
        Box::pin(async move {
            let is_replacement = is_replacement(&events);
            self.is_about_to_append(is_replacement).await;
            let appended = self.records.append_after(end, at_ms, events).await;
            self.appended(is_replacement).await;
            appended
        })
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        self.records.read(after, limit)
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        self.records.head()
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let key = key.clone();
        Box::pin(async move {
            self.steps.looks.fetch_add(1, Ordering::SeqCst);
            let due = {
                let mut before_look = self.steps.before_look.lock().unwrap();
                let is_due = before_look.0 == 1;
                before_look.0 = before_look.0.saturating_sub(1);
                is_due.then(|| std::mem::take(&mut before_look.1))
            };
            if let Some(events) = due {
                self.records.append(0, events).await?;
            }
            self.records.consent(&key).await
        })
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        self.records.consents()
    }

    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        self.records.lifecycle(key)
    }

    fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
        self.records.lifecycles()
    }

    fn verify(&self) -> Pending<'_, Verified> {
        self.records.verify()
    }

    fn public_key(&self) -> PublicKey {
        self.records.public_key()
    }
}
