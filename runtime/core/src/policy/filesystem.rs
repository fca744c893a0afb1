//! Files: one virtual root, read-only unless said.

use serde::{Deserialize, Serialize};

pub use super::Access;
pub use super::path::holds_the_system;
use super::{Decision, Side, path};
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
    /// Bytes that may lie below the root. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Files and folders that may lie below the root. Without it: the host's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
}

impl FilesystemBounds {
    pub(super) fn check(&self, side: Side) -> Result<(), Issue> {
        let issue = |what: &str, expected: &str| Issue { what: what.to_owned(), at: "root".to_owned(), expected: expected.to_owned() };
        match (side, &self.root) {
            (Side::Asked, Some(_)) => Err(issue("a plugin cannot choose a folder of the host", "no `root` in a manifest")),
            (Side::Granted, None) => Err(issue("missing", "the host folder that the plugin sees as `/`")),
            (Side::Granted, Some(root)) if root.is_empty() => Err(issue("empty", "a folder")),
            // Below them lie the host's own memory and devices, which no file permission of the plugin would stop.
            (Side::Granted, Some(root)) if path::holds_the_system(root) => {
                Err(issue("it holds `/proc`, `/sys` or `/dev`, or lies in one of them", "a folder of files"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a path may be opened, judged by its letters alone: the second wall behind the folder's handle, which knows about links.
    /// Absolute and relative paths both begin at the root; a relative one that begins at another folder is judged joined to it.
    pub fn decide_path(&self, text: &str, access: Access) -> Decision {
        match path::decide(text) {
            Decision::Allow => access.decide(self.access, "E-CAP-FILESYSTEM-ACCESS"),
            denied => denied,
        }
    }
}
