//! The last log records of a host's plugins, kept for `plugwork logs`: bounded for each plugin and in all, the oldest go first.
//!
//! Text is as the guest wrote it; whoever shows it escapes it. Easy to get wrong: `sequence` counts the records of the host, `number` those of
//! one plugin. A gap between two numbers of one plugin is what was forgotten; between two sequences there may be other plugins.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use plugwork_core::Subject;
use plugwork_core::record::ConsentKey;

use super::wire::{Kept, Logs};
use crate::log::Level;

/// Records of one plugin.
const PLUGIN_RECORDS_MAX: usize = 1_000;
/// Bytes of the records of one plugin.
const PLUGIN_BYTES_MAX: usize = 1 << 20;
/// Bytes of all records.
const BYTES_MAX: usize = 64 << 20;
/// Plugins of which nothing is kept but how much they wrote: of more of them the first is forgotten, and counts from 1 again if it writes again.
const SILENT_MAX: usize = 10_000;
/// What a record is taken to cost beside its text.
const RECORD_BYTES: usize = 256;
/// Bytes of records in one answer; whoever wants more asks again from there.
const ANSWER_BYTES_MAX: usize = 4 << 20;

impl Kept {
    fn bytes(&self) -> usize {
        self.message.len() + RECORD_BYTES
    }
}

/// The records of one runtime.
#[derive(Default)]
pub(crate) struct Ring(Mutex<Records>);

#[derive(Default)]
struct Records {
    last: u64,
    bytes: usize,
    records: BTreeMap<u64, Kept>,
    plugins: BTreeMap<ConsentKey, Plugin>,
    /// Plugins of which nothing was left when they were put here, the first first. Some may have written since.
    silent: VecDeque<ConsentKey>,
}

#[derive(Default)]
struct Plugin {
    written: u64,
    bytes: usize,
    /// The sequences of its records that are kept, rising.
    kept: VecDeque<u64>,
}

impl Ring {
    pub(crate) fn keep(&self, at_ms: u64, subject: &Subject, level: Level, message: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(at_ms, subject, level, message);
    }

    /// The records after that sequence, those of one package where one is named.
    pub(crate) fn after(&self, after: u64, package: Option<&str>) -> Logs {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = Logs { records: Vec::new(), more: false };
        let mut bytes = 0;
        for kept in records.records.range(after.saturating_add(1)..).map(|(_, kept)| kept) {
            if package.is_some_and(|package| kept.subject.package.as_str() != package) {
                continue;
            }
            bytes += kept.bytes();
            // One is told in any case: an answer without any would never end.
            if bytes > ANSWER_BYTES_MAX && !answer.records.is_empty() {
                answer.more = true;
                break;
            }
            answer.records.push(kept.clone());
        }
        answer
    }
}

impl Records {
    fn keep(&mut self, at_ms: u64, subject: &Subject, level: Level, message: &str) {
        self.last += 1;
        let key = ConsentKey::from(subject);
        let plugin = self.plugins.entry(key.clone()).or_default();
        plugin.written += 1;
        let kept = Kept {
            sequence: self.last,
            number: plugin.written,
            at_ms,
            subject: subject.clone(),
            level: level.to_string(),
            message: message.to_owned(),
        };
        plugin.kept.push_back(self.last);
        plugin.bytes += kept.bytes();
        self.bytes += kept.bytes();
        self.records.insert(self.last, kept);
        while self.plugins.get(&key).is_some_and(|plugin| plugin.kept.len() > PLUGIN_RECORDS_MAX || plugin.bytes > PLUGIN_BYTES_MAX) {
            let oldest = self.plugins.get(&key).and_then(|plugin| plugin.kept.front().copied());
            oldest.into_iter().for_each(|oldest| self.forget(oldest));
        }
        while self.bytes > BYTES_MAX {
            let Some((&oldest, _)) = self.records.first_key_value() else { break };
            self.forget(oldest);
        }
    }

    /// Forgets a record that is the oldest of its plugin.
    fn forget(&mut self, sequence: u64) {
        let Some(kept) = self.records.remove(&sequence) else { return };
        self.bytes -= kept.bytes();
        let key = ConsentKey::from(&kept.subject);
        let Some(plugin) = self.plugins.get_mut(&key) else { return };
        plugin.bytes -= kept.bytes();
        plugin.kept.pop_front();
        if plugin.kept.is_empty() {
            self.silent.push_back(key);
        }
        if self.silent.len() > SILENT_MAX
            && let Some(first) = self.silent.pop_front()
            && self.plugins.get(&first).is_some_and(|plugin| plugin.kept.is_empty())
        {
            self.plugins.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugwork_core::Digest;

    fn subject(name: &str) -> Subject {
        Subject {
            tenant: "default".to_owned(),
            instance: String::new(),
            package: format!("test:{name}").parse().unwrap(),
            digest: Digest::of(b""),
        }
    }

    fn write(ring: &Ring, name: &str, message: &str) {
        ring.keep(7, &subject(name), Level::Info, message);
    }

    #[test]
    fn records_come_in_order_from_where_one_left_off() {
        let ring = Ring::default();
        ["a", "b", "a"].iter().zip(["1", "2", "3"]).for_each(|(name, message)| write(&ring, name, message));
        let said = |after, package| ring.after(after, package).records.into_iter().map(|kept| kept.message).collect::<Vec<_>>();
        assert_eq!(said(0, None), ["1", "2", "3"]);
        assert_eq!(said(1, None), ["2", "3"]);
        assert_eq!(said(0, Some("test:a")), ["1", "3"]);
        assert!(said(3, None).is_empty() && said(u64::MAX, None).is_empty());
        assert_eq!(ring.after(2, None).records[0].number, 2);
    }

    #[test]
    fn a_plugin_keeps_its_last_thousand_records_and_takes_none_of_a_neighbour() {
        let ring = Ring::default();
        write(&ring, "quiet", "here");
        (0..PLUGIN_RECORDS_MAX + 1).for_each(|number| write(&ring, "loud", &number.to_string()));
        let loud = ring.after(0, Some("test:loud")).records;
        assert_eq!((loud.len(), loud[0].number, loud[0].message.as_str()), (PLUGIN_RECORDS_MAX, 2, "1"));
        assert_eq!(ring.after(0, Some("test:quiet")).records.len(), 1);
    }

    #[test]
    fn a_plugin_keeps_a_mebibyte() {
        let ring = Ring::default();
        let long = "x".repeat((PLUGIN_BYTES_MAX / 4) - RECORD_BYTES);
        (0..4).for_each(|_| write(&ring, "a", &long));
        assert_eq!(ring.after(0, None).records.len(), 4);
        write(&ring, "a", "");
        assert_eq!(ring.after(0, None).records.len(), 4);
        assert_eq!(ring.after(0, None).records[0].number, 2);
    }

    #[test]
    fn all_plugins_together_keep_64_mebibytes_and_the_oldest_go_first() {
        let ring = Ring::default();
        let whole = "x".repeat(PLUGIN_BYTES_MAX - RECORD_BYTES);
        (0..65).for_each(|number| write(&ring, &format!("p{number}"), &whole));
        let records = ring.0.lock().unwrap();
        assert_eq!((records.records.len(), records.bytes), (64, BYTES_MAX));
        assert!(records.plugins[&ConsentKey::from(&subject("p0"))].kept.is_empty());
    }

    #[test]
    fn of_plugins_that_are_silent_for_long_nothing_is_left() {
        let ring = Ring::default();
        let mut records = ring.0.lock().unwrap();
        for number in 0..SILENT_MAX + 5 {
            records.keep(7, &subject(&format!("p{number}")), Level::Info, "x");
            let last = records.last;
            records.forget(last);
        }
        assert_eq!((records.plugins.len(), records.silent.len()), (SILENT_MAX, SILENT_MAX));
        let kept = |number: usize| records.plugins.contains_key(&ConsentKey::from(&subject(&format!("p{number}"))));
        assert!(!kept(4) && kept(5));
        // One that writes again is not silent, wherever it stands.
        records.keep(7, &subject("p5"), Level::Info, "x");
        records.keep(7, &subject("new"), Level::Info, "x");
        let last = records.last;
        records.forget(last);
        assert_eq!(records.plugins[&ConsentKey::from(&subject("p5"))].written, 2);
    }

    #[test]
    fn an_answer_has_four_mebibytes_and_says_that_there_is_more() {
        let ring = Ring::default();
        let whole = "x".repeat(PLUGIN_BYTES_MAX - RECORD_BYTES);
        (0..6).for_each(|number| write(&ring, &format!("p{number}"), &whole));
        let first = ring.after(0, None);
        assert_eq!((first.records.len(), first.more), (4, true));
        let second = ring.after(first.records[3].sequence, None);
        assert_eq!((second.records.len(), second.more), (2, false));
    }
}
