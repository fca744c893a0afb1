//! What went wrong inside a plugin. A fault is the plugin's; an `Error` is ours or the caller's; a refusal is an answer.

use std::fmt;

use serde::Serialize;

/// Why a guest call ended without an answer. After any fault its instance is dropped, never used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The guest trapped: an unreachable instruction, an access out of bounds, a broken value at the boundary.
    Trap {
        /// The engine's words.
        message: String,
        /// The guest's functions, innermost first; may be empty.
        backtrace: Vec<String>,
    },
    /// The guest panicked and said why before it trapped.
    Panic {
        /// The guest's last words.
        message: String,
        /// Where, as far as the guest could tell.
        stack: String,
    },
    /// The call ran longer than it may.
    Deadline {
        /// Milliseconds of wall time allowed.
        limit_ms: u64,
    },
    /// The instance asked for more memory than it may hold, over all its memories and tables.
    Memory {
        /// Bytes allowed.
        limit_bytes: u64,
        /// Bytes that the refused growth would have made it.
        asked_bytes: u64,
    },
    /// One call moved more data across the boundary than it may.
    Data {
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// The guest used up its stack.
    Stack,
    /// A host function panicked on this guest's behalf. The host lives; the instance does not.
    HostPanic {
        /// The panic's message.
        message: String,
    },
    /// The guest ended itself through `wasi:cli/exit`.
    Exit {
        /// Its exit code.
        code: i32,
    },
    /// The call was cancelled by its caller or by the host stopping.
    Cancelled,
}

impl Fault {
    /// A stable word for machines: the variant's name in lower case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Trap { .. } => "trap",
            Self::Panic { .. } => "panic",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Data { .. } => "data",
            Self::Stack => "stack",
            Self::HostPanic { .. } => "host-panic",
            Self::Exit { .. } => "exit",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { message, backtrace } => {
                write!(f, "trapped: {message}")?;
                backtrace.iter().take(12).try_for_each(|frame| write!(f, "\n    at {frame}"))
            }
            Self::Panic { message, stack } => {
                write!(f, "panicked: {message}")?;
                stack.lines().take(24).try_for_each(|line| write!(f, "\n    {line}"))
            }
            Self::Deadline { limit_ms } => write!(f, "ran past its deadline of {limit_ms} ms"),
            Self::Memory { limit_bytes, asked_bytes } => {
                write!(f, "asked for {asked_bytes} bytes of memory, its limit is {limit_bytes}")
            }
            Self::Data { limit_bytes } => write!(f, "moved more than {limit_bytes} bytes across the boundary in one call"),
            Self::Stack => f.write_str("used up its stack (recursion without end?)"),
            Self::HostPanic { message } => write!(f, "a host function panicked while serving it: {message}"),
            Self::Exit { code } => write!(f, "ended itself with exit code {code}"),
            Self::Cancelled => f.write_str("was cancelled"),
        }
    }
}

impl std::error::Error for Fault {}
