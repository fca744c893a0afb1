//! Events: which topics a plugin may publish and receive, how fast, how far, and how many of those that it receives may wait.
//!
//! Shape and decision only: what is done with an event is in `core::events` and in the host. Easily got wrong: topics below `plugwork` are the host's
//! to publish and nobody else's, and a grant that is to hear of them has to name them.

use serde::{Deserialize, Serialize};

use super::topic::{TopicPattern, is_reserved, is_topic};
use super::{Decision, names, parse};
use crate::events::Overflow;
use crate::limits::{EVENT_QUEUE_EVENTS_MAX, EVENTS_AT_ONCE_MAX};
use crate::{Grants, Issue};

/// The bounds of the `events` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventsBounds {
    /// Topics it may receive. Default: none.
    #[serde(default, rename = "in")]
    pub incoming: Vec<TopicPattern>,
    /// Topics it may publish. Default: none.
    #[serde(default, rename = "out")]
    pub outgoing: Vec<TopicPattern>,
    /// Events it may publish in a second. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u64>,
    /// How many plugins an event may have passed before this one may publish in answer to it, 1 to 8. Without it: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
    /// Events that may wait for it, 1 to [`EVENT_QUEUE_EVENTS_MAX`]. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_events: Option<u32>,
    /// What happens to an event that finds this queue full. Default: the one that waits the longest is dropped for it.
    #[serde(default)]
    pub overflow: Overflow,
    /// Events in one call of its handler, 1 to [`EVENTS_AT_ONCE_MAX`]: what is lost where that call fails. Without it: as many as wait, up to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
}

/// The hop limit where a grant names none, and the highest that it may name.
pub const HOPS_MAX: u32 = 8;

impl EventsBounds {
    /// Those among these grants; none where nothing was granted, or the grant cannot be read.
    pub fn of(grants: &Grants) -> Option<Self> {
        grants.get("events").and_then(|bounds| parse(bounds).ok())
    }

    /// Pairs of patterns, of what this one may publish and of what that one may receive, that some topic fits both of.
    pub fn heard_by<'a>(&'a self, receiver: &'a Self) -> impl Iterator<Item = (&'a TopicPattern, &'a TopicPattern)> {
        let heard =
            |out: &'a TopicPattern| receiver.incoming.iter().filter(|incoming| out.overlaps(incoming)).map(move |incoming| (out, incoming));
        self.outgoing.iter().flat_map(heard)
    }

    pub(super) fn check(&self) -> Result<(), Issue> {
        for (at, value, most) in [
            ("hops", self.hops, HOPS_MAX),
            ("queue-events", self.queue_events, EVENT_QUEUE_EVENTS_MAX),
            ("at-once", self.at_once, EVENTS_AT_ONCE_MAX),
        ] {
            if let Some(wrong) = value.filter(|value| !(1..=most).contains(value)) {
                return Err(Issue { what: wrong.to_string(), at: at.to_owned(), expected: format!("1 to {most}") });
            }
        }
        match self.outgoing.iter().find(|pattern| pattern.is_reserved()) {
            Some(pattern) => Err(Issue {
                what: format!("`{pattern}` is the host's own"),
                at: "out".to_owned(),
                expected: "topics that do not begin with `plugwork`".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Whether an event may be published that came, through whatever chain, from one which had passed `hops` plugins; 0 for one of its own.
    pub fn decide_publish(&self, topic: &str, hops: u32) -> Decision {
        let limit = self.hops.unwrap_or(HOPS_MAX);
        if is_topic(topic) && is_reserved(topic) {
            return Decision::Deny {
                code: "E-CAP-EVENTS-RESERVED",
                rule: format!("topic `{topic}` is the host's own to publish on"),
                hint: String::new(),
            };
        }
        match decide_topic(topic, &self.outgoing, "out", "E-CAP-EVENTS-OUT") {
            Decision::Allow if hops >= limit => Decision::Deny {
                code: "E-CAP-EVENTS-HOPS",
                rule: format!("the event it answers has passed {hops} plugins, the limit is {limit}"),
                hint: if hops < HOPS_MAX { format!("hops = {}", hops + 1) } else { String::new() },
            },
            decision => decision,
        }
    }

    /// Whether an event of this topic may be received.
    pub fn decide_receive(&self, topic: &str) -> Decision {
        decide_topic(topic, &self.incoming, "in", "E-CAP-EVENTS-IN")
    }
}

fn decide_topic(topic: &str, patterns: &[TopicPattern], bound: &str, code: &'static str) -> Decision {
    if !is_topic(topic) {
        return Decision::Deny {
            code: "E-CAP-EVENTS-TOPIC",
            rule: format!("`{}` is not a topic", names::shown(topic)),
            hint: String::new(),
        };
    }
    if patterns.iter().any(|pattern| pattern.matches(topic)) {
        return Decision::Allow;
    }
    Decision::Deny { code, rule: format!("topic `{topic}` is not granted"), hint: format!("{bound} = [\"{topic}\"]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn bounds(value: Value) -> EventsBounds {
        serde_json::from_value(value).unwrap()
    }

    fn code(decision: Decision) -> &'static str {
        match decision {
            Decision::Allow => "allow",
            Decision::Deny { code, .. } => code,
        }
    }

    #[test]
    fn topics_of_the_host_are_heard_by_name_only_and_published_by_nobody() {
        let all = bounds(json!({"in": ["**", "*/lifecycle/**"], "out": ["**"]}));
        assert_eq!(code(all.decide_receive("plugwork/lifecycle/enabled")), "E-CAP-EVENTS-IN");
        assert_eq!(code(all.decide_publish("plugwork/lifecycle/enabled", 0)), "E-CAP-EVENTS-RESERVED");
        assert_eq!(code(all.decide_publish("plugwork.x", 0)), "E-CAP-EVENTS-RESERVED");
        assert_eq!(code(all.decide_publish("plugworks/x", 0)), "allow");
        let named = bounds(json!({"in": ["plugwork/lifecycle/*"]}));
        assert_eq!(code(named.decide_receive("plugwork/lifecycle/enabled")), "allow");
        assert_eq!(bounds(json!({"out": ["plugwork/**"]})).check().unwrap_err().at, "out");
        let pattern = |text: &str| TopicPattern::try_from(text.to_owned()).unwrap();
        assert!(!pattern("**").covers(&pattern("plugwork/**")) && pattern("plugwork/**").covers(&pattern("plugwork/lifecycle/*")));
    }

    #[test]
    fn each_bound_ends_where_it_says() {
        for (key, most) in [("hops", HOPS_MAX), ("queue-events", EVENT_QUEUE_EVENTS_MAX), ("at-once", EVENTS_AT_ONCE_MAX)] {
            for (value, fits) in [(0, false), (1, true), (most, true), (most + 1, false)] {
                assert_eq!(bounds(json!({key: value})).check().is_ok(), fits, "{key} {value}");
            }
        }
    }
}
