//! The version that runs, and putting another one into its place. It knows nothing of folders and builds.
//!
//! Easy to get wrong: what is refused changes nothing. The version that ran goes on, with the grants that it had.

use std::time::Instant;

use plugwork::{Offer, Plugin, Runtime, Source};
use plugwork_core::{Digest, Grants};

use super::told::Told;
use crate::exit::Failure;

/// What runs.
pub(crate) struct Running {
    runtime: Runtime,
    grants: Grants,
    now: Option<Now>,
}

struct Now {
    generation: u64,
    plugin: Plugin,
}

impl Running {
    pub(crate) fn new(runtime: Runtime, grants: Grants) -> Self {
        Self { runtime, grants, now: None }
    }

    /// The number of the version that takes the calls.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.now.as_ref().map(|now| now.generation)
    }

    /// The version that takes the calls.
    pub(crate) fn plugin(&self) -> Option<&Plugin> {
        self.now.as_ref().map(|now| &now.plugin)
    }

    /// Whether a component is the one that runs.
    pub(crate) fn runs(&self, digest: Digest) -> bool {
        self.plugin().is_some_and(|plugin| plugin.subject().digest == digest)
    }

    /// Puts a component into the place of what runs: compiled, linked and started once before it takes a call.
    pub(crate) async fn swap(&mut self, source: &Source, build_ms: u64) -> Result<Told, Failure> {
        let began = Instant::now();
        let offer: Offer = self.runtime.offer(source).await?;
        let plugin = offer.unrecorded().accept_only(self.grants.clone()).await?;
        plugin.enable().await?;
        let generation = self.generation().unwrap_or(0) + 1;
        let told = Told::Swapped {
            generation,
            version: plugin.manifest().map(|manifest| manifest.version.clone()),
            digest: plugin.subject().digest.to_string(),
            build_ms,
            swap_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        if let Some(before) = self.now.replace(Now { generation, plugin }) {
            before.plugin.disable().await?;
        }
        Ok(told)
    }
}
