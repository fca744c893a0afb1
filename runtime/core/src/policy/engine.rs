//! Which engine a plugin runs on, and whether one instance may take several calls. Engines and pools are the host's; here is only what is asked
//! and granted.
//!
//! What a reader may get wrong: without `reuse-calls` there is no reuse at all. That bound is no limit on top of a right, it is the right.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// The bounds of the `engine` capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineBounds {
    /// Which profile. Default: hardened.
    #[serde(default)]
    pub profile: EngineProfile,
    /// How many calls one instance may take, 1 to 1,000,000, before it is dropped. None, as 1: an instance for each call. With it whatever
    /// the plugin keeps in memory outlives a call, for later calls of the same subject under the same grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse_calls: Option<u32>,
}

/// Calls that one instance may take, at most.
pub const REUSE_CALLS_MAX: u32 = 1_000_000;

impl EngineBounds {
    /// Whether the number of calls is one.
    pub fn check(&self) -> Result<(), Issue> {
        match self.reuse_calls {
            None | Some(1..=REUSE_CALLS_MAX) => Ok(()),
            Some(other) => {
                Err(Issue { what: other.to_string(), at: "reuse-calls".to_owned(), expected: format!("1 to {REUSE_CALLS_MAX} calls") })
            }
        }
    }

    /// How many calls one instance may take; 1 where nothing was granted.
    pub fn calls_each(&self) -> u32 {
        self.reuse_calls.unwrap_or(1)
    }
}

/// The profiles, the smaller first: what the full one runs includes what the hardened one runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineProfile {
    /// The component model and nothing that is young.
    #[default]
    Hardened,
    /// Also component async and WASI 0.3.
    Full,
}
