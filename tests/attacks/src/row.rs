//! What a row of the catalogue is: an id, a title, and variants, each of which says how it ends.
//!
//! Not here: the rows (`rows/`) and what is checked around every one of them (`arena.rs`). Easily got wrong: a variant answers how it *was*
//! contained; anything else than what it expected is an `Err`.

use plugwork::{Call, Error, ErrorKind, Fault, Limits, Plugin, Running, Subject};
use plugwork_core::{CompileFailure, Grants};

use crate::arena::Arena;
use crate::guest::Guest;

/// Small, and long enough for a busy machine: for what ends by itself.
pub const SMALL: Limits = Limits {
    deadline_ms: 5_000,
    memory_bytes: 4 << 20,
    call_data_bytes: 1 << 20,
    // One limit at a time: a row about the processor's share sets it again.
    cpu_percent: None,
    ..Limits::interactive()
};
/// As [`SMALL`], for what never ends by itself.
pub const SHORT: Limits = Limits { deadline_ms: 50, ..SMALL };

/// How one attack was contained.
#[derive(Debug, Clone)]
pub struct Contained {
    /// In a few words: `deadline`, `trap`, `unread`, `answer`.
    pub how: String,
    /// Whose faults and refusals must be on record since the variant began, and with which codes. A code that ends in `-` stands for every
    /// code that begins so: a guest of WASI is told an error's number, not the code.
    pub recorded: Vec<(Subject, String)>,
}

impl Contained {
    /// Contained with nothing that is worth a record: the attack had no effect.
    pub fn harmless(how: impl Into<String>) -> Self {
        Self { how: how.into(), recorded: Vec::new() }
    }

    /// Refused before it was a plugin: bytes that are no component, or one that is built beyond a limit, have no name that a record could
    /// give.
    pub fn unread() -> Self {
        Self::harmless("unread")
    }

    /// And these are on record.
    pub fn on_record(mut self, recorded: impl IntoIterator<Item = (Subject, String)>) -> Self {
        self.recorded.extend(recorded);
        self
    }
}

/// The answer of one variant.
pub type Ended = Result<Contained, String>;

type Run = Box<dyn for<'a> Fn(&'a Arena) -> Running<'a, Ended> + Send + Sync>;

/// One way to try it.
pub struct Variant {
    /// What is special about it.
    pub name: String,
    run: Run,
}

impl Variant {
    /// A variant that does as it likes.
    pub fn new(name: impl Into<String>, run: impl for<'a> Fn(&'a Arena) -> Running<'a, Ended> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }

    /// Offers a guest, accepts it, calls `run` once through the point `P`, and compares how that ends.
    pub fn call<P: Call>(name: impl Into<String>, guest: Guest, limits: Limits, input: P::Input, expected: Expected) -> Self
    where
        P::Input: Clone,
        P::Output: std::fmt::Debug,
    {
        Self::granted::<P>(name, guest, limits, Grants::none(), input, expected)
    }

    /// As [`Variant::call`], with grants.
    pub fn granted<P: Call>(
        name: impl Into<String>,
        guest: Guest,
        limits: Limits,
        grants: Grants,
        input: P::Input,
        expected: Expected,
    ) -> Self
    where
        P::Input: Clone,
        P::Output: std::fmt::Debug,
    {
        Self::new(name, move |arena| {
            let (guest, grants, input, expected) = (guest.clone(), grants.clone(), input.clone(), expected.clone());
            Box::pin(async move {
                let plugin = match arena.accept(&guest, limits, grants).await {
                    Ok(plugin) => plugin,
                    Err(error) => return expected.of_refusal(&error),
                };
                let answer = plugin.call::<P>(&input).await.map(|answer| format!("{answer:?}"));
                expected.check(&plugin, answer)
            })
        })
    }

    /// Tries it.
    pub async fn attack(&self, arena: &Arena) -> Ended {
        (self.run)(arena).await
    }
}

/// How a call must end.
#[derive(Debug, Clone)]
pub enum Expected {
    /// With a fault of this code (empty: of any), and these words in it.
    Fault(&'static str, &'static str),
    /// With this answer, as `Debug` shows it.
    Answer(String),
    /// With this answer, or a trap with these words: where the specification leaves the guest to harm itself.
    AnswerOrTrap(String, &'static str),
    /// Before it began: refused when it was offered or accepted, with these words.
    Refused(&'static str),
}

impl Expected {
    /// A trap with these words.
    pub const fn trap(words: &'static str) -> Self {
        Self::Fault("trap", words)
    }

    /// The deadline.
    pub const fn deadline() -> Self {
        Self::Fault("deadline", "deadline of 50 ms")
    }

    /// An answer.
    pub fn answer(value: impl std::fmt::Debug) -> Self {
        Self::Answer(format!("{value:?}"))
    }

    /// Or a trap with these words.
    pub fn or_trap(self, words: &'static str) -> Self {
        match self {
            Self::Answer(answer) => Self::AnswerOrTrap(answer, words),
            other => other,
        }
    }

    /// Compares how a call ended; the error must say whose plugin it was.
    pub fn check(&self, plugin: &Plugin, ended: Result<String, Error>) -> Ended {
        match (self, ended) {
            (Self::AnswerOrTrap(_, words), ended @ Err(_)) => Self::Fault("trap", words).check(plugin, ended),
            (Self::Answer(expected) | Self::AnswerOrTrap(expected, _), Ok(answer)) if *expected == answer => {
                Ok(Contained::harmless("answer"))
            }
            (Self::Fault(code, words), Err(error)) => {
                let fault = error.fault().ok_or_else(|| format!("expected a fault `{code}`, not {error:?}"))?;
                let is_expected = code.is_empty() || fault.code() == *code;
                if !is_expected || !fault.to_string().contains(words) {
                    return Err(format!("expected `{code}` with `{words}`, not `{}`: {fault}", fault.code()));
                }
                faulted(plugin, &error)
            }
            (expected, ended) => Err(format!("expected {expected:?}, not {ended:?}")),
        }
    }

    fn of_refusal(&self, error: &Error) -> Ended {
        match self {
            Self::Refused(words) if error.to_string().contains(words) => match error.kind() {
                ErrorKind::Component => Ok(Contained::unread()),
                _ => refused(error),
            },
            expected => Err(format!("expected {expected:?}, not a refusal: {error:?}")),
        }
    }
}

/// Contained by a fault of this plugin; the error must name it.
pub fn faulted(plugin: &Plugin, error: &Error) -> Ended {
    let fault: &Fault = error.fault().ok_or_else(|| format!("expected a fault, not {error:?}"))?;
    if error.subject() != Some(plugin.subject()) {
        return Err(format!("the fault does not say whose it is: {error:?}"));
    }
    Ok(Contained { how: fault.code().to_owned(), recorded: vec![(plugin.subject().clone(), fault.code().to_owned())] })
}

/// Contained by refusing it; the error must name whose refusal it is, and its code.
pub fn refused(error: &Error) -> Ended {
    let denied = error.denials().first().map(|denial| denial.code.as_str());
    match (error.subject(), denied.or(error.compile_failure().map(CompileFailure::code))) {
        (Some(subject), Some(code)) => Ok(Contained::harmless(code).on_record([(subject.clone(), code.to_owned())])),
        _ => Err(format!("the refusal does not say whose it is and by which code: {error:?}")),
    }
}

/// One row of the catalogue.
pub struct Row {
    /// As in the catalogue, such as `A1`.
    pub id: &'static str,
    /// What is tried.
    pub title: &'static str,
    /// How many instances the pool must have.
    pub instances: u32,
    /// In how many ways.
    pub variants: fn() -> Vec<Variant>,
}

impl Row {
    /// A row that a small pool is enough for.
    pub const fn new(id: &'static str, title: &'static str, variants: fn() -> Vec<Variant>) -> Self {
        Self { id, title, instances: 6, variants }
    }

    /// With a pool of so many instances.
    pub const fn instances(self, instances: u32) -> Self {
        Self { instances, ..self }
    }
}
