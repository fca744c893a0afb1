//! Key-value stores: which stores, which keys, how much.
//!
//! A key is judged as the plugin wrote it. The namespace (tenant, instance, package, store) is put in front by the host as separate
//! columns, never by joining text, so no key can name another plugin's.

use serde::{Deserialize, Serialize};

use super::{Access, Decision, key, names};
use crate::Issue;

/// The bounds of the `keyvalue` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyValueBounds {
    /// Which stores, by name; at least one. A store is the plugin's own: another plugin's store of the same name is another store.
    pub stores: Vec<String>,
    /// What may be done in them. Default: read.
    #[serde(default)]
    pub access: Access,
    /// Bytes of keys and values in all of the stores together. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Keys in all of the stores together. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
}

impl KeyValueBounds {
    pub(super) fn check(&self) -> Result<(), Issue> {
        names::check_labels("stores", &self.stores)
    }

    /// Whether a key of a store may be read or written. Listing a store is reading it: its key is judged when it is read.
    pub fn decide_key(&self, store: &str, key: &str, access: Access) -> Decision {
        match (self.decide_store(store, access), key::complaint(key)) {
            (Decision::Allow, None) => Decision::Allow,
            (Decision::Allow, Some(complaint)) => {
                Decision::Deny { code: "E-CAP-KV-KEY", rule: format!("the key {complaint}"), hint: String::new() }
            }
            (denied, _) => denied,
        }
    }

    /// Whether a store may be opened to be read or written.
    pub fn decide_store(&self, store: &str, access: Access) -> Decision {
        if !self.stores.iter().any(|granted| granted == store) {
            return Decision::Deny {
                code: "E-CAP-KV-STORE",
                rule: format!("store `{}` is not granted", names::shown(store)),
                hint: names::hint("stores", store),
            };
        }
        access.decide(self.access, "E-CAP-KV-ACCESS")
    }
}
