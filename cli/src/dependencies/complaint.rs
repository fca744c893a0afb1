//! Why there is no answer: the sentences of the resolver with its hints, a code that is stable, and the same as JSON.

use std::path::Path;

use plugwork_core::Issue;
use plugwork_core::resolve::ResolveError;
use plugwork_core::startup::Cycle;
use serde::Serialize;

use crate::exit::Failure;
use crate::print;

/// Why there is no answer. In JSON this is all that is printed, as `error`.
#[derive(Debug, Serialize)]
pub(crate) struct Complaint {
    /// Stable; none where it was not the resolver that failed.
    code: Option<&'static str>,
    /// In a line.
    message: String,
    /// What together makes it so.
    reasons: Vec<String>,
    /// What would help.
    hints: Vec<String>,
    #[serde(skip)]
    failure: Failure,
}

#[derive(Serialize)]
struct Document<'a> {
    error: &'a Complaint,
}

impl Complaint {
    /// The code of a lock that does not fit. The others are those of `plugwork_core`.
    pub(crate) const MISFIT: &'static str = "E-LOCK-MISFIT";

    /// The resolver's own. `more` are hints for where a plugin was not found at all.
    pub(super) fn of(error: &ResolveError, more: Vec<String>) -> Self {
        let (reasons, mut hints): (Vec<String>, Vec<String>) = match error {
            ResolveError::Roots(issues) => (issues.iter().map(ToString::to_string).collect(), Vec::new()),
            ResolveError::Conflict(conflict) => (conflict.reasons.clone(), conflict.ways_out.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        let mut text = error.to_string();
        if reasons.iter().any(|reason| reason.contains(": there is no ") || reason.contains(", which no")) {
            more.iter().for_each(|hint| text.push_str(&format!("\nhint: {hint}")));
            hints.extend(more);
        }
        let failure = if matches!(error, ResolveError::Roots(_)) { Failure::usage(&text) } else { Failure::failed(&text) };
        Self { code: Some(error.code()), message: super::first_line(&text), reasons, hints, failure }
    }

    /// What is wrong with what was named.
    pub(super) fn roots(issues: &[Issue]) -> Self {
        Self::of(&ResolveError::Roots(issues.to_vec()), Vec::new())
    }

    /// Plugins that wait for each other.
    pub(crate) fn cycle(cycle: &Cycle) -> Self {
        let text = cycle.to_string();
        let (message, hints) =
            text.split_once("\nhint: ").map_or((text.as_str(), Vec::new()), |(message, hint)| (message, vec![hint.to_owned()]));
        let reasons = cycle.plugins.iter().map(ToString::to_string).collect();
        let failure = Failure::failed(&text);
        Self { code: Some(Cycle::CODE), message: message.to_owned(), reasons, hints, failure }
    }

    /// A lock that does not fit.
    pub(crate) fn misfits(path: &Path, misfits: &[Issue]) -> Self {
        let reasons: Vec<String> = misfits.iter().map(ToString::to_string).collect();
        let message = format!("`{}` does not fit", path.display());
        let hint = "resolve with `--write`: what still fits stays as it is";
        let lines: String = reasons.iter().map(|reason| format!("\n  {reason}")).collect();
        let failure = Failure::failed(format_args!("{message}:{lines}\nhint: {hint}"));
        Self { code: Some(Self::MISFIT), message, reasons, hints: vec![hint.to_owned()], failure }
    }

    /// Prints it as JSON if that is wanted; in either case it is how the command ends.
    pub(crate) fn told(self, json: bool) -> Failure {
        if json {
            print::json(&Document { error: &self });
        }
        self.failure
    }
}

impl From<Failure> for Complaint {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        let hints = text.lines().filter_map(|line| line.strip_prefix("hint: ")).map(str::to_owned).collect();
        Self { code: None, message: super::first_line(&text), reasons: Vec::new(), hints, failure }
    }
}
