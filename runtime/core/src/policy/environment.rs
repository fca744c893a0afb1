//! Environment variables, by name.

use serde::{Deserialize, Serialize};

use crate::Issue;

/// The bounds of the `environment` capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentBounds {
    /// Which variables of the host's process; never all of them.
    pub variables: Vec<String>,
}

impl EnvironmentBounds {
    /// Whether each is a name.
    pub fn check(&self) -> Result<(), Issue> {
        let bad = |name: &&String| name.is_empty() || name.contains(['=', '\0', '*']);
        match self.variables.iter().find(bad) {
            None => Ok(()),
            Some(name) => Err(Issue {
                what: format!("`{}` is not a variable's name", name.escape_debug()),
                at: "variables".to_owned(),
                expected: "names, one by one".to_owned(),
            }),
        }
    }
}
