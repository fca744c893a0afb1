//! Blob containers: which containers, which objects, how much.
//!
//! An object's name is judged as the plugin wrote it and is never a path of the host, whatever slashes it has.

use serde::{Deserialize, Serialize};

use super::{Access, Decision, key, names};
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

    /// Whether an object of a container may be read or written.
    pub fn decide_object(&self, container: &str, name: &str, access: Access) -> Decision {
        match (self.decide_container(container, access), key::complaint(name)) {
            (Decision::Allow, None) => Decision::Allow,
            (Decision::Allow, Some(complaint)) => {
                Decision::Deny { code: "E-CAP-BLOB-NAME", rule: format!("the object's name {complaint}"), hint: String::new() }
            }
            (denied, _) => denied,
        }
    }

    /// Whether a container may be opened to be read or written.
    pub fn decide_container(&self, container: &str, access: Access) -> Decision {
        if !self.containers.iter().any(|granted| granted == container) {
            return Decision::Deny {
                code: "E-CAP-BLOB-CONTAINER",
                rule: format!("container `{}` is not granted", names::shown(container)),
                hint: names::hint("containers", container),
            };
        }
        access.decide(self.access, "E-CAP-BLOB-ACCESS")
    }
}
