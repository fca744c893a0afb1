//! How one instance of a plugin is to run, as it is recorded when it is enabled or disabled: what a host needs to start it again as it was.
//!
//! Not here: what it may do (grants) and use (limits), which stand in its consent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::OPTIONS_BYTES_MAX;
use crate::{InterfaceName, Issue};

/// Points that settings may name.
pub const SETTINGS_POINTS_MAX: usize = 64;

/// How one instance of a plugin is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// What its `init` is given: an object of at most [`OPTIONS_BYTES_MAX`] bytes as JSON; empty.
    pub configuration: Map<String, Value>,
    /// Whether a host that cannot start it does not start at all. False: it is reported and skipped.
    pub critical: bool,
    /// Its place among the plugins of a point: a lower weight is called first; 0.
    pub weight: i32,
    /// The points that it is attached to, at most [`SETTINGS_POINTS_MAX`]; none named: all that it exports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<InterfaceName>,
}

impl Settings {
    /// Whether it may be recorded.
    ///
    /// # Errors
    /// Names what is too much.
    pub fn check(&self) -> Result<(), Issue> {
        let issue = |what: String, at: &str, expected: String| Err(Issue { what, at: at.to_owned(), expected });
        let bytes = self.configuration_bytes();
        if bytes > OPTIONS_BYTES_MAX {
            return issue(format!("{bytes} bytes"), "configuration", format!("an object of at most {OPTIONS_BYTES_MAX} bytes as JSON"));
        }
        if self.points.len() > SETTINGS_POINTS_MAX {
            return issue(format!("{} points", self.points.len()), "points", format!("at most {SETTINGS_POINTS_MAX}"));
        }
        Ok(())
    }

    /// Bytes of the configuration as JSON.
    pub(super) fn configuration_bytes(&self) -> usize {
        // Measured without building the text twice over: it is written once more with the record.
        serde_json::to_string(&self.configuration).map_or(usize::MAX, |text| text.len())
    }
}
