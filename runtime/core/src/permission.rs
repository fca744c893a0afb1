//! A permission: a capability with its bounds, as asked in a manifest.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a plugin asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permission {
    /// Which capability, such as `http`.
    pub capability: String,
    /// Its bounds; their shape is the capability's own (see [`crate::policy`] for the shipped ones).
    pub bounds: Map<String, Value>,
    /// Whether the plugin runs without it. An optional one that is not granted answers `denied`.
    pub optional: bool,
    /// Why, in the author's words. Shown, never believed.
    pub reason: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.capability)?;
        write_bounds(f, &self.bounds)
    }
}

/// Writes bounds as `{ hosts = ["a"], … }`: what a person would put behind `grants.http =`.
pub(crate) fn write_bounds(f: &mut fmt::Formatter<'_>, bounds: &Map<String, Value>) -> fmt::Result {
    if bounds.is_empty() {
        return Ok(());
    }
    f.write_str(" { ")?;
    for (index, (key, value)) in bounds.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{key} = {value}")?;
    }
    f.write_str(" }")
}
