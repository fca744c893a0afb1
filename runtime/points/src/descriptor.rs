//! What a plugin says about itself, and the check of options against it. Claims, used for help and for early errors, never for rights.

use std::collections::BTreeMap;

use plugwork::{Error, Plugin, Refusal, Result};
use plugwork_core::Problem;
use plugwork_core::limits::DESCRIPTOR_BYTES_MAX;
use serde::Deserialize;
use serde_json::Value;

use crate::bindings::exports::plugwork::plugin::lifecycle;

plugwork::point! {
    /// The lifecycle as a point, for its descriptor and health.
    pub Lifecycle = "plugwork:plugin/lifecycle@0.1.0" in lifecycle
}

/// The parsed descriptor.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Descriptor {
    /// By interface without version, such as `plugwork:points/analyzer`.
    #[serde(default)]
    pub points: BTreeMap<String, PointDescriptor>,
}

/// What it says about one point.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PointDescriptor {
    /// One line.
    #[serde(default)]
    pub summary: String,
    /// A JSON Schema (draft 2020-12) for the options; absent: any object.
    #[serde(default)]
    pub options: Option<Value>,
}

/// Asks a plugin for its descriptor, in an instance of its own. A plugin without lifecycle has an empty one.
pub async fn descriptor(plugin: &Plugin) -> Result<Descriptor> {
    if !plugin.has::<Lifecycle>() {
        return Ok(Descriptor::default());
    }
    let mut session = plugin.session::<Lifecycle>().await?;
    let text = session.call(|guest, store| Box::pin(async move { guest.call_descriptor(store).await })).await?;
    session.end().await;
    let broken = |what: String| {
        let message = format!("its descriptor is not one: {what}");
        Error::from_refusal(Refusal::Other(Problem { message, stack: String::new() })).of(plugin.subject())
    };
    if text.len() > DESCRIPTOR_BYTES_MAX {
        return Err(broken(format!("{} bytes, at most {DESCRIPTOR_BYTES_MAX}", text.len())));
    }
    serde_json::from_str(&text).map_err(|error| broken(error.to_string()))
}
