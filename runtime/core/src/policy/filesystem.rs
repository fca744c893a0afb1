//! Files: one virtual root, read-only unless said.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Side;
use crate::Issue;

/// The bounds of the `filesystem` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilesystemBounds {
    /// What may be done below the root. Default: read.
    #[serde(default)]
    pub access: Access,
    /// The host folder that the plugin sees as `/`. Only a grant names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// Reading, or reading and writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Open, read, list.
    #[default]
    Read,
    /// Also create, change and remove.
    Write,
}

impl FilesystemBounds {
    pub(super) fn check(&self, side: Side) -> Result<(), Issue> {
        let issue = |what: &str, expected: &str| Issue { what: what.to_owned(), at: "root".to_owned(), expected: expected.to_owned() };
        match (side, &self.root) {
            (Side::Asked, Some(_)) => Err(issue("a plugin cannot choose a folder of the host", "no `root` in a manifest")),
            (Side::Granted, None) => Err(issue("missing", "the host folder that the plugin sees as `/`")),
            (Side::Granted, Some(root)) if root.is_empty() => Err(issue("empty", "a folder")),
            _ => Ok(()),
        }
    }
}

pub(super) fn covers(asked: &Value, granted: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<Access>(value.clone());
    matches!((read(asked), read(granted)), (Ok(asked), Ok(granted)) if granted <= asked)
}
