//! The plugin `plugwork:json-rows`: flat JSON objects as a table, from one array or from JSON lines.
//!
//! The first rows are kept as a sample to find columns and types, then handed out first; from there on memory does not
//! grow. A member that no row of the sample had, and a value of another type than its column's, are refused, not
//! dropped: say them with `types`.

mod columns;
mod object;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use json_elements::{Elements, Layout};
use plugwork_guest::prelude::*;

use columns::{Columns, Type};

/// The most bytes that the sample may keep; a file of very long rows is sampled by fewer of them.
const SAMPLE_BYTES_MAX: usize = 4 << 20;

/// One file being read.
pub struct JsonRows {
    elements: Elements<Box<dyn Read>>,
    columns: Columns,
    table: TableBuilder,
    /// Read to find types, not handed out yet; the text of each row, because it is smaller than what it says.
    sample: VecDeque<Vec<u8>>,
    /// Rows handed to the table.
    rows: u64,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    path: String,
    #[serde(default)]
    types: BTreeMap<String, Type>,
    #[serde(default = "thousand")]
    sample_rows: usize,
}

fn thousand() -> usize {
    1_000
}

impl JsonRows {
    fn read(file: impl Read + 'static, settings: &Settings) -> Result<Self> {
        if !(1..=8_192).contains(&settings.sample_rows) {
            return Err(Refusal::invalid("not a number of rows", "/sample-rows", "1 to 8,192"));
        }
        let mut elements = Elements::new(Box::new(file) as Box<dyn Read>, Layout::Rows, "row");
        let mut columns = Columns::new(&settings.types);
        let mut sample = VecDeque::new();
        let mut bytes = 0;
        while sample.len() < settings.sample_rows && bytes < SAMPLE_BYTES_MAX {
            let Some(element) = elements.next()? else { break };
            columns.see(&element.parse()?).at(element.place())?;
            bytes += element.bytes().len();
            sample.push_back(element.bytes().to_vec());
        }
        let table = TableBuilder::new(columns.settle());
        Ok(Self { elements, columns, table, sample, rows: 0 })
    }

    /// Hands one row to the table; false at the end.
    fn advance(&mut self) -> Result<bool> {
        if let Some(text) = self.sample.pop_front() {
            self.rows += 1;
            // Parsed once before, so it parses again.
            let object = serde_json::from_slice(&text)?;
            self.columns.push(&mut self.table, &object).at(format!("row {}", self.rows))?;
            return Ok(true);
        }
        let Some(element) = self.elements.next()? else { return Ok(false) };
        self.columns.push(&mut self.table, &element.parse()?).at(element.place())?;
        Ok(true)
    }
}

impl DataSource for JsonRows {
    fn open(options: &Options) -> Result<Self> {
        let settings: Settings = options.parse()?;
        // The granted folder is the root.
        let file = File::open(Path::new("/").join(&settings.path)).at(format!("/path, `{}`", settings.path))?;
        Self::read(file, &settings)
    }

    fn next(&mut self) -> Result<Option<Batch>> {
        while self.advance()? {
            if let Some(batch) = self.table.ready() {
                return Ok(Some(batch));
            }
        }
        Ok(self.table.last())
    }
}

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    data_source: JsonRows,
}

#[cfg(test)]
mod tests;
