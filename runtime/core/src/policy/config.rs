//! Configuration values, by key name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Decision, Side, names};
use crate::Issue;

/// The bounds of the `config` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigBounds {
    /// Which keys; `*` for all.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Their values: strings. Only a grant has them.
    #[serde(default)]
    pub values: Map<String, Value>,
}

impl ConfigBounds {
    pub(super) fn check(&self, side: Side) -> Result<(), Issue> {
        let issue = |what: String, expected: &str| Issue { what, at: "values".to_owned(), expected: expected.to_owned() };
        if side == Side::Asked && !self.values.is_empty() {
            return Err(issue("a plugin cannot give itself values".to_owned(), "no `values` in a manifest"));
        }
        match self.values.iter().find(|(_, value)| !value.is_string()) {
            Some((key, _)) => Err(issue(format!("`{key}` is not text"), "strings")),
            None => Ok(()),
        }
    }

    /// The value of a key, if it was granted and has one.
    pub fn get(&self, key: &str) -> Option<&str> {
        if self.is_granted(key) { self.values.get(key).and_then(Value::as_str) } else { None }
    }

    /// Whether a key may be read. The interface has no word for "denied": there, a key that may not be read has no value.
    pub fn decide_key(&self, key: &str) -> Decision {
        if self.is_granted(key) {
            return Decision::Allow;
        }
        let shown = names::shown(key);
        Decision::Deny { code: "E-CAP-CONFIG-KEY", rule: format!("key `{shown}` is not granted"), hint: names::hint_of_words("keys", key) }
    }

    fn is_granted(&self, key: &str) -> bool {
        self.keys.iter().any(|granted| granted == key || granted == "*")
    }
}
