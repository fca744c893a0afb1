//! Clocks finer than the whole milliseconds that every plugin gets.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// The bounds of the `clock` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockBounds {
    /// Nanoseconds between two readings that differ, 1 to 1,000,000,000. Less is more: a fine clock lets a plugin time its neighbours.
    pub resolution_ns: u64,
}

impl ClockBounds {
    /// Whether the resolution is one.
    pub fn check(&self) -> Result<(), Issue> {
        match self.resolution_ns {
            1..=1_000_000_000 => Ok(()),
            other => {
                Err(Issue { what: other.to_string(), at: "resolution-ns".to_owned(), expected: "1 to 1000000000 nanoseconds".to_owned() })
            }
        }
    }
}
