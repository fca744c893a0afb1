//! The shipped points with typed handles. Written only with the public [`plugwork::Point`] trait and `bindgen!`, exactly as an application
//! writes its own; nothing here has access that an application has not.
//!
//! Each handle is a session: one instance that lives as long as the cursor, analysis or writer it holds; [`HttpFunction`] alone is a
//! [`plugwork::Call`], one call for each request. Batches that come from a guest are
//! validated before a caller sees them.

#![forbid(unsafe_code)]

mod analyzer;
mod batch;
mod bindings;
mod data_source;
mod descriptor;
mod exporter;
mod held;
pub mod http_function;
mod transformer;
mod visualization;

pub use analyzer::{Analysis, Analyzer, Finding};
pub use batch::{Batch, Column};
pub use data_source::{Cursor, DataSource};
pub use descriptor::{Descriptor, Lifecycle, PointDescriptor, descriptor};
pub use exporter::{Exporter, Writer};
pub use http_function::HttpFunction;
/// `plugwork:points/event-handler`. It is the host's own, because its bus calls it; an application need not.
pub use plugwork::events::EventHandler;
/// `plugwork:points/guard`. It is the host's own, because it asks before calls; an application may ask too.
pub use plugwork::guards::GuardPoint;
pub use transformer::{Transformation, Transformer};
pub use visualization::{Chart, Drawing, VEGA_LITE, Visualization};
