//! What the records hear of faults and denials: noted without waiting, written in the background, the same thing counted and not repeated.
//!
//! Bounded both ways: a plugin that fails a thousand times a second makes one record in ten seconds, with the number in it. Easily got wrong:
//! a host that dies loses what was noted in the last quarter of a second; consent never takes this way, it is durable before it counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugwork_core::record::{Event, Records, RecordsError};
use plugwork_core::{Clock, Denial, Fault, Subject};
use tokio::sync::Notify;

/// How long after a record the next one of the same subject and code may be written. What happens meanwhile is counted into it.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// Different things that may be waiting at once. Beyond it new ones are not noted: each of a plugin's few codes is one, so that takes
/// a thousand plugins failing at once.
const ENTRIES_MAX: usize = 4_096;
/// Events in one append.
const BATCH: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Fault,
    Refusal,
}

type Key = (Subject, Kind, String);

struct Entry {
    message: String,
    count: u64,
    not_before: Instant,
}

/// Notes what happens to plugins until it can be written.
pub(crate) struct Audit {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) clock: Arc<dyn Clock>,
    entries: Mutex<BTreeMap<Key, Entry>>,
    /// One writes at a time: who asks for everything waits for what another has taken and not yet written.
    writing: tokio::sync::Mutex<()>,
    wake: Notify,
}

impl Audit {
    pub(crate) fn new(records: Arc<dyn Records>, clock: Arc<dyn Clock>) -> Self {
        Self { records, clock, entries: Mutex::default(), writing: tokio::sync::Mutex::default(), wake: Notify::new() }
    }

    pub(crate) fn fault(&self, subject: &Subject, fault: &Fault) {
        self.note((subject.clone(), Kind::Fault, fault.code().to_owned()), || fault.to_string());
    }

    pub(crate) fn denial(&self, subject: &Subject, denial: &Denial) {
        self.note((subject.clone(), Kind::Refusal, denial.code.clone()), || denial.rule.clone());
    }

    fn note(&self, key: Key, message: impl FnOnce() -> String) {
        let mut entries = self.entries.lock().expect("no panic happens under this lock");
        let full = entries.len() >= ENTRIES_MAX;
        match entries.get_mut(&key) {
            Some(entry) => {
                entry.count += 1;
                if entry.count == 1 {
                    entry.message = message();
                }
            }
            None if full => return,
            None => {
                entries.insert(key, Entry { message: message(), count: 1, not_before: Instant::now() });
            }
        }
        drop(entries);
        self.wake.notify_one();
    }

    /// Resolves when something was noted.
    pub(crate) async fn noted(&self) {
        self.wake.notified().await;
    }

    /// Writes everything that is noted when this is asked for, or what is due: nothing where somebody else is writing. What could not be written stays noted.
    pub(crate) async fn write(&self, everything: bool) -> Result<(), RecordsError> {
        let alone = if everything { Some(self.writing.lock().await) } else { self.writing.try_lock().ok() };
        if alone.is_none() {
            return Ok(());
        }
        let now = Instant::now();
        let due = {
            let mut entries = self.entries.lock().expect("no panic happens under this lock");
            // Quiet ones are forgotten, so that the next of its kind is written at once.
            entries.retain(|_, entry| entry.count > 0 || entry.not_before > now);
            let due = entries.iter_mut().filter(|(_, entry)| entry.count > 0 && (everything || entry.not_before <= now));
            due.map(|(key, entry)| {
                entry.not_before = now + REPEAT_AFTER;
                (key.clone(), std::mem::take(&mut entry.count), entry.message.clone())
            })
            .collect()
        };
        let mut taken = Taken { audit: self, due, written: 0, now };
        while let Some(batch) = taken.due[taken.written..].chunks(BATCH).next() {
            let (events, count) = (batch.iter().map(|(key, count, message)| event(key, *count, message)).collect(), batch.len());
            self.records.append(self.clock.now_ms(), events).await?;
            taken.written += count;
        }
        Ok(())
    }
}

/// What was taken to be written. The rest is noted again where it could not be, or nobody waited for it.
struct Taken<'a> {
    audit: &'a Audit,
    due: Vec<(Key, u64, String)>,
    written: usize,
    now: Instant,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut entries = self.audit.entries.lock().expect("no panic happens under this lock");
        for (key, count, message) in self.due.drain(self.written..) {
            entries.entry(key).or_insert_with(|| Entry { message, count: 0, not_before: self.now }).count += count;
        }
    }
}

fn event((subject, kind, code): &Key, count: u64, message: &str) -> Event {
    let (subject, code, message) = (subject.clone(), code.clone(), message.to_owned());
    match kind {
        Kind::Fault => Event::Faulted { subject, code, message, count },
        Kind::Refusal => Event::Refused { subject, code, message, count },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::record::{ConsentKey, Head, Key as Signing, Memory, Pending, PublicKey, Record, Verified};

    struct Never;

    impl Clock for Never {
        fn now_ms(&self) -> u64 {
            0
        }
    }

    fn subject() -> Subject {
        let (package, digest) = ("test:plugin".parse().unwrap(), plugwork_core::Digest::of(b"x"));
        Subject { tenant: "default".to_owned(), instance: String::new(), package, digest }
    }

    /// Records of which each append waits for a permit.
    struct Slow(Memory, tokio::sync::Semaphore);

    impl Records for Slow {
        fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
            Box::pin(async move {
                self.1.acquire().await.expect("it is never closed").forget();
                self.0.append(at_ms, events).await
            })
        }
        fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
            self.0.append_after(end, at_ms, events)
        }
        fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
            self.0.read(after, limit)
        }
        fn head(&self) -> Pending<'_, Option<Head>> {
            self.0.head()
        }
        fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
            self.0.consent(key)
        }
        fn consents(&self) -> Pending<'_, Vec<Record>> {
            self.0.consents()
        }
        fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
            self.0.lifecycle(key)
        }
        fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
            self.0.lifecycles()
        }
        fn verify(&self) -> Pending<'_, Verified> {
            self.0.verify()
        }
        fn public_key(&self) -> PublicKey {
            self.0.public_key()
        }
    }

    #[tokio::test]
    async fn who_gives_up_waiting_loses_nothing_and_what_is_due_waits_for_nobody() {
        let records = Arc::new(Slow(Memory::new(Signing::from_bytes(&[7; 32])), tokio::sync::Semaphore::new(1)));
        let audit = Audit::new(records.clone(), Arc::new(Never));
        for number in 0..2 * BATCH + 1 {
            let told = String::new;
            let denial = Denial { code: format!("E-{number}"), permission: told(), rule: told(), hint: told() };
            audit.denial(&subject(), &denial);
        }
        // The first append is allowed, the second hangs.
        let mut all = Box::pin(audit.write(true));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut all).await.is_err());
        audit.write(false).await.unwrap();
        drop(all);
        records.1.add_permits(2);
        audit.write(true).await.unwrap();
        assert_eq!(records.read(0, 1_000).await.unwrap().len(), 2 * BATCH + 1);
    }

    #[tokio::test]
    async fn a_thousand_faults_are_one_record_and_the_rest_a_number() {
        let records: Arc<dyn Records> = Arc::new(Memory::new(Signing::from_bytes(&[7; 32])));
        let audit = Audit::new(records.clone(), Arc::new(Never));
        audit.fault(&subject(), &Fault::Stack);
        audit.write(false).await.unwrap();
        for _ in 0..1_000 {
            audit.fault(&subject(), &Fault::Stack);
        }
        audit.write(false).await.unwrap();
        assert_eq!(records.read(0, 10).await.unwrap().len(), 1);
        audit.write(true).await.unwrap();
        let last = records.read(1, 10).await.unwrap()[0].event().unwrap();
        assert!(matches!(last, Event::Faulted { count: 1_000, code, .. } if code == "stack"));
    }
}
