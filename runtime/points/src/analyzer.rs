//! `plugwork:points/analyzer`: a table in, tables out.

use std::collections::BTreeMap;

use plugwork::{Plugin, Result};
use plugwork_core::name::is_label;

use crate::batch::{Batch, Columns, not_a_table};
use crate::bindings::exports::plugwork::points::analyzer;
use crate::held::{Held, handle};

plugwork::point! {
    /// The point.
    pub Analyzer = "plugwork:points/analyzer@0.1.0" in analyzer
}

/// An analysis under way: `push` any number of times, then `next` until it is empty.
pub struct Analysis {
    held: Held<Analyzer>,
    tables: BTreeMap<String, Columns>,
}

handle!(Analysis);

/// Part of a result.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which table it belongs to: a label.
    pub table: String,
    /// Some of its rows.
    pub batch: Batch,
}

/// Tables that one analysis may hand out.
const TABLES_MAX: usize = 64;

impl Analyzer {
    /// Begins. `options` is JSON text of an object that fits the plugin's descriptor.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Analysis> {
        let held =
            Held::<Self>::start(plugin, options, |guest, store, options| Box::pin(async move { guest.call_start(store, options).await }));
        Ok(Analysis { held: held.await?, tables: BTreeMap::new() })
    }
}

impl Analysis {
    /// Takes some rows in.
    pub async fn push(&mut self, input: &Batch) -> Result<()> {
        let push = self.held.call(input.wire(), |guest, store, analysis, input| {
            Box::pin(async move { guest.analysis().call_push(store, analysis, input).await })
        });
        push.await
    }

    /// The first call ends the input; then part after part of the result; `None` at the end and ever after.
    pub async fn next(&mut self) -> Result<Option<Finding>> {
        let next =
            self.held.call(&(), |guest, store, analysis, ()| Box::pin(async move { guest.analysis().call_next(store, analysis).await }));
        let Some(finding) = next.await? else { return Ok(None) };
        let subject = self.held.session.subject();
        if !is_label(&finding.table) {
            let name = finding.table.escape_debug();
            return Err(not_a_table(subject, format!("a table named `{name}`: expected lower case words joined by `-`")));
        }
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(&finding.table) {
            return Err(not_a_table(subject, format!("more than {TABLES_MAX} tables")));
        }
        let batch = self.tables.entry(finding.table.clone()).or_default().admit(finding.batch, subject)?;
        Ok(Some(Finding { table: finding.table, batch }))
    }
}
