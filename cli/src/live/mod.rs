//! Speaking to a running host: a private Unix socket `run/PID.sock` in the state folder, on which every verb that runs plugins answers
//! `plugwork top`, `ps` and `logs`.
//!
//! One line of JSON each way, so that any program can ask. It stands in the command, not in the library: a program that embeds plugwork has
//! `Runtime::usage` and its own ways of serving it, and a library should not make sockets in folders by itself.
//!
//! Easy to get wrong: the socket can only tell. Nothing that changes a host is taken from it, so its protection (folder `0700`, socket `0600`, the
//! peer's user id checked) guards what plugins are called and how much they do, not what they may.

pub(crate) mod ask;
pub(crate) mod ring;
pub(crate) mod serve;

/// The folder of the sockets, below the state folder.
const FOLDER: &str = "run";
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 4 << 10;
/// Bytes of an answer: about four hundred bytes a plugin.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long one side waits for the other.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// A question.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "want", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Question {
    /// The plugins of this host, with what they have used so far.
    Top,
    /// The log records that this host still has, in the order in which they were written.
    Logs {
        /// Only those after this number; 0 from the first.
        after: u64,
        /// Only those of this package, as `namespace:name`.
        #[serde(default)]
        package: Option<String>,
    },
}

/// `…/run/PID.sock` through the open folder: the name of a socket has at most 107 bytes, the path of a state folder may have more.
fn through(folder: &std::fs::File, name: &str) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    std::path::Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)
}
