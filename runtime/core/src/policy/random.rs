//! More randomness in one call than the 64 KiB that every plugin may ask for.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// The bounds of the `random` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RandomBounds {
    /// Bytes in one call, at most 16 MiB.
    pub call_bytes: u64,
}

impl RandomBounds {
    /// Whether the bytes stay within the limit.
    pub fn check(&self) -> Result<(), Issue> {
        if self.call_bytes <= 16 << 20 {
            return Ok(());
        }
        Err(Issue { what: self.call_bytes.to_string(), at: "call-bytes".to_owned(), expected: "at most 16777216 bytes".to_owned() })
    }
}
