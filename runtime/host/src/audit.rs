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

    /// Writes what is due, or everything. What could not be written stays noted.
    pub(crate) async fn write(&self, everything: bool) -> Result<(), RecordsError> {
        let _alone = self.writing.lock().await;
        let now = Instant::now();
        let due: Vec<(Key, u64, String)> = {
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
        for (number, batch) in due.chunks(BATCH).enumerate() {
            let events = batch.iter().map(|(key, count, message)| event(key, *count, message)).collect();
            if let Err(error) = self.records.append(self.clock.now_ms(), events).await {
                let mut entries = self.entries.lock().expect("no panic happens under this lock");
                for (key, count, message) in &due[number * BATCH..] {
                    let entry = entries.entry(key.clone()).or_insert_with(|| Entry { message: message.clone(), count: 0, not_before: now });
                    entry.count += count;
                }
                return Err(error);
            }
        }
        Ok(())
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
    use plugwork_core::record::{Key as Signing, Memory};

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
