//! Patterns of hosts, as they stand in grants of `http` and `secrets`.
//!
//! A pattern is judged against a name or an address that was parsed already; a name below another never means an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::http::RequestFacts;

/// `example.com`, `*.example.com` (any name below it, not itself), `*` (any), each with an optional `:port`, and an optional
/// `http://` or `https://` in front. Without a scheme: https anywhere, http only with a port or on an address. Without a port: the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HostPattern {
    scheme: Option<Scheme>,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    Below(String),
    Exactly(String),
}

/// The two schemes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// 80 or 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Http { "http" } else { "https" })
    }
}

impl HostPattern {
    /// Whether a request to this place fits.
    pub fn matches(&self, facts: &RequestFacts<'_>) -> bool {
        let is_address = facts.host.parse::<IpAddr>().is_ok();
        self.port(facts.scheme, is_address) == Some(facts.port)
            && match &self.host {
                Host::Any => true,
                Host::Exactly(host) => host == facts.host,
                Host::Below(parent) => !is_address && is_below(facts.host, parent),
            }
    }

    /// Whether everything that `narrower` matches, `self` matches.
    pub fn covers(&self, narrower: &Self) -> bool {
        let host_fits = match (&self.host, &narrower.host) {
            (Host::Any, _) => true,
            (Host::Below(parent), Host::Exactly(host)) => is_below(host, parent),
            (Host::Below(parent), Host::Below(host)) => host == parent || is_below(host, parent),
            (Host::Exactly(mine), Host::Exactly(other)) => mine == other,
            (Host::Exactly(_) | Host::Below(_), Host::Any) | (Host::Exactly(_), Host::Below(_)) => false,
        };
        // Whether a host is an address decides over clear text, so each kind that the narrower one can match is asked for.
        let kinds: &[bool] = match &narrower.host {
            Host::Any => &[false, true],
            Host::Below(_) => &[false],
            Host::Exactly(host) => &[host.parse::<IpAddr>().is_ok()],
        };
        host_fits
            && kinds.iter().all(|is_address| {
                [Scheme::Http, Scheme::Https].into_iter().all(|scheme| {
                    let port = narrower.port(scheme, *is_address);
                    port.is_none() || port == self.port(scheme, *is_address)
                })
            })
    }

    /// Whether a plugin that asks for this pattern asks for the other. In a manifest a bare `*` asks for whatever the host will name,
    /// clear text and any port too; in a grant it opens https only.
    pub(super) fn asks_for(&self, granted: &Self) -> bool {
        (self.host == Host::Any && self.port.is_none() && self.scheme.is_none()) || self.covers(granted)
    }

    /// The one port that the pattern opens for a scheme, if any.
    fn port(&self, scheme: Scheme, is_address: bool) -> Option<u16> {
        let opens = match self.scheme {
            Some(mine) => mine == scheme,
            None => scheme == Scheme::Https || self.port.is_some() || is_address,
        };
        opens.then(|| self.port.unwrap_or_else(|| scheme.default_port()))
    }
}

fn read_port(text: &str) -> Option<u16> {
    let written = |port: &u16| port.to_string() == text;
    text.parse().ok().filter(|port| *port != 0).filter(written)
}

/// Whether the text is a name and nothing that a browser would read as an address: those end in a number.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_none_or(is_number)
}

fn is_below(host: &str, parent: &str) -> bool {
    host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = || {
            format!(
                "`{text}` is not a host pattern: expected `example.com`, `*.example.com` or `*`, with `:port` or `https://` where wanted"
            )
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(refused()),
            None => (None, text.as_str()),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or_else(refused)?;
                let address: Ipv6Addr = address.parse().map_err(|_| refused())?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(refused)?) };
                (Host::Exactly(address.to_string()), port)
            }
            None => {
                let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
                let host = match host.strip_prefix("*.") {
                    Some(parent) if is_name(parent) => Host::Below(parent.to_owned()),
                    None if host == "*" => Host::Any,
                    None if is_name(host) || host.parse::<Ipv4Addr>().is_ok() => Host::Exactly(host.to_owned()),
                    _ => return Err(refused()),
                };
                (host, port)
            }
        };
        let port = match port {
            None => None,
            Some(port) => Some(read_port(port).ok_or_else(refused)?),
        };
        Ok(Self { scheme, host, port })
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        let scheme = pattern.scheme.map_or(String::new(), |scheme| format!("{scheme}://"));
        let host = match pattern.host {
            Host::Any => "*".to_owned(),
            Host::Below(parent) => format!("*.{parent}"),
            Host::Exactly(host) if host.contains(':') => format!("[{host}]"),
            Host::Exactly(host) => host,
        };
        let port = pattern.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{scheme}{host}{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        HostPattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn patterns_cover_only_what_is_narrower() {
        for (asked, granted, fits) in [
            ("*", "http://10.0.0.1:81", false),
            ("*", "example.com", true),
            ("*", "10.0.0.1", true),
            ("*", "http://example.com", false),
            ("*:81", "http://10.0.0.1:81", true),
            ("*:80", "http://*", true),
            ("http://*", "*:80", false),
            ("example.com", "http://example.com", false),
            ("10.0.0.1", "http://10.0.0.1", true),
            ("http://*", "*", false),
            ("https://*", "*", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "*.a.example.com", true),
            ("*.example.com", "example.com", false),
            ("example.com", "*.example.com", false),
            ("example.com", "example.com:81", false),
            ("https://example.com", "example.com", true),
            ("example.com", "https://example.com", true),
        ] {
            assert_eq!(pattern(asked).covers(&pattern(granted)), fits, "{asked} {granted}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_pattern() {
        for bad in
            ["", "http://", "ftp://x", "a b", "*.*", "x*", "Example.com", "x:0", "x:99999", "user@x", "x/path", "[::1", "-x.com", "a..b"]
        {
            assert!(HostPattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for good in ["*", "*:8080", "https://*.x.y:1", "[::1]:8080", "10.0.0.1"] {
            assert_eq!(String::from(pattern(good)), good);
        }
    }
}
