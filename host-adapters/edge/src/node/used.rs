//! What the plugins that are served used: the runtime's accounts by the names that applications have for them.
//!
//! One match for whoever tells it (metrics, the interface for operators) or keeps it (metering). Easily got wrong: two deployments that share the requests of an
//! application may call two plugins by one name; each is told, with its deployment.

use std::collections::HashMap;
use std::sync::Arc;

use plugwork::Usage;
use plugwork_core::deployment::ApplicationKey;

use super::Node;
use crate::live::{Live, Mounted};
use crate::mount::Mount;

/// A look at all of them. Holds what was served then, so it is not to be kept.
pub(crate) struct Used {
    live: Arc<Live>,
    /// By tenant and instance.
    usages: HashMap<(String, String), Usage>,
}

/// What one of them used.
#[derive(Clone, Copy)]
pub(crate) struct UsedBy<'a> {
    pub(crate) application: &'a ApplicationKey,
    /// The deployment that has it; where two do, the current one.
    pub(crate) deployment: u64,
    /// The name that routes use.
    pub(crate) name: &'a str,
    pub(crate) mount: &'a Mount,
    pub(crate) usage: &'a Usage,
}

impl Node {
    /// Looks what the plugins that are served used.
    pub(crate) fn used(&self) -> Used {
        let usages = self.runtime().usage().into_iter();
        let usages = usages.map(|usage| ((usage.subject.tenant.clone(), usage.subject.instance.clone()), usage)).collect();
        Used { live: self.live(), usages }
    }
}

impl Used {
    /// Each plugin once, application by application.
    pub(crate) fn each(&self) -> impl Iterator<Item = UsedBy<'_>> {
        let all =
            self.live.serving.values().flat_map(|serving| serving.all_mounts().into_values().map(move |mounted| (&serving.key, mounted)));
        all.filter_map(|(application, Mounted { deployment, name, mount })| {
            Some(UsedBy { application, deployment, name, mount, usage: self.of(mount)? })
        })
    }

    /// Of this plugin, served or not; none where it is not loaded.
    pub(crate) fn of(&self, mount: &Mount) -> Option<&Usage> {
        self.usages.get(&(mount.key.tenant.clone(), mount.label.clone()))
    }
}
