//! Hosts: what a route may say of them, and how the host of a request is read.
//!
//! What a reader may get wrong: `*.example.com` is any name below, at any depth, and not `example.com` itself, as in the bounds of `http` grants.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Issue;

/// Bytes of a host's name, as DNS has it.
pub const HOST_BYTES_MAX: usize = 253;

/// Which hosts a route answers for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum HostRule {
    /// This one; lower case, an IPv6 address in brackets.
    Exact(String),
    /// Every name below this one.
    Below(String),
    /// Whatever the request says, and also where it says nothing.
    #[default]
    Any,
}

impl HostRule {
    /// Whether a host, as [`request_host`] gives it, is meant.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(parent) => host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            Self::Any => true,
        }
    }
}

impl HostRule {
    /// Whether there is a host that both name. Any host is none by name.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => false,
            (Self::Exact(one), other) | (other, Self::Exact(one)) => other.matches(one),
            (Self::Below(one), Self::Below(other)) => one == other || self.matches(other) || Self::Below(other.clone()).matches(one),
        }
    }
}

impl FromStr for HostRule {
    type Err = Issue;

    fn from_str(text: &str) -> Result<Self, Issue> {
        let rule = match text.strip_prefix("*.") {
            Some(parent) if is_name(parent) && parent.parse::<Ipv4Addr>().is_err() => Some(Self::Below(parent.to_owned())),
            None if text == "*" => Some(Self::Any),
            // A port in a rule would never match: ports are not looked at.
            None if is_name(text) || is_bracketed(text) => Some(Self::Exact(text.to_owned())),
            _ => None,
        };
        rule.ok_or_else(|| Issue {
            what: format!("`{}` is not a host", text.chars().take(80).collect::<String>().escape_debug()),
            at: String::new(),
            expected: "`example.com`, `*.example.com` or `*`, in lower case, without scheme and port".to_owned(),
        })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl From<HostRule> for String {
    fn from(rule: HostRule) -> Self {
        rule.to_string()
    }
}

impl TryFrom<String> for HostRule {
    type Error = Issue;

    fn try_from(text: String) -> Result<Self, Issue> {
        text.parse()
    }
}

/// The host of a request's authority: lower case, without port and without the dot at the end. Empty where there is none, which only
/// [`HostRule::Any`] answers. `None`: it is no host; a name with a user before it is none either.
pub fn request_host(authority: &str) -> Option<Cow<'_, str>> {
    if authority.is_empty() {
        return Some(Cow::Borrowed(""));
    }
    let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, after))) => (&authority[..address.len() + 2], after.strip_prefix(':').or(after.is_empty().then_some(""))?),
        Some(None) => return None,
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.is_empty() && port.parse::<u16>().is_err() {
        return None;
    }
    if host.starts_with('[') {
        let address: Ipv6Addr = host[1..host.len() - 1].parse().ok()?;
        // One spelling for one address.
        return Some(Cow::Owned(format!("[{address}]")));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) };
    is_name(&host).then_some(host)
}

/// Labels of letters, digits, `-` and `_`, none empty; IPv4 addresses among them.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    text.len() <= HOST_BYTES_MAX && text.split('.').all(is_label)
}

/// An IPv6 address in brackets, in its shortest form.
fn is_bracketed(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    address.and_then(|address| address.parse::<Ipv6Addr>().ok()).is_some_and(|address| text == format!("[{address}]"))
}
