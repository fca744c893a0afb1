//! Environment variables, by name.

use serde::{Deserialize, Serialize};

use super::{Decision, names};
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

    /// Whether a variable may be read. The interface has no word for "denied": there, a variable that may not be read does not exist.
    pub fn decide_variable(&self, name: &str) -> Decision {
        if self.variables.iter().any(|granted| granted == name) {
            return Decision::Allow;
        }
        let shown = names::shown(name);
        Decision::Deny {
            code: "E-CAP-ENVIRONMENT-VARIABLE",
            rule: format!("variable `{shown}` is not granted"),
            hint: names::hint_of_words("variables", name),
        }
    }
}
