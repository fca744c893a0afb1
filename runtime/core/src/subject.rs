//! Whose plugin it is. Everything that is owned, granted, limited, pooled or counted is keyed by one [`Subject`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, PackageName};

/// Tenant, instance, package and digest of one plugin in one host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// On whose behalf; `default` where the host has one owner. State never crosses a tenant.
    pub tenant: String,
    /// Which of several instances of one plugin in one tenant, such as a pipeline step's name.
    pub instance: String,
    /// The package; for a component without a manifest, `local:` and its file name made a label.
    pub package: PackageName,
    /// The component file that runs.
    pub digest: Digest,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant != "default" {
            write!(f, "{}/", self.tenant)?;
        }
        write!(f, "{}", self.package)?;
        if !self.instance.is_empty() {
            write!(f, "#{}", self.instance)?;
        }
        Ok(())
    }
}
