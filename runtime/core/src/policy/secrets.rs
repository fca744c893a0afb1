//! Secrets, by name: where each may be used, and whether the plugin may see it.
//!
//! Using is not seeing. A secret that may be used is put into a header by the host on its way to a granted host; only `reveal` hands its
//! text to the plugin. The server that receives it can still echo it: a host pattern is a statement of trust in those hosts.

use serde::{Deserialize, Serialize};

use super::host::HostPattern;
use super::http::RequestFacts;
use super::{Decision, Target, header, names};
use crate::Issue;

/// The bounds of the `secrets` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretsBounds {
    /// Which secrets, by name; at least one, no pattern.
    pub names: Vec<String>,
    /// Whether the plugin may see their text. Default: no.
    #[serde(default)]
    pub reveal: bool,
    /// To which hosts they may be sent in a header; the `http` grant must allow the request too. Default: none.
    #[serde(default)]
    pub hosts: Vec<HostPattern>,
    /// In which header, lower case. Default: `authorization`.
    #[serde(default = "authorization")]
    pub header: String,
}

fn authorization() -> String {
    "authorization".to_owned()
}

impl SecretsBounds {
    pub(super) fn check(&self) -> Result<(), Issue> {
        names::check_labels("names", &self.names)?;
        let issue = |at: &str, what: String, expected: &str| Err(Issue { what, at: at.to_owned(), expected: expected.to_owned() });
        if !self.reveal && self.hosts.is_empty() {
            return issue("hosts", "neither sent nor seen, it would be of no use".to_owned(), "`hosts`, or `reveal = true`");
        }
        if !header::is_name(&self.header) || header::is_owned_by_host(&self.header) {
            return issue("header", format!("`{}` cannot be set", self.header.escape_debug()), "a header's name in lower case");
        }
        Ok(())
    }

    /// Whether the plugin may see a secret's text.
    pub fn decide_reveal(&self, name: &str) -> Decision {
        match self.decide_name(name) {
            Decision::Allow if !self.reveal => Decision::Deny {
                code: "E-CAP-SECRETS-REVEAL",
                rule: format!("secret `{name}` may be used but not seen"),
                hint: "reveal = true".to_owned(),
            },
            decision => decision,
        }
    }

    /// Whether a secret may be sent in a header of a request. The `http` grant decides on the request itself.
    pub fn decide_use(&self, name: &str, header: &str, target: &Target) -> Decision {
        let decision = self.decide_name(name);
        if decision != Decision::Allow {
            return decision;
        }
        if !header.eq_ignore_ascii_case(&self.header) {
            let lower = header.to_ascii_lowercase();
            let could_be = header::is_name(&lower) && !header::is_owned_by_host(&lower);
            return Decision::Deny {
                code: "E-CAP-SECRETS-HEADER",
                rule: format!("secret `{name}` may stand in header `{}`, not in `{}`", self.header, names::shown(header)),
                hint: if could_be { format!("header = \"{lower}\"") } else { String::new() },
            };
        }
        // The method is the `http` grant's affair: a pattern looks at scheme, host and port.
        let facts = RequestFacts { scheme: target.scheme(), host: target.host(), port: target.port(), method: "" };
        if self.hosts.iter().any(|pattern| pattern.matches(&facts)) {
            return Decision::Allow;
        }
        let host = facts.place();
        Decision::Deny {
            code: "E-CAP-SECRETS-HOST",
            rule: format!("secret `{name}` may not be sent to `{host}`"),
            hint: format!("hosts = [\"{host}\"]"),
        }
    }

    /// Whether there is such a secret for this plugin: the same answer for one that does not exist and one that was not granted.
    pub fn decide_name(&self, name: &str) -> Decision {
        if self.names.iter().any(|granted| granted == name) {
            return Decision::Allow;
        }
        Decision::Deny {
            code: "E-CAP-SECRETS-NAME",
            rule: format!("secret `{}` is not granted", names::shown(name)),
            hint: names::hint("names", name),
        }
    }
}
