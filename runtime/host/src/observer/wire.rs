//! What is asked of a running host and what it answers: one line of JSON each way, so that any program can ask.
//!
//! Not here: sockets. Easily got wrong: an answer to [`Question::Top`] has no type here, because it may hold more than the asker knows; it has `pid`,
//! `verb`, `uptime_ms`, `plugins` (see [`crate::Usage`]) and `status` (see [`crate::Status`]).

use std::path::PathBuf;
use std::time::Duration;

use plugwork_core::Subject;
use serde::{Deserialize, Serialize};

/// The folder of the sockets, below the state folder: one `PID.sock` for each host.
pub const FOLDER: &str = "run";
/// Bytes of a question. Longer ones get an error.
pub const QUESTION_BYTES_MAX: u64 = 4 << 10;
/// Bytes of an answer: about four hundred bytes a plugin.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long one side waits for the other.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "want", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// The plugins of this host: how they are, and what they have used so far.
    Top,
    /// The log records that this host still has, in the order in which they were written. The answer is [`Logs`].
    Logs {
        /// Only those after this number; 0 from the first.
        after: u64,
        /// Only those of this package, as `namespace:name`.
        #[serde(default)]
        package: Option<String>,
    },
}

/// One log record as a host tells it. The text is as the plugin wrote it: whoever shows it escapes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its place among the records of the host, from 1.
    pub sequence: u64,
    /// Its place among the records of its plugin, from 1: a gap is what was forgotten.
    pub number: u64,
    /// When, by the host's clock, in Unix milliseconds.
    pub at_ms: u64,
    /// Whose.
    pub subject: Subject,
    /// `trace` to `error`.
    pub level: String,
    /// What was said.
    pub message: String,
}

/// The answer to [`Question::Logs`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// At most 4 MiB of them, or one.
    pub records: Vec<Kept>,
    /// Whether there is more behind the last of them.
    pub more: bool,
}

/// `…/run/PID.sock` through the open folder: the name of a socket has at most 107 bytes, the path of a state folder may have more.
pub fn through(folder: &std::fs::File, name: &str) -> PathBuf {
    use std::os::fd::AsRawFd;
    std::path::Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}
