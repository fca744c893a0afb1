//! Events: which topics a plugin may publish and receive, how fast, how far.
//!
//! Shape and decision only. No host offers the capability yet, so a grant of it is refused wherever one is given.

use serde::{Deserialize, Serialize};

use super::topic::TopicPattern;
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
}
