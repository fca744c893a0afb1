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
    /// How many of those calls one instance may have at the same time, 1 to 128, where its point can do that: `wasi:http/handler` 0.3. None, as 1: one
    /// after another. With it a fault of one call ends all that are in the instance with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_at_once: Option<u32>,
}

/// Calls that one instance may take, at most.
pub const REUSE_CALLS_MAX: u32 = 1_000_000;
/// Calls that one instance may have at the same time, at most.
pub const CALLS_AT_ONCE_MAX: u32 = 128;

impl EngineBounds {
    /// Whether the numbers of calls are such.
    pub fn check(&self) -> Result<(), Issue> {
        let bounds = [("reuse-calls", self.reuse_calls, REUSE_CALLS_MAX), ("calls-at-once", self.calls_at_once, CALLS_AT_ONCE_MAX)];
        for (at, calls, max) in bounds {
            if let Some(calls) = calls.filter(|calls| !(1..=max).contains(calls)) {
                return Err(Issue { what: calls.to_string(), at: at.to_owned(), expected: format!("1 to {max} calls") });
            }
        }
        Ok(())
    }

    /// How many calls one instance may take; 1 where nothing was granted.
    pub fn calls_each(&self) -> u32 {
        self.reuse_calls.unwrap_or(1)
    }

    /// How many calls one instance may have at the same time: never more than it may take at all.
    pub fn at_once(&self) -> u32 {
        self.calls_at_once.unwrap_or(1).min(self.calls_each())
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
