//! Why a build failed: one opaque error with a kind, a message, an optional hint and the failing tool's own words.
//!
//! Nothing is printed here. `Display` gives everything a person needs, the tool's output included; `kind()` is for branching.

use std::fmt;
use std::path::Path;

/// What sort of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `plugin.toml` is missing, cannot be read, or says something that cannot be.
    Manifest,
    /// The WIT is wrong, or an interface that the manifest names is nowhere in it.
    World,
    /// A tool that the language needs is not installed.
    ToolMissing,
    /// A tool ran and failed: usually the author's own compile error.
    ToolFailed,
    /// A tool's result is no component, or not the component that the manifest describes.
    Component,
    /// A file could not be read or written.
    Io,
}

/// A build that failed. `Display` is several lines where a tool had something to say.
pub struct BuildError(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    output: String,
    hint: String,
}

impl BuildError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), output: String::new(), hint: String::new() }))
    }

    pub(crate) fn manifest(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Manifest, message)
    }

    pub(crate) fn world(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::World, message)
    }

    pub(crate) fn component(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Component, message)
    }

    /// `tool` is what was not found, `hint` the one line that installs it.
    pub(crate) fn tool_missing(tool: &str, hint: impl Into<String>) -> Self {
        Self::new(ErrorKind::ToolMissing, format!("`{tool}` is not installed")).hint(hint)
    }

    /// `command` as a person would type it, `output` what the tool said (its standard error, whole).
    pub(crate) fn tool_failed(command: &str, output: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::ToolFailed, format!("`{command}` failed"));
        error.0.output = output.into();
        error
    }

    /// `doing` completes the sentence `cannot … <path>`, such as `read`.
    pub(crate) fn io(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {doing} `{}`: {error}", path.display()))
    }

    /// Adds the one line that says what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Puts the project in front of the message, once.
    #[must_use]
    pub(crate) fn about(mut self, project: &str) -> Self {
        self.0.message = format!("cannot build `{project}`: {}", self.0.message);
        self
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The failing tool's own words; empty where no tool was involved. At most 256 KiB.
    pub fn output(&self) -> &str {
        &self.0.output
    }

    /// What to do about it; may be empty.
    pub fn hint_text(&self) -> &str {
        &self.0.hint
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !self.0.output.is_empty() {
            write!(f, "\n{}", self.0.output.trim_end())?;
        }
        if !self.0.hint.is_empty() {
            write!(f, "\nhint: {}", self.0.hint)?;
        }
        Ok(())
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for BuildError {}
