//! What a parent tells the child that compiles, and what the child may answer. Both ends are here, so that they cannot drift apart.
//!
//! The order is trusted, it comes from the parent. The answer is text of a process that read hostile bytes: it is cut, parsed and escaped.

use plugwork_core::text::is_unseen;
use plugwork_core::{CompileLimits, Digest};
use serde::{Deserialize, Serialize};

use super::walls::Walls;
use crate::engine::Variant;

/// The only variables of a child's environment, and its first argument. Both must be right, so that neither a stray variable nor a stray
/// argument turns a program into a compiler.
pub(super) const MARK: &str = "PLUGWORK_COMPILE_CHILD";
pub(super) const MARKED: &str = "plugwork-compile-child";

/// Threads of the compiler's own pool.
pub(super) const THREADS: &str = "RAYON_NUM_THREADS";
/// Heaps of the C library: each reserves 64 MiB of the address space that is limited.
pub(super) const HEAPS: &str = "MALLOC_ARENA_MAX";

/// Exit codes of a child that answers.
pub(super) const DONE: i32 = 0;
/// It said why there is no code.
pub(super) const ANSWERED: i32 = 3;

/// Bytes that are read of what a child says.
pub(super) const SAID_BYTES_MAX: usize = 64 << 10;
/// Characters that are kept of a message.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;

/// What is to be compiled; the bytes come on stdin, the code goes out on stdout.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Whose child it is, so that an orphan notices.
    pub(super) parent: u32,
    pub(super) digest: Digest,
    pub(super) bytes: u64,
    pub(super) variant: Variant,
    /// What the code must fit.
    pub(super) compatibility: u64,
    pub(super) limits: CompileLimits,
}

/// One line on the child's stderr. Whatever else stands there is the last words of a crash.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// What stands around it, before it reads a byte.
    Walls(Walls),
    /// The component cannot be compiled, and why.
    Invalid(String),
    /// It ran out of address space and could still say so.
    Memory,
    /// It cannot do what it was asked: the host's mistake, not the component's.
    Unfit(String),
}

/// Whether this process was started to compile.
pub(super) fn asked() -> bool {
    std::env::var_os(MARK).is_some_and(|value| value == MARKED) && std::env::args_os().nth(1).is_some_and(|word| word == MARKED)
}

/// Text of an untrusted process, fit to be shown: one line, nothing that moves a cursor or turns the writing direction.
pub(super) fn plain(text: &str) -> String {
    let harmless = |c: char| !c.is_control() && !is_unseen(c);
    let escape = |c: char| if harmless(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.trim().chars().take(MESSAGE_CHARACTERS_MAX).map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_move_the_cursor_or_turn_the_text() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{202e}d "), "a\\u{1b}[2Jb\\u{a}c\\u{202e}d");
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(plain(&"x".repeat(100_000)).len(), MESSAGE_CHARACTERS_MAX);
    }

    #[test]
    fn a_test_program_was_not_asked_to_compile() {
        assert!(!asked());
    }
}
