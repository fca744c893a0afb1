//! Deputies: plugins that use rights of their own for whoever calls them, where others have no more than their callers.
//!
//! A deputy is trusted to look at who calls: a person who grants this says that what it does with these rights may be brought about by every plugin that may
//! call it.

use serde::{Deserialize, Serialize};

use super::{names, parse};
use crate::{Grants, Issue};

/// The bounds of the `deputy` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeputyBounds {
    /// The capabilities whose grants it uses as they are, such as `http`; at least one, each by name.
    pub capabilities: Vec<String>,
}

impl DeputyBounds {
    /// Those among these grants; none where nothing was granted, or the grant cannot be read.
    pub fn of(grants: &Grants) -> Option<Self> {
        grants.get("deputy").and_then(|bounds| parse(bounds).ok())
    }

    /// Whether it uses its own grant of this capability for others.
    pub fn names(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|named| named == capability)
    }

    pub(super) fn check(&self) -> Result<(), Issue> {
        names::check_labels("capabilities", &self.capabilities)
    }
}
