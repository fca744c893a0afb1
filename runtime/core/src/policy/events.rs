//! Events: which topics a plugin may publish and receive, how fast, how far.
//!
//! Shape and decision only. No host offers the capability yet, so a grant of it is refused wherever one is given.

use serde::{Deserialize, Serialize};

use super::topic::{TopicPattern, is_topic};
use super::{Decision, names};
use crate::Issue;

/// The bounds of the `events` capability, which no host offers yet.
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
}

/// The hop limit where a grant names none, and the highest that it may name.
pub const HOPS_MAX: u32 = 8;

impl EventsBounds {
    pub(super) fn check(&self) -> Result<(), Issue> {
        match self.hops {
            None | Some(1..=HOPS_MAX) => Ok(()),
            Some(other) => Err(Issue { what: other.to_string(), at: "hops".to_owned(), expected: "1 to 8".to_owned() }),
        }
    }

    /// Whether an event may be published that came, through whatever chain, from one which had passed `hops` plugins; 0 for one of its own.
    pub fn decide_publish(&self, topic: &str, hops: u32) -> Decision {
        let limit = self.hops.unwrap_or(HOPS_MAX);
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
