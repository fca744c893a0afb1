//! How much one plugin may use. Every limit has a unit in its name, a default, and a reason.
//!
//! Limits of tables stand in [`crate::table`], limits of a component's structure in `plugwork-component`.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// Bytes of options or configuration that a call may carry.
pub const OPTIONS_BYTES_MAX: usize = 64 << 10;
/// How many tables and lists of a configuration in an application's file lie in one another. Below what a TOML parser takes (80), so that the one
/// spelling of an application can always be read.
pub const CONFIG_DEPTH_MAX: usize = 64;
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

/// Bytes of one value of `wasi:keyvalue`.
pub const KEYVALUE_VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys in one page of `list-keys`.
pub const KEYVALUE_PAGE_KEYS_MAX: usize = 1_000;
/// Keys in one call of `wasi:keyvalue/batch`.
pub const KEYVALUE_BATCH_KEYS_MAX: usize = 1_000;
/// Bytes of all values of one `get-many`: what the host holds before the guest takes them.
pub const KEYVALUE_HELD_BYTES_MAX: usize = 16 << 20;
/// Objects of `wasi:blobstore` that one plugin may have open at once, to be read or written: each is a descriptor of the host.
pub const BLOB_OPEN_MAX: usize = 64;
/// Names of objects in one answer or one `delete-objects`.
pub const BLOB_NAMES_MAX: usize = 1_000;
/// Bytes that cross at once when an object is read or written.
pub const BLOB_CHUNK_BYTES_MAX: usize = 64 << 10;
/// Bytes of a value that is consumed whole; a longer one is read through its stream.
pub const BLOB_WHOLE_BYTES_MAX: u64 = 8 << 20;
/// Bytes of one secret.
pub const SECRET_BYTES_MAX: usize = 8 << 10;
/// Headers with secrets in one request.
pub const SECRET_HEADERS_MAX: usize = 8;

/// Bytes of one event's payload.
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 64 << 10;
/// Events that may wait for one subscriber where neither its grant nor the host says otherwise.
pub const EVENT_QUEUE_EVENTS: u32 = 1_024;
/// The most that either may say.
pub const EVENT_QUEUE_EVENTS_MAX: u32 = 65_536;
/// Bytes of all events that wait for one subscriber: payloads, topics, and 128 for each event. Charged to the subscriber, although several may share them.
pub const EVENT_QUEUE_BYTES_MAX: usize = 4 << 20;
/// Events in one call of `event-handler`.
pub const EVENTS_AT_ONCE_MAX: u32 = 64;
/// Bytes of all events in one such call, counted as in the queue; one event is handed over whatever it has.
pub const EVENTS_AT_ONCE_BYTES_MAX: usize = 256 << 10;
/// Events that a plugin may publish in a second where neither its grant nor the host says otherwise.
pub const EVENTS_PER_SECOND: u64 = 10_000;
/// How long publishing waits at most for queues that are full and block. Milliseconds.
pub const EVENT_BLOCK_MS_MAX: u64 = 1_000;
/// Subscriptions of one plugin by its own calls of `subscribe` and `once`.
pub const EVENT_SUBSCRIPTIONS_MAX: usize = 64;
/// Topics of which a host remembers who receives them; one more, and it forgets the others.
pub const EVENT_ROUTES_MAX: usize = 4_096;
/// Events of durable topics that an outbox keeps of each tenant, unless told otherwise.
pub const OUTBOX_EVENTS: u64 = 100_000;
/// Bytes of those, counted as in a queue.
pub const OUTBOX_BYTES: u64 = 64 << 20;
/// How long it keeps them: seven days. Milliseconds.
pub const OUTBOX_AGE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Events of one tenant that may be on their way to an outbox at once.
pub const OUTBOX_WAITING_EVENTS_MAX: usize = 4_096;
/// Bytes of those, counted as in a queue.
pub const OUTBOX_WAITING_BYTES_MAX: usize = 16 << 20;
/// Events that one reading of an outbox looks at, whether or not it gives them.
pub const OUTBOX_SCAN_MAX: usize = 1_024;
/// Bytes of several events that one reading for a plugin gives, and so of one call of its handler with durable events.
pub const OUTBOX_READ_BYTES_MAX: usize = 64 << 10;
/// Calls with a durable event that may fail until it is parked, unless the host says otherwise.
pub const EVENT_ATTEMPTS: u32 = 8;
/// The most that it may say.
pub const EVENT_ATTEMPTS_MAX: u32 = 64;
/// How long a durable event waits after the first failed call, unless the host says otherwise; twice as long after each further one. Milliseconds.
pub const EVENT_RETRY_MS: u64 = 100;
/// The longest that it waits. Milliseconds.
pub const EVENT_RETRY_MS_MAX: u64 = 30_000;
/// Parked events that a cursor names; all are counted.
pub const EVENT_PARKED_NAMED_MAX: usize = 32;
/// Patterns that a plugin's cursor keeps of grants that became wider, together with those that it was granted last.
pub const EVENT_EXTENTS_MAX: usize = 64;
/// Bytes of what is kept of the reason why an event was parked.
pub const EVENT_PARKED_REASON_BYTES_MAX: usize = 256;

/// Calls that may wait for a guest thread in the lane of one plugin. One more is refused at once.
pub const LANE_CALLS_MAX: usize = 1_024;
/// Calls that may wait for a guest thread in all lanes of a runtime together. One more is refused at once.
pub const LANES_CALLS_MAX: usize = 16_384;

/// What one plugin may use: some limits hold for each of its instances, the others for all of them together. Two presets:
/// [`Limits::interactive`] and [`Limits::batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// How long one guest call may run. Milliseconds of wall time, 1 to 3,600,000; 1,000 (`interactive`) or 60,000 (`batch`).
    ///
    /// Counted from the moment at which the call is put in its plugin's lane, so waiting for a guest thread counts: one whose time is over
    /// by then never runs. On a guest thread it counts from the first guest instruction. Loading, and waiting for a free instance, do not
    /// count. Past it the call ends with [`crate::Fault::Deadline`] and the instance is dropped. Accurate to two epoch ticks (1 ms each) for guest code, to one
    /// bulk memory operation beyond that.
    pub deadline_ms: u64,
    /// Memory of one instance. Bytes, 64 KiB to 4 GiB; 64 MiB (`interactive`) or 256 MiB (`batch`).
    ///
    /// Summed over all linear memories and tables (16 bytes an element). Past it growth fails and the call ends with
    /// [`crate::Fault::Memory`].
    pub memory_bytes: u64,
    /// Memory of all instances of a plugin and of what the host holds on its behalf (bodies and values under way). Bytes; 256 MiB
    /// (`interactive`) or 1 GiB (`batch`). Past it growth fails with [`crate::Fault::PluginMemory`], and a host call is denied.
    pub plugin_memory_bytes: u64,
    /// Processor time of all instances together. Percent of one core, 1 to 10,000; 50 (`interactive`) or none (`batch`).
    ///
    /// A bucket that holds one second: after a rest a plugin may run at full speed for a second of processor time, then at its share. A
    /// guest beyond it waits, and its deadline goes on; a call whose deadline passes while it waits ends with [`crate::Fault::Cpu`].
    /// Measured to within a millisecond for each time a call is taken up again, of wall time for the first and of the thread's
    /// processor time for the rest.
    pub cpu_percent: Option<u32>,
    /// Instructions of one guest call, as the engine counts them (about one for each wasm operator). None by default: with it the plugin is
    /// compiled with counters in it, and runs slower. The same input then spends the same fuel on every machine. Past it the call ends with
    /// [`crate::Fault::Fuel`].
    pub fuel: Option<u64>,
    /// Calls from the guest into the host, all instances together. 200,000 a second (`interactive`) or no limit (`batch`).
    ///
    /// A bucket that holds one second; checked once a millisecond and between calls. Past it the call ends with
    /// [`crate::Fault::HostCalls`].
    pub host_calls_per_second: Option<u64>,
    /// Bytes that leave by outgoing requests. 1,250,000 a second, which is 10 Mbit/s (`interactive`), or no limit (`batch`). A bucket that
    /// holds one second; beyond it sending waits.
    pub egress_bytes_per_second: Option<u64>,
    /// Outgoing requests that may be open at once; 16 (`interactive`) or 64 (`batch`). One more is denied.
    pub requests: u32,
    /// What a plugin may keep in each kind of storage (key-value stores, containers, files). Bytes; 100 MiB or 1 GiB.
    pub storage_bytes: u64,
    /// Keys, objects or files in each kind of storage; 10,000 or 1,000,000.
    pub storage_keys: u64,
    /// Log text of all instances together. Bytes a second, in a bucket that holds four seconds; 64 KiB or 1 MiB. Records beyond it are
    /// counted and dropped.
    pub log_bytes_per_second: u64,
    /// Log records of all instances together, likewise; 500 or 10,000 a second.
    pub log_records_per_second: u64,
    /// Random bytes of all instances together, in a bucket that holds one second; 1 MiB or 16 MiB a second. Past it the call ends with a
    /// trap that names the limit.
    pub random_bytes_per_second: u64,
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
    /// Live instances of one plugin at once, sessions among them. 1 to 100,000; 64 (`interactive`) or 256 (`batch`). Past it a call waits for
    /// one to end, until its deadline; then it is refused as unavailable and the guest has not run.
    pub instances: u32,
    /// How long a session may go without a call. Milliseconds, 1 to 86,400,000; 300,000. Past it the session ends and its instance goes.
    pub session_idle_ms: u64,
    /// How long a session may last, used or not. Milliseconds, 1 to 86,400,000; 3,600,000 (`interactive`) or 86,400,000 (`batch`). Past it the
    /// call under way finishes or meets its deadline, and the session ends.
    pub session_total_ms: u64,
}

impl Limits {
    /// For a plugin that somebody waits for.
    pub const fn interactive() -> Self {
        Self {
            deadline_ms: 1_000,
            memory_bytes: 64 << 20,
            plugin_memory_bytes: 256 << 20,
            cpu_percent: Some(50),
            fuel: None,
            host_calls_per_second: Some(200_000),
            egress_bytes_per_second: Some(1_250_000),
            requests: 16,
            storage_bytes: 100 << 20,
            storage_keys: 10_000,
            log_bytes_per_second: 64 << 10,
            log_records_per_second: 500,
            random_bytes_per_second: 1 << 20,
            call_data_bytes: 9 << 20,
            handles: 10_000,
            core_instances: 64,
            memories: 16,
            tables: 32,
            instances: 64,
            session_idle_ms: 300_000,
            session_total_ms: 3_600_000,
        }
    }

    /// For a plugin in a pipeline: one call takes a whole batch.
    pub const fn batch() -> Self {
        Self {
            deadline_ms: 60_000,
            memory_bytes: 256 << 20,
            plugin_memory_bytes: 1 << 30,
            cpu_percent: None,
            host_calls_per_second: None,
            egress_bytes_per_second: None,
            requests: 64,
            storage_bytes: 1 << 30,
            storage_keys: 1_000_000,
            log_bytes_per_second: 1 << 20,
            log_records_per_second: 10_000,
            random_bytes_per_second: 16 << 20,
            instances: 256,
            session_total_ms: 86_400_000,
            ..Self::interactive()
        }
    }

    /// Whether each lies in its range; the first that does not.
    pub fn check(&self) -> Result<(), Issue> {
        self.issues().into_iter().next().map_or(Ok(()), Err)
    }

    /// Every one that does not lie in its range.
    pub fn issues(&self) -> Vec<Issue> {
        const SECOND_MAX: u64 = 1 << 40;
        let ranges = [
            ("deadline-ms", Some(self.deadline_ms), 1, 3_600_000),
            ("memory-bytes", Some(self.memory_bytes), 64 << 10, 4 << 30),
            ("plugin-memory-bytes", Some(self.plugin_memory_bytes), 64 << 10, 1 << 40),
            ("cpu-percent", self.cpu_percent.map(u64::from), 1, 10_000),
            ("fuel", self.fuel, 1, 1 << 62),
            ("host-calls-per-second", self.host_calls_per_second, 1, SECOND_MAX),
            ("egress-bytes-per-second", self.egress_bytes_per_second, 1, SECOND_MAX),
            ("storage-bytes", Some(self.storage_bytes), 0, 1 << 50),
            ("storage-keys", Some(self.storage_keys), 0, SECOND_MAX),
            ("log-bytes-per-second", Some(self.log_bytes_per_second), 0, SECOND_MAX),
            ("log-records-per-second", Some(self.log_records_per_second), 0, SECOND_MAX),
            ("random-bytes-per-second", Some(self.random_bytes_per_second), 0, SECOND_MAX),
            ("instances", Some(u64::from(self.instances)), 1, 100_000),
            ("session-idle-ms", Some(self.session_idle_ms), 1, 86_400_000),
            ("session-total-ms", Some(self.session_total_ms), 1, 86_400_000),
        ];
        let wrong = |(at, value, min, max): (&str, Option<u64>, u64, u64)| {
            let value = value.filter(|value| !(min..=max).contains(value))?;
            Some(Issue { what: value.to_string(), at: at.to_owned(), expected: format!("{min} to {max}") })
        };
        ranges.into_iter().filter_map(wrong).collect()
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
    fn instances_and_sessions_have_their_ranges_too() {
        let least = Limits { instances: 1, session_idle_ms: 1, session_total_ms: 1, ..Limits::interactive() };
        let most = Limits { instances: 100_000, session_idle_ms: 86_400_000, session_total_ms: 86_400_000, ..Limits::batch() };
        assert_eq!((least.check(), most.check(), Limits::interactive().check(), Limits::batch().check()), (Ok(()), Ok(()), Ok(()), Ok(())));
        for (wrong, at) in [
            (Limits { instances: 0, ..least }, "instances"),
            (Limits { session_idle_ms: 0, ..least }, "session-idle-ms"),
            (Limits { session_total_ms: 0, ..least }, "session-total-ms"),
            (Limits { instances: 100_001, ..most }, "instances"),
            (Limits { session_idle_ms: 86_400_001, ..most }, "session-idle-ms"),
            (Limits { session_total_ms: 86_400_001, ..most }, "session-total-ms"),
        ] {
            assert_eq!(wrong.check().unwrap_err().at, at);
        }
    }

    #[test]
    fn limits_written_before_a_limit_existed_are_read_with_its_default() {
        let read: Limits = serde_json::from_str(r#"{"deadline-ms":5}"#).unwrap();
        assert_eq!(read, Limits { deadline_ms: 5, ..Limits::interactive() });
    }

    #[test]
    fn a_promise_tightens_and_never_widens() {
        let host = Limits::interactive();
        let wide = Promised { deadline_ms: Some(u64::MAX), memory_bytes: Some(1 << 20) };
        let limits = host.tightened_by(&wide);
        assert_eq!((limits.deadline_ms, limits.memory_bytes), (1_000, 1 << 20));
    }
}
