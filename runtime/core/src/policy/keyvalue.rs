//! Key-value stores: which stores, which keys, how much.
//!
//! A key is judged as the plugin wrote it. The namespace (tenant, instance, package, store) is put in front by the host as separate
//! columns, never by joining text, so no key can name another plugin's.

use serde::{Deserialize, Serialize};

use super::{Access, names};
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
}
