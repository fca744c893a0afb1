//! How much one plugin may use. Every limit has a unit in its name, a default, and a reason.
//!
//! Limits of tables stand in [`crate::table`], limits of a component's structure in `plugwork-component`.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// Bytes of options or configuration that a call may carry.
pub const OPTIONS_BYTES_MAX: usize = 64 << 10;
/// Bytes of one log record before it is cut.
pub const LOG_RECORD_BYTES_MAX: usize = 8 << 10;
/// Log records of one instance; later ones are counted and dropped.
pub const LOG_RECORDS_MAX: u64 = 10_000;
/// Log bytes of one instance; later records are counted and dropped.
pub const LOG_BYTES_MAX: u64 = 1 << 20;
/// Bytes kept of a guest's last words, and of its stack.
pub const LAST_WORDS_BYTES_MAX: usize = 16 << 10;
/// Bytes of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 64 << 10;
/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES_MAX: usize = 64 << 10;
/// Bytes that a `plugwork:host/fetch` response may have.
pub const FETCH_BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of all responses to one call of `plugwork:host/fetch` together: what the host holds before the guest takes them.
pub const FETCH_HELD_BYTES_MAX: usize = 16 << 20;
/// Requests in one `send-all`.
pub const FETCH_REQUESTS_MAX: usize = 64;
/// Bytes of random data one call of `wasi:random` may ask for. An ungranted plugin needs a hash seed, not a key stream.
pub const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// What one instance may use. Two presets: [`Limits::interactive`] and [`Limits::batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// How long one guest call may run. Milliseconds of wall time, 1 to 3,600,000; 1,000 (`interactive`) or 60,000 (`batch`).
    ///
    /// Counted from the first guest instruction, so waiting for a free instance does not count. Past it the call ends
    /// with [`crate::Fault::Deadline`] and the instance is dropped. Accurate to two epoch ticks (1 ms each) for guest code, to one
    /// bulk memory operation beyond that.
    pub deadline_ms: u64,
    /// Memory of one instance. Bytes, 64 KiB to 4 GiB; 64 MiB (`interactive`) or 256 MiB (`batch`).
    ///
    /// Summed over all linear memories and tables (16 bytes an element). Past it growth fails and the call ends with
    /// [`crate::Fault::Memory`].
    pub memory_bytes: u64,
    /// Data that one host call may copy out of the guest. Bytes; 9 MiB: an 8 MiB answer and its frame.
    pub call_data_bytes: u64,
    /// Handles (resources) that the host keeps for one instance; 10,000.
    pub handles: u32,
    /// Core instances in one plugin instance; 64. Interpreters use about ten.
    pub core_instances: u32,
    /// Linear memories in one plugin instance; 16. QuickJS components use three.
    pub memories: u32,
    /// Tables in one plugin instance; 32.
    pub tables: u32,
}

impl Limits {
    /// For a plugin that somebody waits for.
    pub const fn interactive() -> Self {
        Self {
            deadline_ms: 1_000,
            memory_bytes: 64 << 20,
            call_data_bytes: 9 << 20,
            handles: 10_000,
            core_instances: 64,
            memories: 16,
            tables: 32,
        }
    }

    /// For a plugin in a pipeline: one call takes a whole batch.
    pub const fn batch() -> Self {
        Self { deadline_ms: 60_000, memory_bytes: 256 << 20, ..Self::interactive() }
    }

    /// Whether each lies in its range.
    pub fn check(&self) -> Result<(), Issue> {
        let issue =
            |at: &str, value: u64, expected: &str| Issue { what: value.to_string(), at: at.to_owned(), expected: expected.to_owned() };
        if !(1..=3_600_000).contains(&self.deadline_ms) {
            return Err(issue("deadline-ms", self.deadline_ms, "1 to 3600000 milliseconds"));
        }
        if !((64 << 10)..=(4 << 30)).contains(&self.memory_bytes) {
            return Err(issue("memory-bytes", self.memory_bytes, "65536 to 4294967296 bytes"));
        }
        Ok(())
    }

    /// The smaller of each: what a manifest promises can only tighten what a host allows.
    pub fn tightened_by(&self, promised: &Promised) -> Self {
        Self {
            deadline_ms: promised.deadline_ms.map_or(self.deadline_ms, |ms| ms.min(self.deadline_ms)),
            memory_bytes: promised.memory_bytes.map_or(self.memory_bytes, |bytes| bytes.min(self.memory_bytes)),
            ..*self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::interactive()
    }
}

/// The limits that a manifest may promise to keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Promised {
    /// See [`Limits::deadline_ms`].
    pub deadline_ms: Option<u64>,
    /// See [`Limits::memory_bytes`].
    pub memory_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_each_range_are_allowed_and_one_past_them_is_not() {
        let with = |deadline_ms, memory_bytes| Limits { deadline_ms, memory_bytes, ..Limits::batch() }.check();
        assert!(with(1, 64 << 10).is_ok() && with(3_600_000, 4 << 30).is_ok());
        for (deadline_ms, memory_bytes) in [(0, 1 << 20), (3_600_001, 1 << 20), (1, (64 << 10) - 1), (1, (4 << 30) + 1)] {
            assert!(with(deadline_ms, memory_bytes).is_err(), "{deadline_ms} {memory_bytes}");
        }
    }

    #[test]
    fn a_promise_tightens_and_never_widens() {
        let host = Limits::interactive();
        let wide = Promised { deadline_ms: Some(u64::MAX), memory_bytes: Some(1 << 20) };
        let limits = host.tightened_by(&wide);
        assert_eq!((limits.deadline_ms, limits.memory_bytes), (1_000, 1 << 20));
    }
}
