//! Compiling a component to machine code: here, or in a child process behind walls. Slow (about 0.75 s of one core a megabyte) and done
//! once: see [`crate::cache`].
//!
//! Compiling is the one thing that a component makes a host do before anything bounds it: 115 KB can hold a core for ten seconds and
//! take 800 MB. With [`Compiler::Child`] it costs a child process, which has limits, no descriptors but three, and nothing to open or
//! connect to. What a reader may get wrong: the child is trusted as little as the component, but for one thing: its output is machine
//! code that this host runs. It is confined so that a component cannot make it do anything else, not so that it could lie about its output.

mod child;
mod classify;
pub(crate) mod in_process;
mod order;
mod parent;
mod queue;
mod walls;

use std::num::NonZero;
use std::path::PathBuf;

use plugwork_core::{CompileLimits, Issue};

use crate::error::{Error, ErrorKind, Result};

pub use child::child_main_if_asked;
pub use walls::{Landlock, Walls};

pub(crate) use parent::{Children, Made, memory_file, seal};
pub(crate) use queue::Place;

/// Who compiles.
#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// This process, with no limit on time or memory. For hosts that chose their plugins themselves.
    #[default]
    InProcess,
    /// A child process with limits. For hosts that load what strangers wrote.
    Child(ChildCompiler),
}

impl Compiler {
    /// Those who compile for a runtime with or without a state folder, if it is not the runtime itself.
    pub(crate) fn children(&self, has_state: bool) -> Result<Option<Children>> {
        let Self::Child(compiler) = self else { return Ok(None) };
        let no_state = || Issue {
            what: "`Compiler::Child` without a state folder".to_owned(),
            at: "compiler".to_owned(),
            expected: "`Runtime::builder(\"./state\")`: what a child made is loaded only from there, under this host's own key".to_owned(),
        };
        let checked = if has_state { compiler.check() } else { Err(no_state()) };
        checked.map_err(|issue| Error::invalid(ErrorKind::Invalid, "cannot compile in a child:", vec![issue]))?;
        Children::new(compiler).map(Some)
    }
}

/// How children compile. `ChildCompiler::default()` re-executes this program, whose `main` must begin with [`child_main_if_asked`].
///
/// ```
/// use plugwork::compile::ChildCompiler;
/// use plugwork::core::CompileLimits;
///
/// let compiler = ChildCompiler::default().limits(CompileLimits { cpu_ms: 30_000, ..CompileLimits::default() }).at_once(1);
/// assert_eq!(compiler.waiting_max(), 256);
/// ```
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    program: Program,
    limits: CompileLimits,
    at_once: u32,
    waiting_max: u32,
}

#[derive(Debug, Clone)]
enum Program {
    This,
    Other(PathBuf),
}

/// Callers that may wait for a child, unless said otherwise.
const WAITING_MAX: u32 = 256;

impl Default for ChildCompiler {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            program: Program::This,
            limits: CompileLimits::default(),
            at_once: u32::try_from(cores).unwrap_or(u32::MAX),
            waiting_max: WAITING_MAX,
        }
    }
}

impl ChildCompiler {
    /// Another program than this one: `plugwork-compile`, or one of the host's own whose `main` begins with [`child_main_if_asked`]. It
    /// must be of the same build; one that makes code for another engine is an error of kind `Engine`.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Program::Other(path.into());
        self
    }

    /// What one child may use. Opening the runtime checks it.
    pub fn limits(mut self, limits: CompileLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Children that run at once, over the whole runtime; at least 1. Default: the number of cores.
    pub fn at_once(mut self, children: u32) -> Self {
        self.at_once = children.max(1);
        self
    }

    /// Components that may wait for a child; one more is `CompileFailure::Busy`. Callers of one component wait together and count
    /// once. Default: 256.
    pub fn waiting(mut self, components: u32) -> Self {
        self.waiting_max = components;
        self
    }

    /// See [`ChildCompiler::waiting`].
    pub fn waiting_max(&self) -> u32 {
        self.waiting_max
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), Issue> {
        self.limits.check()?;
        let issue =
            |what: &str, expected: &str| Err(Issue { what: what.to_owned(), at: "compiler".to_owned(), expected: expected.to_owned() });
        if order::asked() {
            return issue(
                "this process is itself a child that was to compile",
                "a program whose `main` begins with `plugwork::compile::child_main_if_asked()`",
            );
        }
        if matches!(self.program, Program::This) && !child::hooked() {
            return issue(
                "this program cannot be its own compiler",
                "`plugwork::compile::child_main_if_asked()` called first in `main`, or `ChildCompiler::program(…)`",
            );
        }
        Ok(())
    }
}
