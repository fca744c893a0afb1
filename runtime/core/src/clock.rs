//! The time as a seam: what records and expiry read. A host brings the system's clock, a test brings its own.
//!
//! It may step back, as every wall clock does: nothing may rely on its order.

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970 in UTC.
    fn now_ms(&self) -> u64;
}
