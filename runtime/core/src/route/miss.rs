//! Why no route answers a request. Each has its status: 400, 400, 404, 405.

use std::fmt;

/// What a path had that no path may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadPath {
    /// It does not begin with `/`.
    NotAbsolute,
    /// It is longer than [`super::PATH_BYTES_MAX`].
    TooLong,
    /// It has more than [`super::PATH_SEGMENTS_MAX`] segments.
    TooDeep,
    /// `//`: nothing between two separators, encoded ones among them.
    EmptySegment,
    /// A segment that is `.` or `..`, however it is written; also between encoded separators.
    DotSegment,
    /// `%` without two hexadecimal digits.
    Percent,
    /// `\`, however it is written: some readers take it for a `/`.
    Backslash,
    /// Bytes that are not UTF-8 once decoded.
    Utf8,
    /// A zero byte, however it is written.
    Nul,
    /// A character that no path carries as it is: a control character, a space, `?`, `#`.
    Character,
}

/// Why no route answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// The path is refused, not tidied up: 400.
    BadPath(BadPath),
    /// The host is none: 400.
    BadHost,
    /// No route matches: 404.
    NotFound,
    /// Routes match, for other methods: 405. Sorted, for `allow`.
    MethodNotAllowed(Vec<String>),
}

impl Miss {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadPath(_) | Self::BadHost => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
        }
    }

    /// Stable, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadPath(_) => "E-HTTP-PATH",
            Self::BadHost => "E-HTTP-HOST",
            Self::NotFound => "E-HTTP-NOT-FOUND",
            Self::MethodNotAllowed(_) => "E-HTTP-METHOD",
        }
    }
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "the path does not begin with `/`",
            Self::TooLong => "the path is too long",
            Self::TooDeep => "the path has too many segments",
            Self::EmptySegment => "the path has `//`",
            Self::DotSegment => "the path has a segment `.` or `..`",
            Self::Percent => "the path has a `%` without two hexadecimal digits",
            Self::Backslash => "the path has a `\\`",
            Self::Utf8 => "the path is not UTF-8",
            Self::Nul => "the path has a zero byte",
            Self::Character => "the path has a character that must be encoded",
        })
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPath(why) => why.fmt(f),
            Self::BadHost => f.write_str("the host is not a name, an address or one of them with a port"),
            Self::NotFound => f.write_str("no route matches"),
            Self::MethodNotAllowed(methods) => write!(f, "the method is not one of {}", methods.join(", ")),
        }
    }
}

impl std::error::Error for Miss {}
