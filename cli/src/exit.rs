//! How the command ends: a message, a hint, and the exit code that scripts may rely on.

use std::fmt;
use std::process::ExitCode;

use plugwork::{Error, ErrorKind};
use plugwork_core::Issue;
use plugwork_core::record::RecordsError;

/// Shown under `--help`.
pub(crate) const HELP: &str =
    "Exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy or consent, 4 not found, 5 unreachable, 130 interrupted.";

/// Why the command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Something failed.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// What was given makes no sense.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// What was written makes no sense, for all these reasons.
    pub(crate) fn wrong(what: impl fmt::Display, issues: &[Issue]) -> Self {
        let lines: String = issues.iter().map(|issue| format!("\n  {issue}")).collect();
        Self::usage(format_args!("{what} is wrong:{lines}"))
    }

    /// Policy or consent said no.
    pub(crate) fn refused(message: impl fmt::Display) -> Self {
        Self { code: 3, message: message.to_string() }
    }

    /// It is not there.
    pub(crate) fn not_found(message: impl fmt::Display) -> Self {
        Self { code: 4, message: message.to_string() }
    }

    /// Ctrl-C.
    pub(crate) fn interrupted(message: impl fmt::Display) -> Self {
        Self { code: 130, message: message.to_string() }
    }

    /// With what was being done in front.
    pub(crate) fn while_doing(self, doing: impl fmt::Display) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }

    /// It did not answer.
    pub(crate) fn unreachable(message: impl fmt::Display) -> Self {
        Self { code: 5, message: message.to_string() }
    }

    /// Whether a grant that is missing may be the cause: not where policy said so itself, nor where something was reached and did not answer.
    pub(crate) fn may_lack_a_grant(&self) -> bool {
        !matches!(self.code, 3 | 5)
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match (error.kind(), error.refusal()) {
            (_, Some(plugwork::Refusal::Denied(_))) => return Self::refused(error),
            (_, Some(plugwork::Refusal::Unavailable { .. })) => return Self::unreachable(error),
            _ => {}
        }
        match error.kind() {
            ErrorKind::Refused => Self::refused(error),
            ErrorKind::Invalid => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Busy { .. } => Self::unreachable(error),
            RecordsError::Broken(ref broken) => Self::failed(format_args!(
                "{error}\nhint: look from there on with `plugwork audit ls --after {}`; restore the state folder from a backup, or consent anew in \
                 another one (`--state FOLDER`)",
                broken.sequence.saturating_sub(1)
            )),
            _ => Self::failed(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::not_found(error),
            _ => Self::failed(error),
        }
    }
}

impl Failure {
    /// Several failures as one, told together; the code is that of the gravest: refused before the rest.
    pub(crate) fn worst(failures: &[Self]) -> Self {
        let message: Vec<_> = failures.iter().map(|failure| failure.message.clone()).collect();
        const GRAVEST_FIRST: [u8; 5] = [3, 2, 4, 5, 1];
        let code = GRAVEST_FIRST.into_iter().find(|code| failures.iter().any(|failure| failure.code == *code)).unwrap_or(1);
        Self { code, message: message.join("\n") }
    }
}
