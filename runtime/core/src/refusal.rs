//! How a plugin or a host says no: the Rust side of `plugwork:plugin/refusal`.
//!
//! Hosts and points convert their generated types to these, so that one type travels through a program.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something was not permitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Stable, for machines, such as `E-CAP-HTTP-HOST`.
    pub code: String,
    /// The interface or permission that was needed.
    pub permission: String,
    /// The rule that decided, in words.
    pub rule: String,
    /// The one line that would allow it; may be empty.
    pub hint: String,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied `{}` ({}): {}", self.permission, self.code, self.rule)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Something given was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// What is wrong.
    pub what: String,
    /// Where; may be empty.
    pub at: String,
    /// What would have been right.
    pub expected: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.what)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

/// Anything else: usually an exception that the guest SDK caught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// One line, for people.
    pub message: String,
    /// Stack trace or detail; may be empty.
    pub stack: String,
}

/// The answer instead of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refusal {
    /// Not permitted.
    Denied(Denial),
    /// The input or an option is wrong.
    Invalid(Issue),
    /// Not now.
    Unavailable {
        /// Why, for people.
        reason: String,
    },
    /// The plugin failed.
    Other(Problem),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => denial.fmt(f),
            Self::Invalid(issue) => issue.fmt(f),
            Self::Unavailable { reason } => write!(f, "unavailable: {reason}"),
            Self::Other(problem) => {
                f.write_str(&problem.message)?;
                problem.stack.lines().take(24).try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}

impl std::error::Error for Refusal {}
