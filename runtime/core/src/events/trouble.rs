//! What the host says of durable events that a plugin does not get, on topics that are its own.
//!
//! Easily got wrong: these events are not durable themselves. The numbers behind them are in the plugin's cursor, which is.

use serde::Serialize;

use crate::Subject;

/// An event was not handled so often that it is not handed over any more.
pub const PARKED_TOPIC: &str = "plugwork/events/parked";
/// Events were gone from the outbox before a plugin came to them.
pub const MISSED_TOPIC: &str = "plugwork/events/missed";

/// The payload of an event on [`PARKED_TOPIC`], as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ParkedEvent<'a> {
    /// Who did not handle it: the package, `namespace:name`.
    pub plugin: &'a str,
    /// Which of several instances; empty where there is one.
    pub instance: &'a str,
    /// What it is about.
    pub topic: &'a str,
    /// Its sequence.
    pub sequence: u64,
    /// How many calls failed.
    pub attempts: u32,
    /// What the last of them said.
    pub reason: &'a str,
}

/// The payload of an event on [`MISSED_TOPIC`], as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MissedEvent<'a> {
    /// Whom they were kept for: the package, `namespace:name`.
    pub plugin: &'a str,
    /// Which of several instances; empty where there is one.
    pub instance: &'a str,
    /// How many of its tenant's events are gone, on whatever topics.
    pub events: u64,
    /// Where it goes on: behind this sequence.
    pub after: u64,
}

impl<'a> MissedEvent<'a> {
    /// So many that a plugin did not get.
    pub fn of(subject: &'a Subject, events: u64, after: u64) -> Self {
        Self { plugin: subject.package.as_str(), instance: &subject.instance, events, after }
    }

    /// As it is published.
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl ParkedEvent<'_> {
    /// As it is published.
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::topic::{is_reserved, is_topic};

    #[test]
    fn both_topics_are_the_hosts_own() {
        for topic in [PARKED_TOPIC, MISSED_TOPIC] {
            assert!(is_topic(topic) && is_reserved(topic), "{topic}");
        }
    }

    #[test]
    fn what_was_parked_is_said_as_json() {
        let parked = ParkedEvent { plugin: "a:b", instance: "", topic: "t", sequence: 7, attempts: 8, reason: "no" };
        let text = String::from_utf8(parked.payload()).unwrap();
        assert_eq!(text, r#"{"plugin":"a:b","instance":"","topic":"t","sequence":7,"attempts":8,"reason":"no"}"#);
    }
}
