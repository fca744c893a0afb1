//! Which engine a plugin runs on. The engines themselves are the host's; here is only what is asked and granted.

use serde::{Deserialize, Serialize};

/// The bounds of the `engine` capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineBounds {
    /// Which profile. Default: hardened.
    #[serde(default)]
    pub profile: EngineProfile,
}

/// The profiles, the smaller first: what the full one runs includes what the hardened one runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineProfile {
    /// The component model and nothing that is young.
    #[default]
    Hardened,
    /// Also component async and WASI 0.3.
    Full,
}
