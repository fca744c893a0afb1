//! An outbox in memory: for tests, and for hosts whose durable events need not outlive them. Gone with the process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::Event;
use super::{Change, Cursor, Extent, Most, Outbox, OutboxError, Page, Pending, Retention, Span};
use crate::Issue;
use crate::limits::OUTBOX_SCAN_MAX;
use crate::record::ConsentKey;

/// The same contract as the durable one, without the durability. As [`Default`] it keeps what [`Retention`] says where nobody says otherwise.
#[derive(Default)]
pub struct Memory {
    retention: Retention,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    logs: BTreeMap<String, Log>,
    cursors: BTreeMap<ConsentKey, Cursor>,
}

struct Log {
    /// With when they were kept.
    events: VecDeque<(Event, u64)>,
    span: Span,
}

impl Memory {
    /// An empty one that keeps so much.
    ///
    /// # Errors
    /// As [`Retention::check`].
    pub fn new(retention: Retention) -> Result<Self, Issue> {
        retention.check()?;
        Ok(Self { retention, kept: Mutex::default() })
    }

    /// A panic elsewhere leaves it whole: everything is changed at once.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn prune(&mut self, retention: &Retention, at_ms: u64) -> u64 {
        let mut gone = 0;
        while let Some((event, kept_ms)) = self.events.front() {
            if !retention.is_past(self.span.events(), self.span.bytes, at_ms.saturating_sub(*kept_ms)) {
                break;
            }
            self.span.bytes -= event.bytes() as u64;
            self.span.first += 1;
            self.events.pop_front();
            gone += 1;
        }
        gone
    }

    fn read(&self, after: u64, wanted: &[Extent], most: Most) -> Page {
        let gone = self.span.first - 1;
        let mut page = Page { events: Vec::new(), scanned: after.max(gone), gone };
        let mut bytes = 0;
        let skipped = usize::try_from(page.scanned - gone).unwrap_or(usize::MAX);
        for (event, _) in self.events.iter().skip(skipped).take(OUTBOX_SCAN_MAX) {
            let sequence = event.sequence.unwrap_or_default();
            if Extent::any(wanted, sequence, &event.topic) {
                bytes += event.bytes();
                if !page.events.is_empty() && (page.events.len() >= most.events || bytes > most.bytes) {
                    break;
                }
                page.events.push(event.clone());
            }
            page.scanned = sequence;
        }
        page
    }
}

/// A future that is already there.
fn ready<'a, T: Send + 'a>(result: T) -> Pending<'a, T> {
    Box::pin(std::future::ready(Ok::<_, OutboxError>(result)))
}

impl Outbox for Memory {
    fn append<'a>(&'a self, tenant: &'a str, at_ms: u64, event: Event) -> Pending<'a, Event> {
        let mut kept = self.kept();
        let log = kept.logs.entry(tenant.to_owned()).or_insert_with(|| Log { events: VecDeque::new(), span: Span::EMPTY });
        log.span.last += 1;
        log.span.bytes += event.bytes() as u64;
        let event = Event { sequence: Some(log.span.last), ..event };
        log.events.push_back((event.clone(), at_ms));
        log.prune(&self.retention, at_ms);
        ready(event)
    }

    fn read<'a>(&'a self, tenant: &'a str, after: u64, wanted: &'a [Extent], most: Most) -> Pending<'a, Page> {
        let kept = self.kept();
        ready(kept.logs.get(tenant).map_or(Page { scanned: after, ..Page::default() }, |log| log.read(after, wanted, most)))
    }

    fn span<'a>(&'a self, tenant: &'a str) -> Pending<'a, Span> {
        ready(self.kept().logs.get(tenant).map_or(Span::EMPTY, |log| log.span))
    }

    fn spans(&self) -> Pending<'_, Vec<(String, Span)>> {
        ready(self.kept().logs.iter().map(|(tenant, log)| (tenant.clone(), log.span)).collect())
    }

    fn cursor<'a>(&'a self, key: &'a ConsentKey) -> Pending<'a, Option<Cursor>> {
        ready(self.kept().cursors.get(key).cloned())
    }

    fn change<'a>(&'a self, key: &'a ConsentKey, change: Change) -> Pending<'a, Option<Cursor>> {
        let mut kept = self.kept();
        let cursor = change.apply(kept.cursors.remove(key));
        if let Some(cursor) = &cursor {
            kept.cursors.insert(key.clone(), cursor.clone());
        }
        ready(cursor)
    }

    fn prune(&self, at_ms: u64) -> Pending<'_, u64> {
        ready(self.kept().logs.values_mut().map(|log| log.prune(&self.retention, at_ms)).sum())
    }
}
