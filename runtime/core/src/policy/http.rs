//! Outgoing HTTP: which hosts, which methods, which addresses.
//!
//! Two decisions: one on the request before any name is resolved, one on each address before it is dialled. A name
//! that is allowed does not make a private address allowed.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::network::is_public;
use super::{Decision, Network};

/// The bounds of the `http` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpBounds {
    /// Which hosts; at least one.
    pub hosts: Vec<HostPattern>,
    /// Which methods, upper case. Default: `GET` and `HEAD`.
    #[serde(default = "reading_methods")]
    pub methods: Vec<String>,
    /// Private, loopback and other special address ranges that may be dialled all the same. Default: none.
    #[serde(default)]
    pub networks: Vec<Network>,
}

fn reading_methods() -> Vec<String> {
    vec!["GET".to_owned(), "HEAD".to_owned()]
}

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

/// What is known of a request before a name is resolved.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The scheme of the URL.
    pub scheme: Scheme,
    /// The host of the URL: a name without trailing dot in lower case, or an address without brackets.
    pub host: &'a str,
    /// The port that will be dialled.
    pub port: u16,
    /// Upper case.
    pub method: &'a str,
}

impl HttpBounds {
    /// Whether the request may be made at all.
    pub fn decide_request(&self, facts: &RequestFacts<'_>) -> Decision {
        if !self.methods.iter().any(|method| method == facts.method || method == "*") {
            return Decision::Deny {
                code: "E-CAP-HTTP-METHOD",
                rule: format!("method `{}` is not granted", facts.method),
                hint: format!("methods = [\"{}\"]", facts.method),
            };
        }
        if self.hosts.iter().any(|pattern| pattern.matches(facts)) {
            return Decision::Allow;
        }
        let port = if facts.port == facts.scheme.default_port() { String::new() } else { format!(":{}", facts.port) };
        let host = if facts.host.contains(':') { format!("[{}]", facts.host) } else { facts.host.to_owned() };
        Decision::Deny {
            code: "E-CAP-HTTP-HOST",
            rule: format!("`{}://{host}{port}` is not among the granted hosts", facts.scheme),
            hint: format!("hosts = [\"{}://{host}{port}\"]", facts.scheme),
        }
    }

    /// Whether an address may be dialled, whatever name led to it.
    pub fn decide_address(&self, address: IpAddr) -> Decision {
        if is_public(address) || self.networks.iter().any(|network| network.contains(address)) {
            return Decision::Allow;
        }
        Decision::Deny {
            code: "E-CAP-HTTP-ADDRESS",
            rule: format!("address {address} is private, loopback or otherwise special, and no granted network names it"),
            hint: format!("networks = [\"{}\"]", address.to_canonical()),
        }
    }
}

impl HostPattern {
    fn matches(&self, facts: &RequestFacts<'_>) -> bool {
        let scheme_fits = match self.scheme {
            Some(scheme) => scheme == facts.scheme,
            None => facts.scheme == Scheme::Https || self.port.is_some() || facts.host.parse::<IpAddr>().is_ok(),
        };
        let port_fits = match self.port {
            Some(port) => port == facts.port,
            None => facts.port == facts.scheme.default_port(),
        };
        scheme_fits
            && port_fits
            && match &self.host {
                Host::Any => true,
                Host::Exactly(host) => host == facts.host,
                Host::Below(parent) => is_below(facts.host, parent),
            }
    }

    /// Whether everything that `narrower` matches, `self` matches. `*` without port or scheme asks for any.
    fn covers(&self, narrower: &Self) -> bool {
        if self.host == Host::Any && self.port.is_none() && self.scheme.is_none() {
            return true;
        }
        let scheme_fits = self.scheme.is_none() || self.scheme == narrower.scheme;
        let host_fits = match (&self.host, &narrower.host) {
            (Host::Any, _) => true,
            (Host::Below(parent), Host::Exactly(host)) => is_below(host, parent),
            (Host::Below(parent), Host::Below(host)) => host == parent || is_below(host, parent),
            (Host::Exactly(a), Host::Exactly(b)) => a == b,
            _ => false,
        };
        // Without a scheme a port also opens clear text, so a pattern without port covers only one without.
        scheme_fits && host_fits && self.port == narrower.port
    }
}

fn is_below(host: &str, parent: &str) -> bool {
    host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Whether the granted list of patterns stays within the asked one.
pub(super) fn covers(asked: &Value, granted: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<Vec<HostPattern>>(value.clone());
    match (read(asked), read(granted)) {
        (Ok(asked), Ok(granted)) => granted.iter().all(|narrower| asked.iter().any(|pattern| pattern.covers(narrower))),
        _ => false,
    }
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
                address.parse::<std::net::Ipv6Addr>().map_err(|_| refused())?;
                let port = match after.strip_prefix(':') {
                    None if !after.is_empty() => return Err(refused()),
                    port => port,
                };
                (address, port)
            }
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port != 0 => Some(port),
            Some(_) => return Err(refused()),
        };
        let is_host = |host: &str| {
            host.parse::<IpAddr>().is_ok()
                || ((1..=253).contains(&host.len())
                    && host.split('.').all(|label| {
                        (1..=63).contains(&label.len())
                            && !label.starts_with('-')
                            && !label.ends_with('-')
                            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                    }))
        };
        let host = match host.strip_prefix("*.") {
            Some(parent) if is_host(parent) => Host::Below(parent.to_owned()),
            None if host == "*" => Host::Any,
            None if is_host(host) => Host::Exactly(host.to_owned()),
            _ => return Err(refused()),
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

    fn facts<'a>(scheme: Scheme, host: &'a str, port: u16) -> RequestFacts<'a> {
        RequestFacts { scheme, host, port, method: "GET" }
    }

    fn bounds(hosts: &[&str]) -> HttpBounds {
        HttpBounds { hosts: hosts.iter().map(|host| pattern(host)).collect(), methods: reading_methods(), networks: Vec::new() }
    }

    #[test]
    fn denies_what_no_pattern_matches() {
        let bounds = bounds(&["example.com", "*.sub.example.org", "127.0.0.1:8080"]);
        let deny = [
            facts(Scheme::Https, "www.example.com", 443),
            facts(Scheme::Https, "example.com", 8443),
            facts(Scheme::Http, "example.com", 80),
            facts(Scheme::Https, "sub.example.org", 443),
            facts(Scheme::Https, "evilsub.example.org", 443),
            facts(Scheme::Http, "127.0.0.1", 80),
            facts(Scheme::Https, "example.com.evil.net", 443),
        ];
        for facts in deny {
            assert_ne!(bounds.decide_request(&facts), Decision::Allow, "{facts:?}");
        }
        let allow = [
            facts(Scheme::Https, "example.com", 443),
            facts(Scheme::Https, "a.sub.example.org", 443),
            facts(Scheme::Http, "127.0.0.1", 8080),
        ];
        for facts in allow {
            assert_eq!(bounds.decide_request(&facts), Decision::Allow, "{facts:?}");
        }
    }

    #[test]
    fn denies_a_method_that_was_not_granted() {
        let post = RequestFacts { method: "POST", ..facts(Scheme::Https, "example.com", 443) };
        let Decision::Deny { code, hint, .. } = bounds(&["*"]).decide_request(&post) else { panic!("allowed") };
        assert_eq!((code, hint.as_str()), ("E-CAP-HTTP-METHOD", "methods = [\"POST\"]"));
    }

    #[test]
    fn the_hint_would_allow_it() {
        let facts = facts(Scheme::Http, "::1", 81);
        let Decision::Deny { hint, .. } = bounds(&["example.com"]).decide_request(&facts) else { panic!("allowed") };
        let host = hint.trim_start_matches("hosts = [\"").trim_end_matches("\"]");
        assert_eq!(bounds(&[host]).decide_request(&facts), Decision::Allow, "{hint}");
    }

    #[test]
    fn a_name_does_not_open_a_private_address() {
        let mut bounds = bounds(&["*"]);
        let address = "127.0.0.1".parse().unwrap();
        assert_ne!(bounds.decide_address(address), Decision::Allow);
        bounds.networks = vec!["127.0.0.0/8".parse().unwrap()];
        assert_eq!(bounds.decide_address(address), Decision::Allow);
        assert_ne!(bounds.decide_address("10.0.0.1".parse().unwrap()), Decision::Allow);
    }

    #[test]
    fn patterns_cover_only_what_is_narrower() {
        for (asked, granted, fits) in [
            ("*", "http://10.0.0.1:81", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "*.a.example.com", true),
            ("*.example.com", "example.com", false),
            ("example.com", "*.example.com", false),
            ("example.com", "example.com:81", false),
            ("https://example.com", "example.com", false),
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
