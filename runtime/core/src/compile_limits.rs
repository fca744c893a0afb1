//! What one compilation may use, and how it fails. Limits of a plugin that runs stand in [`crate::limits`].
//!
//! Data and words only: who enforces them is `plugwork::compile`. What may surprise: a failure says which limit it was measured against,
//! so that whoever remembers it can tell whether a raised limit is worth another try.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Issue;

/// What the process that compiles one component may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CompileLimits {
    /// Processor time over all threads. Milliseconds, rounded up to whole seconds (what the kernel counts in), 1,000 to 3,600,000;
    /// 120,000. A component that carries CPython takes about 5 s in a release build and 20 s in a debug build.
    pub cpu_ms: u64,
    /// Wall time from the start of the process. Milliseconds, 1 to 3,600,000; 300,000: more than the processor time, because
    /// the process has a low priority and a busy machine must not turn good components away.
    pub wall_ms: u64,
    /// Address space, the program itself included. Bytes, 64 MiB to 64 GiB; 2 GiB.
    pub memory_bytes: u64,
    /// Machine code that comes out. Bytes, 4 KiB to 2 GiB; 512 MiB.
    pub output_bytes: u64,
    /// Threads that compile side by side in one process, 1 to 64; 4. The address space must hold the stacks and heaps of all.
    pub threads: u32,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { cpu_ms: 120_000, wall_ms: 300_000, memory_bytes: 2 << 30, output_bytes: 512 << 20, threads: 4 }
    }
}

impl CompileLimits {
    /// Whether each lies in its range.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn check(&self) -> Result<(), Issue> {
        let ranges = [
            ("cpu-ms", self.cpu_ms, 1_000, 3_600_000, "milliseconds"),
            ("wall-ms", self.wall_ms, 1, 3_600_000, "milliseconds"),
            ("memory-bytes", self.memory_bytes, 64 << 20, 64 << 30, "bytes"),
            ("output-bytes", self.output_bytes, 4 << 10, 2 << 30, "bytes"),
            ("threads", u64::from(self.threads), 1, 64, "threads"),
        ];
        match ranges.into_iter().find(|(_, value, least, most, _)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((at, value, least, most, unit)) => {
                Err(Issue { what: value.to_string(), at: at.to_owned(), expected: format!("{least} to {most} {unit}") })
            }
        }
    }

    /// Processor time in the kernel's unit: whole seconds, rounded up.
    pub fn cpu_seconds(&self) -> u64 {
        self.cpu_ms.div_ceil(1_000)
    }
}

/// Why there is no machine code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CompileFailure {
    /// It took too long by the clock on the wall.
    Wall {
        /// Milliseconds allowed.
        limit_ms: u64,
    },
    /// It used too much processor time.
    Cpu {
        /// Milliseconds allowed.
        limit_ms: u64,
    },
    /// It wanted more address space than it may have.
    Memory {
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// The machine code is too big.
    Output {
        /// Bytes allowed.
        limit_bytes: u64,
    },
    /// A signal ended the process that compiled, and no limit of ours explains it.
    Crashed {
        /// Its number; 9 may be an operator or the kernel short of memory, 11 an error in the compiler.
        signal: i32,
    },
    /// The process that compiled ended by itself without an answer: a panic, mostly.
    Ended {
        /// Its exit code.
        code: i32,
        /// The end of what it said: text of an untrusted process, escaped.
        message: String,
    },
    /// The compiler refused it.
    Invalid {
        /// The compiler's words: text that may quote the component, escaped.
        message: String,
    },
    /// Too many others wait to be compiled. Not the component's fault: the same offer may pass later.
    Busy {
        /// How many may wait.
        waiting_max: u32,
    },
}

impl CompileFailure {
    /// A stable code for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wall { .. } => "E-COMPILE-WALL",
            Self::Cpu { .. } => "E-COMPILE-CPU",
            Self::Memory { .. } => "E-COMPILE-MEMORY",
            Self::Output { .. } => "E-COMPILE-OUTPUT",
            Self::Crashed { .. } => "E-COMPILE-CRASHED",
            Self::Ended { .. } => "E-COMPILE-ENDED",
            Self::Invalid { .. } => "E-COMPILE-INVALID",
            Self::Busy { .. } => "E-COMPILE-BUSY",
        }
    }

    /// How long the answer stays the answer, where nothing else changes: for ever where it follows from the component and a limit,
    /// ten minutes where it may have been the machine's fault, not at all where it was.
    pub fn lasting(&self) -> Lasting {
        match self {
            Self::Cpu { .. } | Self::Memory { .. } | Self::Output { .. } | Self::Invalid { .. } => Lasting::Always,
            Self::Wall { .. } | Self::Crashed { .. } | Self::Ended { .. } => Lasting::Seconds(600),
            Self::Busy { .. } => Lasting::Seconds(0),
        }
    }

    /// Whether these limits would end it the same way: a limit that was raised since is worth another try.
    pub fn stands_under(&self, limits: &CompileLimits) -> bool {
        match self {
            Self::Wall { limit_ms } => limits.wall_ms <= *limit_ms,
            Self::Cpu { limit_ms } => limits.cpu_ms <= *limit_ms,
            Self::Memory { limit_bytes } => limits.memory_bytes <= *limit_bytes,
            Self::Output { limit_bytes } => limits.output_bytes <= *limit_bytes,
            Self::Crashed { .. } | Self::Ended { .. } | Self::Invalid { .. } => true,
            Self::Busy { .. } => false,
        }
    }
}

/// How long a failure may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// As long as it [stands](CompileFailure::stands_under).
    Always,
    /// That long, and not after.
    Seconds(u64),
}

impl fmt::Display for CompileFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wall { limit_ms } => write!(f, "compile limit: {} of wall time", Seconds(*limit_ms)),
            Self::Cpu { limit_ms } => write!(f, "compile limit: {} of processor time", Seconds(*limit_ms)),
            Self::Memory { limit_bytes } => write!(f, "compile limit: address space of {}", Bytes(*limit_bytes)),
            Self::Output { limit_bytes } => write!(f, "compile limit: {} of machine code", Bytes(*limit_bytes)),
            Self::Crashed { signal } => write!(f, "the compiling process died by signal {signal}"),
            Self::Ended { code, message } if message.is_empty() => write!(f, "the compiling process ended with exit code {code}"),
            Self::Ended { code, message } => write!(f, "the compiling process ended with exit code {code}: {message}"),
            Self::Invalid { message } => f.write_str(message),
            Self::Busy { waiting_max } => {
                write!(f, "{waiting_max} others wait to be compiled already; hint: try again later")
            }
        }
    }
}

impl std::error::Error for CompileFailure {}

struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) { write!(f, "{} s", self.0 / 1_000) } else { write!(f, "{} ms", self.0) }
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")].into_iter().find(|(size, _)| self.0.is_multiple_of(*size));
        match unit {
            Some((size, name)) if self.0 > 0 => write!(f, "{} {name}", self.0 / size),
            _ => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_each_range_are_allowed_and_one_past_them_is_not() {
        let least = CompileLimits { cpu_ms: 1_000, wall_ms: 1, memory_bytes: 64 << 20, output_bytes: 4 << 10, threads: 1 };
        let most = CompileLimits { cpu_ms: 3_600_000, wall_ms: 3_600_000, memory_bytes: 64 << 30, output_bytes: 2 << 30, threads: 64 };
        assert_eq!((least.check(), most.check(), CompileLimits::default().check()), (Ok(()), Ok(()), Ok(())));
        for wrong in [
            CompileLimits { cpu_ms: 999, ..least },
            CompileLimits { wall_ms: 0, ..least },
            CompileLimits { memory_bytes: (64 << 20) - 1, ..least },
            CompileLimits { output_bytes: (4 << 10) - 1, ..least },
            CompileLimits { threads: 0, ..least },
            CompileLimits { cpu_ms: 3_600_001, ..most },
            CompileLimits { wall_ms: 3_600_001, ..most },
            CompileLimits { memory_bytes: (64 << 30) + 1, ..most },
            CompileLimits { output_bytes: (2 << 30) + 1, ..most },
            CompileLimits { threads: 65, ..most },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn processor_time_is_rounded_up_to_the_kernels_unit() {
        let seconds = |cpu_ms| CompileLimits { cpu_ms, ..CompileLimits::default() }.cpu_seconds();
        assert_eq!((seconds(1_000), seconds(1_001), seconds(120_000)), (1, 2, 120));
    }

    #[test]
    fn a_raised_limit_is_worth_another_try_and_another_limit_is_not() {
        let limits = CompileLimits::default();
        let cpu = CompileFailure::Cpu { limit_ms: limits.cpu_ms };
        assert!(cpu.stands_under(&limits));
        assert!(cpu.stands_under(&CompileLimits { cpu_ms: 1_000, memory_bytes: 64 << 30, ..limits }));
        assert!(!cpu.stands_under(&CompileLimits { cpu_ms: limits.cpu_ms + 1, ..limits }));
        let memory = CompileFailure::Memory { limit_bytes: limits.memory_bytes };
        assert!(memory.stands_under(&limits) && !memory.stands_under(&CompileLimits { memory_bytes: 3 << 30, ..limits }));
    }

    #[test]
    fn a_limit_is_named_in_words() {
        let texts = [
            (CompileFailure::Cpu { limit_ms: 120_000 }, "compile limit: 120 s of processor time"),
            (CompileFailure::Memory { limit_bytes: 2 << 30 }, "compile limit: address space of 2 GiB"),
            (CompileFailure::Wall { limit_ms: 1_500 }, "compile limit: 1500 ms of wall time"),
            (CompileFailure::Crashed { signal: 11 }, "the compiling process died by signal 11"),
        ];
        for (failure, text) in texts {
            assert_eq!(failure.to_string(), text);
        }
    }

    #[test]
    fn failures_are_written_and_read_as_they_are() {
        let failure = CompileFailure::Invalid { message: "no".to_owned() };
        let text = serde_json::to_string(&failure).expect("data");
        assert_eq!(text, r#"{"kind":"invalid","message":"no"}"#);
        assert_eq!(serde_json::from_str::<CompileFailure>(&text).expect("the same"), failure);
    }
}
