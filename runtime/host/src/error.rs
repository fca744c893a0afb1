//! The one error of this library: ours or the caller's. What goes wrong inside a plugin is a [`Fault`] within it.

use std::fmt;

use plugwork_core::capacity::Scarce;
use plugwork_core::{CompileFailure, Denial, Digest, Fault, Issue, Refusal, Subject};

use crate::dispatch::Outcome;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// For branching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file, or the records, could not be read or written.
    Io,
    /// The bytes are not a component that plugwork accepts.
    Component,
    /// The embedded manifest is wrong.
    Manifest,
    /// Policy or consent said no: see [`Error::denials`].
    Refused,
    /// Something the caller gave is wrong: bounds, options, a name.
    Invalid,
    /// The plugin answered with a refusal: see [`Error::refusal`].
    Refusal,
    /// The plugin failed: see [`Error::fault`].
    Fault,
    /// The component could not be compiled (see [`Error::compile_failure`]) or linked.
    Compile,
    /// The engine could not do its work (out of address space).
    Engine,
    /// Not now: disabled, replaced, failing too often, or no room (see [`Error::scarcity`]). Nothing of the plugin ran.
    Unavailable,
}

/// What went wrong, for people (`Display`) and for programs ([`Error::kind`] and the fields behind it).
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    subject: Option<Subject>,
    fault: Option<Fault>,
    compile: Option<CompileFailure>,
    refusal: Option<Refusal>,
    denials: Vec<Denial>,
    issues: Vec<Issue>,
    scarce: Option<Scarce>,
    outcomes: Vec<Outcome>,
    hurried: bool,
    by_client: bool,
    of_records: bool,
    retry_after_ms: Option<u64>,
}

impl Error {
    /// For branching.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose plugin it was, once that is known.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// What happened inside the plugin ([`ErrorKind::Fault`]).
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault.as_ref()
    }

    /// Whether it says something against the plugin: a fault, and not that somebody stopped it, or left it too little time.
    pub(crate) fn is_the_plugins_fault(&self) -> bool {
        !self.0.hurried && self.fault().is_some_and(|fault| !matches!(fault, Fault::Revoked | Fault::Cancelled | Fault::Callee { .. }))
    }

    /// What the end of a call says of its plugin: whether it faulted. Nothing where the plugin is not to blame and nothing of it answered either: there was
    /// no room, somebody stopped it, the host failed.
    #[inline]
    pub(crate) fn says_of_plugin(error: Option<&Self>) -> Option<bool> {
        match error {
            None => Some(false),
            Some(error) if error.is_the_plugins_fault() => Some(true),
            Some(error) => error.refusal().map(|_| false),
        }
    }

    /// Whether a call's time ran out ([`Fault::Deadline`]) while it waited, for half of it or more, for the client of the HTTP request that it
    /// answers: to send its body, or to read the answer. It says nothing against the plugin.
    pub fn is_for_the_client(&self) -> bool {
        self.0.by_client
    }

    pub(crate) fn by_client(mut self) -> Self {
        self.0.by_client = true;
        self
    }

    /// Of a call that spent most of its time waiting for a guest thread, or for its client.
    pub(crate) fn hurried(mut self) -> Self {
        self.0.hurried = true;
        self
    }

    /// Why there is no machine code ([`ErrorKind::Compile`]); `None` where linking failed.
    pub fn compile_failure(&self) -> Option<&CompileFailure> {
        self.0.compile.as_ref()
    }

    /// What the plugin answered ([`ErrorKind::Refusal`]).
    pub fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref()
    }

    /// Everything that was not permitted ([`ErrorKind::Refused`]): all at once, each with the line that would allow it.
    pub fn denials(&self) -> &[Denial] {
        &self.0.denials
    }

    /// Everything that was wrong with what was given ([`ErrorKind::Invalid`], [`ErrorKind::Manifest`]).
    pub fn issues(&self) -> &[Issue] {
        &self.0.issues
    }

    /// What there was too little of ([`ErrorKind::Unavailable`]).
    pub fn scarcity(&self) -> Option<&Scarce> {
        self.0.scarce.as_ref()
    }

    /// What each plugin of a dispatch did until it failed, in order; the last one is whose error this is.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.0.outcomes
    }

    /// At the end of a dispatch.
    pub(crate) fn after(mut self, outcomes: Vec<Outcome>) -> Self {
        self.0.outcomes = outcomes;
        self
    }

    /// When asking again may help ([`ErrorKind::Unavailable`]), where that is known: a plugin's breaker says so. Milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.0.retry_after_ms
    }

    pub(crate) fn retry_after(mut self, ms: u64) -> Self {
        self.0.retry_after_ms = Some(ms);
        self
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            subject: None,
            fault: None,
            compile: None,
            refusal: None,
            denials: Vec::new(),
            issues: Vec::new(),
            scarce: None,
            outcomes: Vec::new(),
            hurried: false,
            by_client: false,
            of_records: false,
            retry_after_ms: None,
        }))
    }

    pub(crate) fn scarce(scarce: Scarce) -> Self {
        let mut error = Self::new(ErrorKind::Unavailable, scarce.to_string());
        error.0.scarce = Some(scarce);
        error
    }

    pub(crate) fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{doing}: {error}"))
    }

    pub(crate) fn compile(digest: Digest, failure: CompileFailure) -> Self {
        let mut error = Self::new(ErrorKind::Compile, format!("cannot compile {digest}: {failure}"));
        error.0.compile = Some(failure);
        error
    }

    pub(crate) fn refused(message: impl Into<String>, denials: Vec<Denial>) -> Self {
        let mut error = Self::new(ErrorKind::Refused, message);
        error.0.denials = denials;
        error
    }

    pub(crate) fn invalid(kind: ErrorKind, message: impl Into<String>, issues: Vec<Issue>) -> Self {
        let mut error = Self::new(kind, message);
        error.0.issues = issues;
        error
    }

    /// Records that could not be kept or read.
    pub(crate) fn records(error: plugwork_core::record::RecordsError) -> Self {
        let mut error = Self::new(ErrorKind::Io, error.to_string());
        error.0.of_records = true;
        error
    }

    /// Whether it is the records that could not be kept or read: that says nothing of any plugin.
    pub(crate) fn is_of_records(&self) -> bool {
        self.0.of_records
    }

    /// A fault of the plugin as an error.
    pub fn from_fault(fault: Fault) -> Self {
        let mut error = Self::new(ErrorKind::Fault, "");
        error.0.fault = Some(fault);
        error
    }

    /// A refusal by the plugin as an error.
    pub fn from_refusal(refusal: Refusal) -> Self {
        let mut error = Self::new(ErrorKind::Refusal, "");
        error.0.refusal = Some(refusal);
        error
    }

    /// Something a caller of this library's callers gave that is wrong: for typed points built on the public API.
    pub fn from_issue(message: impl Into<String>, issue: Issue) -> Self {
        Self::invalid(ErrorKind::Invalid, message, vec![issue])
    }

    /// Says whose plugin it was, unless that is known already.
    pub fn of(mut self, subject: &Subject) -> Self {
        self.0.subject.get_or_insert_with(|| subject.clone());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        match (&inner.fault, &inner.refusal, &inner.subject) {
            (Some(fault), _, Some(subject)) => write!(f, "plugin `{subject}` {fault}"),
            (Some(fault), _, None) => fault.fmt(f),
            (_, Some(refusal), Some(subject)) => write!(f, "plugin `{subject}` refused: {refusal}"),
            (_, Some(refusal), None) => refusal.fmt(f),
            _ => f.write_str(&inner.message),
        }?;
        inner.denials.iter().try_for_each(|denial| write!(f, "\n  {}", denial.to_string().replace('\n', "\n  ")))?;
        inner.issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}
