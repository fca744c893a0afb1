//! Puts `plugin.toml` and the standard metadata into a component, so that one file is the whole plugin.
//!
//! What is written where is known to `plugwork-component`; here the manifest's fields are only handed over.

use plugwork_component::{Embedded, embed as write};
use plugwork_core::Manifest;

use crate::BuildError;

/// Returns the component with name, version, description, licence, producer and the manifest's own text.
pub(crate) fn embed(component: &[u8], manifest: &Manifest, text: &str) -> Result<Vec<u8>, BuildError> {
    let (name, version) = (manifest.name.to_string(), manifest.version.to_string());
    let embedded = Embedded {
        manifest: Some(text),
        name: Some(&name),
        version: Some(&version),
        // Empty is left out, not written as an empty claim.
        description: Some(manifest.description.as_str()).filter(|text| !text.is_empty()),
        license: Some(manifest.license.as_str()).filter(|text| !text.is_empty()),
        processed_by: Some((env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))),
    };
    write(component, &embedded).map_err(|error| BuildError::component(format!("cannot embed the metadata: {error}")))
}
