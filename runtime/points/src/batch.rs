//! Batches as the host holds them: the generated record, validated.

use plugwork::interfaces::bindings::plugwork::table::types as wire;
use plugwork::{Error, Refusal, Result, Subject};
use plugwork_core::table::{self, ColumnRef, Schema};
use plugwork_core::{Issue, Problem};

/// One column: the buffers of the Arrow columnar format. See `wit/table/types.wit`.
pub type Column = wire::Column;

/// Some rows of a table that was validated: formats, lengths, offsets, text.
#[derive(Debug, Clone)]
pub struct Batch(wire::Batch);

impl Batch {
    /// Validates a batch made by the host.
    pub fn new(rows: u32, columns: Vec<Column>) -> Result<Self, Issue> {
        let batch = wire::Batch { rows, columns };
        check(&batch)?;
        Ok(Self(batch))
    }

    /// How many rows.
    pub fn rows(&self) -> u32 {
        self.0.rows
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.0.columns
    }

    /// Bytes in all buffers.
    pub fn bytes(&self) -> usize {
        let buffers = |column: &Column| {
            column.values.len() + column.validity.as_ref().map_or(0, Vec::len) + column.offsets.as_ref().map_or(0, Vec::len)
        };
        self.0.columns.iter().map(buffers).sum()
    }

    /// A view for `plugwork_core::table`.
    pub fn views(&self) -> impl Iterator<Item = ColumnRef<'_>> + Clone {
        views(&self.0)
    }

    pub(crate) fn wire(&self) -> &wire::Batch {
        &self.0
    }
}

/// The columns of a table that a plugin hands out, kept from its first batch.
#[derive(Default)]
pub(crate) struct Columns(Option<Schema>);

impl Columns {
    /// Validates a batch and compares it with the table's first. A batch that lies is the plugin's failure, told as its refusal.
    pub(crate) fn admit(&mut self, batch: wire::Batch, subject: &Subject) -> Result<Batch> {
        let checked = table::validate(batch.rows, views(&batch))
            .map_err(|error| not_a_table(subject, format!("a batch that is not one: {error}")))?;
        match &self.0 {
            Some(schema) => {
                let differs = |error| not_a_table(subject, format!("a batch that does not fit its table: {error}"));
                schema.check(&checked).map_err(differs)?;
            }
            None => self.0 = Some(Schema::of(&checked)),
        }
        Ok(Batch(batch))
    }
}

/// The refusal of a plugin whose answer is no table.
pub(crate) fn not_a_table(subject: &Subject, what: String) -> Error {
    let problem = Problem { message: format!("it handed out {what}"), stack: String::new() };
    Error::from_refusal(Refusal::Other(problem)).of(subject)
}

fn views(batch: &wire::Batch) -> impl Iterator<Item = ColumnRef<'_>> + Clone {
    batch.columns.iter().map(|column| ColumnRef {
        name: &column.name,
        format: &column.format,
        validity: column.validity.as_deref(),
        offsets: column.offsets.as_deref(),
        values: &column.values,
    })
}

fn check(batch: &wire::Batch) -> Result<(), Issue> {
    table::validate(batch.rows, views(batch)).map(drop).map_err(|error| Issue {
        what: error.to_string(),
        at: String::new(),
        expected: String::new(),
    })
}
