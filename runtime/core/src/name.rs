//! Package names, `namespace:name`, in the grammar of WIT identifiers made strict: lower case ASCII only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// `namespace:name`; each part 1 to 64 characters, words of `a` to `z` and `0` to `9` joined by single `-`, beginning with a letter.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PackageName {
    text: Arc<str>,
    colon: usize,
}

impl PackageName {
    /// The part before the colon: who.
    pub fn namespace(&self) -> &str {
        &self.text[..self.colon]
    }

    /// The part after the colon: what.
    pub fn name(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// The whole, with the colon.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether the text is one part of a name: also the grammar of tables, steps and charts.
pub fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// The text was not a package name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAName(String);

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a package name: expected `namespace:name` in lower case words joined by `-`, such as `acme:markdown`",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for NotAName {}

impl FromStr for PackageName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some((namespace, name)) if is_label(namespace) && is_label(name) => Ok(Self { colon: namespace.len(), text: text.into() }),
            _ => Err(NotAName(text.chars().take(140).collect())),
        }
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        (*name.text).to_owned()
    }
}

impl TryFrom<String> for PackageName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_colon() {
        let name: PackageName = "acme:mark-down2".parse().unwrap();
        assert_eq!((name.namespace(), name.name()), ("acme", "mark-down2"));
    }

    #[test]
    fn refuses_what_a_path_or_a_lookalike_could_hide_in() {
        for bad in ["", "acme", "a:b:c", "../x:y", "Acme:x", "acme:x_y", "acme:-x", "acme:x-", "acme:a--b", "аcme:x", "acme:1x"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad}");
        }
        assert!(format!("a:{}", "b".repeat(64)).parse::<PackageName>().is_ok());
        assert!(format!("a:{}", "b".repeat(65)).parse::<PackageName>().is_err());
    }
}
