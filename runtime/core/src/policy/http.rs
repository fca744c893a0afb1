//! Outgoing HTTP: which hosts, which methods, which addresses.
//!
//! Two decisions: one on the request before any name is resolved, one on each address before it is dialled. A name
//! that is allowed does not make a private address allowed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use super::host::{HostPattern, Scheme};
use super::network::is_public;
use super::{Decision, Network, Target, names};
use crate::Issue;

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
    /// Bytes of requests and responses together in any minute, at least 1. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_minute: Option<u64>,
    /// Requests open at once, at least 1. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Whether redirects are followed, each hop judged as a request of its own. Default: no; the plugin sees the response that names the place.
    #[serde(default)]
    pub redirects: bool,
}

fn reading_methods() -> Vec<String> {
    vec!["GET".to_owned(), "HEAD".to_owned()]
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

impl RequestFacts<'_> {
    /// Scheme, host and port, as they would stand in a grant.
    pub(super) fn place(&self) -> String {
        let port = if self.port == self.scheme.default_port() { String::new() } else { format!(":{}", self.port) };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_owned() };
        format!("{}://{host}{port}", self.scheme)
    }
}

impl HttpBounds {
    pub(super) fn check(&self) -> Result<(), Issue> {
        if let Some(method) = self.methods.iter().find(|method| *method != "*" && !is_sendable(method)) {
            return Err(Issue {
                what: format!("`{}`", names::shown(method)),
                at: "methods".to_owned(),
                expected: "methods in upper case but CONNECT and TRACE, or `*`".to_owned(),
            });
        }
        let none = [("bytes-per-minute", self.bytes_per_minute), ("concurrency", self.concurrency.map(u64::from))];
        match none.iter().find(|(_, limit)| *limit == Some(0)) {
            None => Ok(()),
            Some((at, _)) => Err(Issue { what: "0".to_owned(), at: (*at).to_owned(), expected: "at least 1".to_owned() }),
        }
    }

    /// Whether a request may be made to this target. Where the URL names an address, that is judged too; where it names a host, each address
    /// that the name leads to must be judged by [`Self::decide_address`] before it is dialled.
    pub fn decide_target(&self, method: &str, target: &Target) -> Decision {
        let facts = RequestFacts { scheme: target.scheme(), host: target.host(), port: target.port(), method };
        match (self.decide_request(&facts), target.address()) {
            (Decision::Allow, Some(address)) => self.decide_address(address),
            (decision, _) => decision,
        }
    }

    /// Whether the request may be made at all.
    pub fn decide_request(&self, facts: &RequestFacts<'_>) -> Decision {
        let sendable = is_sendable(facts.method);
        if !sendable || !self.methods.iter().any(|method| method == facts.method || method == "*") {
            return Decision::Deny {
                code: "E-CAP-HTTP-METHOD",
                rule: format!("method `{}` is not granted", names::shown(facts.method)),
                hint: if sendable { format!("methods = [\"{}\"]", facts.method) } else { String::new() },
            };
        }
        if self.hosts.iter().any(|pattern| pattern.matches(facts)) {
            return Decision::Allow;
        }
        let place = facts.place();
        Decision::Deny {
            code: "E-CAP-HTTP-HOST",
            rule: format!("`{place}` is not among the granted hosts"),
            hint: format!("hosts = [\"{place}\"]"),
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

/// Whether a plugin can be granted the method: a word in upper case, but not CONNECT, which opens a tunnel past every later decision, and not
/// TRACE, which answers with the headers it was sent, secrets among them.
fn is_sendable(method: &str) -> bool {
    (1..=32).contains(&method.len())
        && method.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'))
        && !matches!(method, "CONNECT" | "TRACE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(scheme: Scheme, host: &'a str, port: u16) -> RequestFacts<'a> {
        RequestFacts { scheme, host, port, method: "GET" }
    }

    fn bounds(hosts: &[&str]) -> HttpBounds {
        serde_json::from_value(serde_json::json!({ "hosts": hosts })).unwrap()
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
}
