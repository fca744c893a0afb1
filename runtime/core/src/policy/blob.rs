//! Blob containers: which containers, which objects, how much.
//!
//! An object's name is judged as the plugin wrote it and is never a path of the host, whatever slashes it has.

use serde::{Deserialize, Serialize};

use super::{Access, names};
use crate::Issue;

/// The bounds of the `blob` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlobBounds {
    /// Which containers, by name; at least one. A container is the plugin's own, as a key-value store is.
    pub containers: Vec<String>,
    /// What may be done in them. Default: read.
    #[serde(default)]
    pub access: Access,
    /// Bytes of objects in all of the containers together. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Objects in all of the containers together. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

impl BlobBounds {
    pub(super) fn check(&self) -> Result<(), Issue> {
        names::check_labels("containers", &self.containers)
    }
}
