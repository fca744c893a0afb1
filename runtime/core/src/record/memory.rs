//! Records in memory: for tests, for hosts that keep nothing, and for the browser. Gone with the process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Chain, ConsentKey, Current, Event, Head, Key, Pending, PublicKey, Record, Records, RecordsError, Verified, seal};

/// The same contract as the durable one, without the durability.
pub struct Memory {
    key: Key,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    current: Current,
}

impl Kept {
    /// The record with this place, which is one more than its index.
    fn record(&self, sequence: u64) -> Option<Record> {
        self.records.get(usize::try_from(sequence).ok()?.checked_sub(1)?).cloned()
    }
}

impl Memory {
    /// An empty chain that is signed by this key.
    pub fn new(key: Key) -> Self {
        Self { key, kept: Mutex::default() }
    }

    /// A panic elsewhere leaves the chain whole: records are pushed only when all of them are sealed.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, after: Option<u64>, at_ms: u64, events: &[Event]) -> Result<Option<Vec<Record>>, RecordsError> {
        let mut kept = self.kept();
        let mut head = kept.records.last().map(Record::head);
        if after.is_some_and(|after| after != head.map_or(0, |head| head.sequence)) {
            return Ok(None);
        }
        let mut sealed = Vec::with_capacity(events.len());
        for event in events {
            let record = seal(head.as_ref(), at_ms, event, &self.key)?;
            head = Some(record.head());
            sealed.push(record);
        }
        for (event, record) in events.iter().zip(&sealed) {
            kept.current.follow(event, record.sequence);
            kept.records.push(record.clone());
        }
        Ok(Some(sealed))
    }

    fn verify_now(&self) -> Result<Verified, RecordsError> {
        let mut chain = Chain::new(self.key.public(), None);
        self.kept().records.iter().try_for_each(|record| chain.push(record))?;
        Ok(chain.finish()?.0)
    }
}

/// A future that is already there.
fn ready<'a, T: Send + 'a>(result: Result<T, RecordsError>) -> Pending<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Records for Memory {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        ready(self.append_now(None, at_ms, &events).map(Option::unwrap_or_default))
    }

    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
        ready(self.append_now(Some(end), at_ms, &events))
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        ready(Ok(self.kept().records.iter().skip(after).take(limit as usize).cloned().collect()))
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        ready(Ok(self.kept().records.last().map(Record::head)))
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let kept = self.kept();
        ready(Ok(kept.current.consents.get(key).and_then(|&sequence| kept.record(sequence))))
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        let kept = self.kept();
        ready(Ok(kept.current.consents.values().filter_map(|&sequence| kept.record(sequence)).collect()))
    }

    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let kept = self.kept();
        ready(Ok(kept.current.lifecycles.get(key).and_then(|&sequence| kept.record(sequence))))
    }

    fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
        let kept = self.kept();
        ready(Ok(kept.current.lifecycles.values().filter_map(|&sequence| kept.record(sequence)).collect()))
    }

    fn verify(&self) -> Pending<'_, Verified> {
        ready(self.verify_now())
    }

    fn public_key(&self) -> PublicKey {
        self.key.public()
    }
}
