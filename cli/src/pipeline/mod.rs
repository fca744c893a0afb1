//! Pipelines: sources, transformers, analyzers, exporters and charts, joined by tables.
//!
//! `file` is the text, `plan` the pure check of the graph, `load` turns steps into plugins, `run` lets the batches flow, `report` tells of it.
//! Everything is checked before the first batch flows.

pub(crate) mod calls;
pub(crate) mod channel;
pub(crate) mod file;
pub(crate) mod load;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod step;
