//! Path patterns: `/users/{id}/posts`, `/static/{*rest}`.
//!
//! What a reader may get wrong: a pattern is written decoded. `/a b` matches a request for `/a%20b`; a `%` in a pattern is refused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::request::PATH_SEGMENTS_MAX;
use crate::Issue;
use crate::text::is_unseen;

/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Methods that a route may name.
pub const METHODS_MAX: usize = 16;

/// One part of a pattern, between two `/`. In the order of their rank.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text. Empty at the end of a pattern that ends with `/`.
    Literal(String),
    /// Any text but none, by this name.
    Parameter(String),
    /// Whatever follows the `/`, by this name; may be empty. Takes no segment with an encoded separator: in its value that would look like one.
    Rest(String),
}

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PathPattern(Vec<Segment>);

impl PathPattern {
    /// Its parts; at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl FromStr for PathPattern {
    type Err = Issue;

    fn from_str(text: &str) -> Result<Self, Issue> {
        let refused = |what: String| Issue {
            what,
            at: String::new(),
            expected: "a path such as `/`, `/users/{id}` or `/static/{*rest}`, decoded".to_owned(),
        };
        let shown: String = text.chars().take(80).collect();
        let shown = shown.escape_debug();
        if text.len() > PATTERN_BYTES_MAX {
            return Err(refused(format!("a pattern of {} bytes; at most {PATTERN_BYTES_MAX} are allowed", text.len())));
        }
        let Some(rest) = text.strip_prefix('/') else { return Err(refused(format!("`{shown}` does not begin with `/`"))) };
        let parts: Vec<&str> = rest.split('/').collect();
        if parts.len() > PATH_SEGMENTS_MAX {
            return Err(refused(format!("`{shown}` has {} segments; at most {PATH_SEGMENTS_MAX} are allowed", parts.len())));
        }
        let mut segments = Vec::with_capacity(parts.len());
        let mut names = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            let segment = match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(inner) => match inner.strip_prefix('*') {
                    Some(_) if !is_last => return Err(refused(format!("`{shown}` goes on behind `{part}`"))),
                    Some(name) => Segment::Rest(name.to_owned()),
                    None => Segment::Parameter(inner.to_owned()),
                },
                None => Segment::Literal((*part).to_owned()),
            };
            match &segment {
                Segment::Literal(text) if text.is_empty() && !is_last => return Err(refused(format!("`{shown}` has `//`"))),
                Segment::Literal(text) if text == "." || text == ".." => return Err(refused(format!("`{shown}` has a segment `{text}`"))),
                Segment::Literal(text) => {
                    if let Some(letter) = text.chars().find(|&letter| !is_plain(letter)) {
                        return Err(refused(format!("`{shown}` has `{}` in a segment", letter.escape_debug())));
                    }
                }
                Segment::Parameter(name) | Segment::Rest(name) => {
                    if !is_parameter(name) {
                        return Err(refused(format!("`{shown}`: `{}` is not a parameter's name", name.escape_debug())));
                    }
                    if names.contains(name) {
                        return Err(refused(format!("`{shown}` has `{{{name}}}` twice")));
                    }
                    names.push(name.clone());
                }
            }
            segments.push(segment);
        }
        Ok(Self(segments))
    }
}

/// What a literal segment may have: what looks like a parameter, an encoding, a query or nothing at all is a mistake.
fn is_plain(letter: char) -> bool {
    !matches!(letter, '{' | '}' | '*' | '%' | '?' | '#' | '\\') && !letter.is_control() && !is_unseen(letter)
}

fn is_parameter(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether the text can be a method of a route: a token in upper case (RFC 9110, 9.1). `CONNECT` asks for a tunnel and `TRACE` for an echo of what a
/// page may not see; neither is given to a plugin.
pub fn is_method(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'-' | b'_'))
        && text != "CONNECT"
        && text != "TRACE"
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{*{name}}}"),
        })
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.to_string()
    }
}

impl TryFrom<String> for PathPattern {
    type Error = Issue;

    fn try_from(text: String) -> Result<Self, Issue> {
        text.parse()
    }
}
