//! From how a child ended to what that says about its component. Pure; the words of the child are untrusted here.
//!
//! What may surprise: a child may lie, and nothing is lost by it: whatever it says is about the one component that it was given.

use plugwork_core::{CompileFailure, CompileLimits};

use super::order::{ANSWERED, DONE, Said, plain};
use super::walls::Walls;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exit(i32),
    Signal(i32),
    /// We ended it: the wall time was up.
    Late,
}

/// What that means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// There should be machine code.
    Code,
    /// There is none, because of the component.
    Failed(CompileFailure),
    /// There is none, because of the host.
    Unfit(String),
}

/// What the child said about its walls.
pub(super) fn walls(said: &str) -> Option<Walls> {
    lines(said).find_map(|line| if let Said::Walls(walls) = line { Some(walls) } else { None })
}

pub(super) fn meaning(end: End, said: &str, limits: &CompileLimits) -> Meaning {
    let memory = CompileFailure::Memory { limit_bytes: limits.memory_bytes };
    let failure = match end {
        End::Late => CompileFailure::Wall { limit_ms: limits.wall_ms },
        End::Exit(DONE) => return Meaning::Code,
        End::Exit(code) => {
            if code == ANSWERED {
                match lines(said).find(|line| !matches!(line, Said::Walls(_))) {
                    Some(Said::Invalid(message)) => return Meaning::Failed(CompileFailure::Invalid { message: plain(&message) }),
                    Some(Said::Memory) => return Meaning::Failed(memory),
                    Some(Said::Unfit(message)) => return Meaning::Unfit(plain(&message)),
                    Some(Said::Walls(_)) | None => {}
                }
            }
            if out_of_memory(said) {
                memory
            } else {
                let message = said.lines().filter(|line| serde_json::from_str::<Said>(line).is_err()).collect::<Vec<_>>().join(" ");
                CompileFailure::Ended { code, message: plain(&message) }
            }
        }
        End::Signal(libc::SIGXCPU) => CompileFailure::Cpu { limit_ms: limits.cpu_ms },
        End::Signal(libc::SIGXFSZ) => CompileFailure::Output { limit_bytes: limits.output_bytes },
        End::Signal(libc::SIGABRT) if out_of_memory(said) => memory,
        End::Signal(signal) => CompileFailure::Crashed { signal },
    };
    Meaning::Failed(failure)
}

fn lines(said: &str) -> impl Iterator<Item = Said> + '_ {
    said.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// What Rust says before it aborts for want of memory, and what the kernel says. A thread that could not be started ("Resource temporarily
/// unavailable") may have found a busy machine: a refusal that lasts for ever must not come of that.
fn out_of_memory(said: &str) -> bool {
    said.contains("memory allocation of ") || said.contains("Cannot allocate memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CompileLimits = CompileLimits { cpu_ms: 1_000, wall_ms: 2_000, memory_bytes: 3 << 20, output_bytes: 4 << 10, threads: 1 };

    #[track_caller]
    fn means(end: End, said: &str, expected: CompileFailure) {
        assert_eq!(meaning(end, said, &LIMITS), Meaning::Failed(expected));
    }

    #[test]
    fn each_way_to_die_names_its_limit() {
        means(End::Late, "", CompileFailure::Wall { limit_ms: 2_000 });
        means(End::Signal(24), "", CompileFailure::Cpu { limit_ms: 1_000 });
        means(End::Signal(25), "", CompileFailure::Output { limit_bytes: 4 << 10 });
        means(End::Signal(6), "memory allocation of 99 bytes failed\n", CompileFailure::Memory { limit_bytes: 3 << 20 });
        means(End::Exit(3), "\"memory\"\n", CompileFailure::Memory { limit_bytes: 3 << 20 });
        means(End::Exit(101), "x Cannot allocate memory", CompileFailure::Memory { limit_bytes: 3 << 20 });
    }

    #[test]
    fn a_thread_that_a_busy_host_did_not_give_is_no_want_of_memory() {
        let said = "x Resource temporarily unavailable";
        means(End::Exit(101), said, CompileFailure::Ended { code: 101, message: said.to_owned() });
        means(End::Signal(6), said, CompileFailure::Crashed { signal: 6 });
    }

    #[test]
    fn a_death_that_no_limit_explains_is_a_crash() {
        for signal in [4, 6, 9, 11] {
            means(End::Signal(signal), "", CompileFailure::Crashed { signal });
        }
    }

    #[test]
    fn a_panic_is_told_with_its_words() {
        means(
            End::Exit(101),
            "{\"walls\":1}\nit broke\u{7}\n",
            CompileFailure::Ended { code: 101, message: "{\"walls\":1} it broke\\u{7}".to_owned() },
        );
    }

    #[test]
    fn an_answer_is_the_line_after_the_walls() {
        let walls = r#"{"walls":{"seccomp":true,"landlock":"absent"}}"#;
        let said = format!("{walls}\n{{\"invalid\":\"no\\u001b\"}}\n");
        means(End::Exit(3), &said, CompileFailure::Invalid { message: "no\\u{1b}".to_owned() });
        assert!(super::walls(&said).is_some_and(|walls| walls.seccomp));
        assert_eq!(meaning(End::Exit(3), "{\"unfit\":\"old\"}", &LIMITS), Meaning::Unfit("old".to_owned()));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_answer() {
        means(End::Exit(3), "{\"walls\":", CompileFailure::Ended { code: 3, message: "{\"walls\":".to_owned() });
        assert_eq!(super::walls("{\"walls\":7}"), None);
    }
}
