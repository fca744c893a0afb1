//! The handover that a plugin may export: found once per plugin, called when it is replaced. When and in which instances is not decided here.
//!
//! One thing to know: a snapshot is the plugin's word. The SDKs keep it below [`SNAPSHOT_BYTES_MAX`], a plugin without one need not, so
//! whoever asks for it measures it.

/// The most bytes that a snapshot may have: 16 MiB, as `wit/plugin/handover.wit` says.
pub const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

crate::point!(
    /// The handover, bound as a point is: `indices` finds it, `load` binds it in an instance, `call_snapshot` and `call_restore` call it. No
    /// plugin lists it among its points.
    pub Handover = "plugwork:plugin/handover@0.1.0" in super::bindings::exports::plugwork::plugin::handover
);
