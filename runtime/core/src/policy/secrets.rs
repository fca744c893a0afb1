//! Secrets, by name: where each may be used, and whether the plugin may see it.
//!
//! Using is not seeing. A secret that may be used is put into a header by the host on its way to a granted host; only `reveal` hands its
//! text to the plugin. The server that receives it can still echo it: a host pattern is a statement of trust in those hosts.

use serde::{Deserialize, Serialize};

use super::http::HostPattern;
use super::{header, names};
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
}
