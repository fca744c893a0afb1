//! The extension points as traits with `&mut self`, and the adapters that export them.
//!
//! A plugin implements one or more of these traits and names them in `plugin!`. The adapters keep the contract so that
//! an author need not: after a refusal a session is finished, nothing follows the end, and batches are validated on
//! arrival. They are public only because the code that `plugin!` writes must reach them.

mod analyzer;
mod data_source;
mod event_handler;
mod exporter;
mod guard;
mod handover;
mod http_function;
mod lifecycle;
mod transformer;
mod visualization;

use std::cell::RefCell;

pub use analyzer::Analyzer;
pub use data_source::DataSource;
pub use event_handler::{Event, EventHandler};
pub use exporter::Exporter;
pub use guard::{Decision, Guard, Party, Question, Verdict};
pub use handover::{Handover, SNAPSHOT_BYTES_MAX};
pub use http_function::{Context, HttpFunction, Principal, Request, Response};
pub use lifecycle::Lifecycle;
pub use transformer::Transformer;
pub use visualization::{Chart, Visualization};

use crate::refusal::{Refusal, Result};

/// What `plugin!` exports; not for use by hand.
#[doc(hidden)]
pub(crate) mod adapters {
    pub use super::analyzer::AnalyzerExport;
    pub use super::data_source::DataSourceExport;
    pub use super::event_handler::EventHandlerExport;
    pub use super::exporter::ExporterExport;
    pub use super::guard::GuardExport;
    pub use super::handover::HandoverExport;
    pub use super::http_function::HttpFunctionExport;
    pub use super::lifecycle::{Describe, LifecycleDefault, LifecycleExport};
    pub use super::transformer::TransformerExport;
    pub use super::visualization::VisualizationExport;
}

/// A session's state: there until it ends or refuses, whichever is first.
///
/// Exported resources are called through `&self`; a component cannot be entered while it runs, so the cell is never
/// borrowed twice.
struct Session<T> {
    state: RefCell<Option<T>>,
    name: &'static str,
}

impl<T> Session<T> {
    fn new(name: &'static str, state: T) -> Self {
        Self { state: RefCell::new(Some(state)), name }
    }

    /// One call, after which the session goes on unless it refused.
    fn call<R>(&self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let mut state = self.state.borrow_mut();
        let answer = call(state.as_mut().ok_or_else(|| self.finished())?);
        if answer.is_err() {
            *state = None;
        }
        answer
    }

    /// The last call.
    fn end<R>(&self, call: impl FnOnce(T) -> Result<R>) -> Result<R> {
        let state = self.state.borrow_mut().take();
        call(state.ok_or_else(|| self.finished())?)
    }

    fn finished(&self) -> Refusal {
        Refusal::invalid(format!("the {} is finished", self.name), "", "no call after the end or after a refusal")
    }
}
