//! Reading, or reading and writing: shared by every capability that holds something.
//!
//! The order is the one of rights: what may be written may be read, so `Read < Write`.

use serde::{Deserialize, Serialize};

use super::Decision;

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

impl Access {
    /// As it stands in a grant.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Whether this may be done where `granted` is.
    pub(super) fn decide(self, granted: Self, code: &'static str) -> Decision {
        if self <= granted {
            return Decision::Allow;
        }
        Decision::Deny {
            code,
            rule: format!("`{}` is not granted, only `{}`", self.as_str(), granted.as_str()),
            hint: format!("access = \"{}\"", self.as_str()),
        }
    }
}
