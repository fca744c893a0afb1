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
        /// Milliseconds that had passed when it was stopped.
        ran_ms: u64,
    },
    /// The call was made to wait for its plugin's share of the processor until its deadline passed.
    Cpu {
        /// Percent of one core allowed, over all instances of the plugin.
        limit_percent: u32,
        /// Milliseconds that this call waited.
        waited_ms: u64,
    },
    /// The call executed more than its budget of instructions.
    Fuel {
        /// Units of fuel allowed.
        limit: u64,
    },
    /// The plugin made more calls into the host than it may.
    HostCalls {
        /// Calls a second allowed, over all instances of the plugin.
        limit_per_second: u64,
        /// Calls into the host that the stopped call had made.
        made: u64,
    },
    /// The instance asked for more memory than it may hold, over all its memories and tables.
    Memory {
        /// Bytes allowed.
        limit_bytes: u64,
        /// Bytes that the refused growth would have made it.
        asked_bytes: u64,
    },
    /// All instances of the plugin together, with what the host holds for them, would have held more memory than they may.
    PluginMemory {
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
    /// Another plugin that it called did not answer, and the function's own result had no room to say so.
    Callee {
        /// Which plugin.
        plugin: String,
        /// A stable word for what became of that call: the code of its fault, or `unavailable`, `refused`, `error`.
        code: String,
        /// The same in words.
        message: String,
    },
    /// Consent was revoked while the call ran.
    Revoked,
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
            Self::Cpu { .. } => "cpu",
            Self::Fuel { .. } => "fuel",
            Self::HostCalls { .. } => "host-calls",
            Self::Memory { .. } => "memory",
            Self::PluginMemory { .. } => "plugin-memory",
            Self::Data { .. } => "data",
            Self::Stack => "stack",
            Self::HostPanic { .. } => "host-panic",
            Self::Exit { .. } => "exit",
            Self::Callee { .. } => "callee",
            Self::Revoked => "revoked",
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
            Self::Deadline { limit_ms, ran_ms } => write!(f, "ran past its deadline of {limit_ms} ms (stopped after {ran_ms} ms)"),
            Self::Cpu { limit_percent, waited_ms } => {
                write!(f, "used up its share of {limit_percent} % of one core and waited {waited_ms} ms for it, until its deadline")
            }
            Self::Fuel { limit } => write!(f, "executed more than its {limit} units of fuel"),
            Self::HostCalls { limit_per_second, made } => {
                write!(f, "made too many calls into the host ({made} in this call); its limit is {limit_per_second} a second")
            }
            Self::Memory { limit_bytes, asked_bytes } => {
                write!(f, "asked for {asked_bytes} bytes of memory, its limit is {limit_bytes}")
            }
            Self::PluginMemory { limit_bytes, asked_bytes } => {
                write!(f, "would have made its plugin hold {asked_bytes} bytes over all instances, its limit is {limit_bytes}")
            }
            Self::Data { limit_bytes } => write!(f, "moved more than {limit_bytes} bytes across the boundary in one call"),
            Self::Stack => f.write_str("used up its stack (recursion without end?)"),
            Self::HostPanic { message } => write!(f, "a host function panicked while serving it: {message}"),
            Self::Exit { code } => write!(f, "ended itself with exit code {code}"),
            Self::Callee { plugin, message, .. } => write!(f, "got no answer from `{plugin}`, which it called: {message}"),
            Self::Revoked => f.write_str("was stopped: consent to it was revoked"),
            Self::Cancelled => f.write_str("was cancelled"),
        }
    }
}

impl std::error::Error for Fault {}
