//! Whether a consent lasted: what was published while there was none reaches nobody, also where there is one again.
//!
//! Easily got wrong: another version may bring a new record of consent without an end of the one before. What ends one is taking it back, removing the
//! plugin, or its time.

use crate::record::{ConsentKey, Event, Record};

/// Follows the records of one key, from the one that a cursor rests on.
#[derive(Debug, Clone)]
pub struct Lasting {
    key: ConsentKey,
    expires_ms: Option<u64>,
    has_ended: bool,
}

impl Lasting {
    /// Of this key. It lasts until something says otherwise.
    pub fn of(key: ConsentKey) -> Self {
        Self { key, expires_ms: None, has_ended: false }
    }

    /// Takes the next record; those of others change nothing.
    pub fn follow(&mut self, record: &Record) {
        // What this version cannot read is no word about consent.
        let Ok(event) = record.event() else { return };
        if event.changes_consent().as_ref() != Some(&self.key) {
            return;
        }
        let is_over = self.expires_ms.is_some_and(|expires_ms| expires_ms <= record.at_ms);
        match event {
            Event::Granted(consent) => {
                // A version that may have no events has no place among them, whatever it may publish.
                let has = |bounds: &serde_json::Map<String, serde_json::Value>| {
                    bounds.get("in").and_then(serde_json::Value::as_array).is_some_and(|topics| !topics.is_empty())
                };
                self.has_ended |= is_over || !consent.grants.get("events").is_some_and(has);
                self.expires_ms = consent.expires_ms;
            }
            _ => self.has_ended = true,
        }
    }

    /// Whether it was never taken back and never over before it was renewed, up to the last record.
    pub fn lasts(&self) -> bool {
        !self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Consent, Key, Memory, Records};
    use crate::{Digest, Grants, Subject};

    fn subject(tenant: &str) -> Subject {
        let (package, digest) = ("test:plugin".parse().unwrap(), Digest::of(b"x"));
        Subject { tenant: tenant.to_owned(), instance: String::new(), package, digest }
    }

    fn granted(tenant: &str, expires_ms: Option<u64>) -> Event {
        granted_with(receiving(&["a/*"]), tenant, expires_ms)
    }

    fn receiving(topics: &[&str]) -> Grants {
        Grants::none().with("events", serde_json::json!({"in": topics, "out": ["b"]}).as_object().unwrap().clone())
    }

    fn granted_with(grants: Grants, tenant: &str, expires_ms: Option<u64>) -> Event {
        let (subject, approver, reason) = (subject(tenant), "ada".to_owned(), String::new());
        Event::Granted(Consent { subject, version: None, grants, approver, reason, expires_ms, limits: None })
    }

    fn lasts(events: Vec<(u64, Event)>) -> bool {
        let records = Memory::new(Key::from_bytes(&[1; 32]));
        let mut lasting = Lasting::of(ConsentKey::from(&subject("t")));
        for (at_ms, event) in events {
            let mut pending = records.append(at_ms, vec![event]);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let std::task::Poll::Ready(Ok(appended)) = pending.as_mut().poll(&mut context) else { panic!("memory is ready at once") };
            appended.iter().for_each(|record| lasting.follow(record));
        }
        lasting.lasts()
    }

    #[test]
    fn another_version_ends_nothing_and_neither_does_what_happens_to_others() {
        let revoked = Event::Revoked { subject: subject("other"), by: String::new(), reason: String::new() };
        assert!(lasts(vec![(1, granted("t", None)), (2, revoked), (3, granted("t", None))]));
        let disabled = Event::Faulted { subject: subject("t"), code: String::new(), message: String::new(), count: 1 };
        assert!(lasts(vec![(1, granted("t", None)), (2, disabled)]));
    }

    #[test]
    fn taking_it_back_ends_it_and_so_does_removing() {
        let revoked = Event::Revoked { subject: subject("t"), by: String::new(), reason: String::new() };
        let removed = Event::Removed { subject: subject("t"), by: String::new() };
        for ended in [revoked, removed] {
            assert!(!lasts(vec![(1, granted("t", None)), (2, ended), (3, granted("t", None))]));
        }
    }

    #[test]
    fn a_version_without_events_in_between_ends_it() {
        for between in [Grants::none(), receiving(&[])] {
            assert!(!lasts(vec![(1, granted("t", None)), (2, granted_with(between, "t", None)), (3, granted("t", None))]));
        }
    }

    #[test]
    fn a_consent_that_was_over_when_it_was_renewed_did_not_last() {
        assert!(lasts(vec![(1, granted("t", Some(10))), (9, granted("t", None))]));
        assert!(!lasts(vec![(1, granted("t", Some(10))), (10, granted("t", None))]));
    }
}
