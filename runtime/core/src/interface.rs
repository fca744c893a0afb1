//! Names of WIT interfaces: `namespace:package/interface@version`.
//!
//! Versions match as the component model's linker matches them: same major, or same minor below 1.0, or same patch below 0.1.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Serialize};

/// A WIT interface, with or without its version.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InterfaceName {
    path: Arc<str>,
    version: Option<Version>,
}

impl InterfaceName {
    /// `namespace:package/interface`, without the version: the key of the tables in [`crate::reach`].
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `namespace:package`.
    pub fn package(&self) -> &str {
        self.path.split_once('/').map_or(&self.path, |(package, _)| package)
    }

    /// The last part.
    pub fn interface(&self) -> &str {
        self.path.split_once('/').map_or("", |(_, interface)| interface)
    }

    /// The version after `@`.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Whether something made for `self` can be satisfied by `offered`: same path, and versions on the same compatible track.
    /// A missing version on either side matches any. Pre-releases match only themselves.
    pub fn is_satisfied_by(&self, offered: &Self) -> bool {
        self.path == offered.path
            && match (&self.version, &offered.version) {
                (Some(asked), Some(has)) => same_track(asked, has),
                _ => true,
            }
    }
}

fn same_track(a: &Version, b: &Version) -> bool {
    if !a.pre.is_empty() || !b.pre.is_empty() {
        return a == b;
    }
    match (a.major, a.minor) {
        (0, 0) => (b.major, b.minor, b.patch) == (0, 0, a.patch),
        (0, minor) => (b.major, b.minor) == (0, minor),
        (major, _) => b.major == major,
    }
}

/// The text was not an interface name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnInterface(String);

impl fmt::Display for NotAnInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not an interface name: expected `namespace:package/interface@version`, such as `wasi:http/types@0.2.6`",
            self.0.escape_debug()
        )
    }
}

impl std::error::Error for NotAnInterface {}

impl FromStr for InterfaceName {
    type Err = NotAnInterface;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || NotAnInterface(text.chars().take(200).collect());
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(Version::parse(version).map_err(|_| refused())?)),
            None => (text, None),
        };
        let (package, interface) = path.split_once('/').ok_or_else(refused)?;
        let (namespace, package) = package.split_once(':').ok_or_else(refused)?;
        let word = |word: &str| {
            !word.is_empty()
                && word.len() <= 128
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && word.starts_with(|first: char| first.is_ascii_alphabetic())
        };
        if word(namespace) && word(package) && word(interface) { Ok(Self { path: path.into(), version }) } else { Err(refused()) }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = NotAnInterface;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> InterfaceName {
        text.parse().unwrap()
    }

    #[test]
    fn takes_a_name_apart() {
        let http = name("wasi:http/outgoing-handler@0.2.6");
        assert_eq!((http.package(), http.interface()), ("wasi:http", "outgoing-handler"));
        assert_eq!(http.to_string(), "wasi:http/outgoing-handler@0.2.6");
    }

    #[test]
    fn versions_match_on_one_track_only() {
        let asks = name("a:b/c@0.2.1");
        assert!(asks.is_satisfied_by(&name("a:b/c@0.2.6")));
        assert!(asks.is_satisfied_by(&name("a:b/c")));
        for other in ["a:b/c@0.3.0", "a:b/c@1.2.1", "a:b/c@0.2.1-rc.1", "a:b/d@0.2.1"] {
            assert!(!asks.is_satisfied_by(&name(other)), "{other}");
        }
        assert!(name("a:b/c@1.0.0").is_satisfied_by(&name("a:b/c@1.9.0")));
        assert!(!name("a:b/c@0.0.1").is_satisfied_by(&name("a:b/c@0.0.2")));
    }

    #[test]
    fn refuses_what_is_not_a_name() {
        for bad in ["", "a:b", "a/b", "a:b/c@1", "a:b/c@x", "a:b/", ":b/c", "a:b/c d"] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad}");
        }
    }
}
