//! How a plugin says no: the types of `wit/plugin/refusal.wit`, constructors and conversions.
//!
//! The generated bindings lift and lower these very types, so their fields are the contract's, in its words. What a
//! *fault* is (a panic) lives in `panic`. One thing to know: `?` on an I/O or parse error makes it a refusal without a
//! place; say the place with [`Refusal::invalid`] or [`ResultExt::at`] where the caller could correct something.

use std::fmt;

/// The answer instead of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not permitted; asking again changes nothing.
    Denied(Denial),
    /// The input or an option is wrong; asking again with the same input changes nothing.
    Invalid(Issue),
    /// Not now: something outside did not answer. Asking again may help.
    Unavailable(String),
    /// The plugin failed.
    Other(Problem),
}

/// Something was not permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Stable and for machines, such as `E-CAP-HTTP-HOST`; at most 64 bytes.
    pub code: String,
    /// The interface or permission that was needed, such as `plugwork:host/fetch`.
    pub permission: String,
    /// The rule that decided, in words.
    pub rule: String,
    /// The one line that would allow it; may be empty.
    pub hint: String,
}

/// Something given was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What is wrong, such as `not a number`.
    pub what: String,
    /// Where: an option's path (`/window-hours`), or ``row 12, column `mag` ``; may be empty.
    pub at: String,
    /// What would have been right, such as `a number above 0`; may be empty.
    pub expected: String,
}

/// Anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One line, for people.
    pub message: String,
    /// Stack trace or detail; may be empty; readers keep the first 16 KiB.
    pub stack: String,
}

/// What every function of a point answers.
pub type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    /// The input or an option is wrong: `what` is wrong, `at` which place (may be empty), and what was `expected`
    /// (may be empty).
    ///
    /// ```
    /// # use plugwork_guest::Refusal;
    /// let refusal = Refusal::invalid("not a number", "row 12, column `mag`", "a number such as 4.5");
    /// assert_eq!(refusal.to_string(), "row 12, column `mag`: not a number; expected a number such as 4.5");
    /// ```
    pub fn invalid(what: impl Into<String>, at: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Invalid(Issue { what: what.into(), at: at.into(), expected: expected.into() })
    }

    /// Something outside did not answer; asking again may help.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable(message.into())
    }

    /// The plugin itself failed, and no change of input would help.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other(Problem { message: message.into(), stack: String::new() })
    }

    /// The same refusal with `at` put before its place, so that each layer adds what it knows: a parser knows the
    /// column, its caller the row. Only `invalid` has a place; the others are answered unchanged.
    #[must_use]
    pub fn at(self, at: impl fmt::Display) -> Self {
        match self {
            Self::Invalid(issue) => {
                let place = if issue.at.is_empty() { at.to_string() } else { format!("{at}, {}", issue.at) };
                Self::Invalid(Issue { at: place, ..issue })
            }
            other => other,
        }
    }
}

/// Adds a place to the refusal inside a `Result`.
pub trait ResultExt<T> {
    /// As [`Refusal::at`], where there is one; any other error becomes a refusal first.
    fn at(self, at: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Refusal>> ResultExt<T> for Result<T, E> {
    fn at(self, at: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().at(at))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => write!(out, "`{}` was denied: {}", denial.permission, denial.rule),
            Self::Invalid(Issue { what, at, expected }) => {
                let (colon, semicolon) = (if at.is_empty() { "" } else { ": " }, if expected.is_empty() { "" } else { "; expected " });
                write!(out, "{at}{colon}{what}{semicolon}{expected}")
            }
            Self::Unavailable(message) => out.write_str(message),
            Self::Other(problem) => out.write_str(&problem.message),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<std::io::Error> for Refusal {
    /// What was not found, not allowed or not text is the caller's to correct (`invalid`); an interruption is worth
    /// another try (`unavailable`); the rest is `other`.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        match error.kind() {
            NotFound => Self::invalid("file not found", "", "a path below the granted folder"),
            PermissionDenied => Self::invalid(error.to_string(), "", "a path that the grant covers"),
            InvalidInput | InvalidData | UnexpectedEof | IsADirectory | NotADirectory => Self::invalid(error.to_string(), "", ""),
            Interrupted | TimedOut | WouldBlock | ResourceBusy => Self::unavailable(error.to_string()),
            _ => Self::other(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Io => Self::other(error.to_string()),
            _ => Self::invalid(error.to_string(), "", "JSON"),
        }
    }
}

impl From<fmt::Error> for Refusal {
    fn from(error: fmt::Error) -> Self {
        Self::other(error.to_string())
    }
}

impl From<plugwork_core::table::TableError> for Refusal {
    fn from(error: plugwork_core::table::TableError) -> Self {
        Self::invalid(error.to_string(), "", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_the_outside_in() {
        let inner: Result<()> = Err(Refusal::invalid("not a number", "column `mag`", ""));
        let outer = inner.at("row 3").at("`week.json`").unwrap_err();
        assert_eq!(outer.to_string(), "`week.json`, row 3, column `mag`: not a number");
    }

    #[test]
    fn a_missing_file_is_the_callers_to_correct() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(matches!(Refusal::from(error), Refusal::Invalid(_)));
    }
}
