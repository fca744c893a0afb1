//! The data source: records in, typed rows out.
//!
//! The first rows are kept as a sample to find the columns' types, then handed out first; from there on memory does not
//! grow. A value that is not of its column's type is refused, not turned into a null: say the type with `types`.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use plugwork_guest::prelude::*;

use crate::delimiter::Delimiter;
use crate::kind::{Candidates, Kind};
use crate::records::{Record, Records, line};

/// The most bytes that the sample may keep; a file of very long rows is sampled by fewer of them.
const SAMPLE_BYTES_MAX: usize = 4 << 20;

/// One file being read.
pub struct CsvReader {
    records: Records<Box<dyn Read>>,
    columns: Vec<Column>,
    nulls: Vec<String>,
    table: TableBuilder,
    /// Read to find types, not handed out yet.
    sample: VecDeque<Record>,
    record: Record,
    /// Rows handed to the table.
    rows: u64,
}

struct Column {
    name: String,
    kind: Kind,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    path: String,
    #[serde(default)]
    delimiter: Delimiter,
    #[serde(default = "yes")]
    header: bool,
    #[serde(default = "empty")]
    nulls: Vec<String>,
    #[serde(default)]
    types: BTreeMap<String, Type>,
    #[serde(default = "thousand")]
    sample_rows: usize,
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Int,
    Float,
    Bool,
    Date,
    Timestamp,
    Text,
}

fn yes() -> bool {
    true
}

fn empty() -> Vec<String> {
    vec![String::new()]
}

fn thousand() -> usize {
    1_000
}

impl DataSource for CsvReader {
    fn open(options: &Options) -> Result<Self> {
        let settings: Settings = options.parse()?;
        // The granted folder is the root.
        let file = File::open(Path::new("/").join(&settings.path)).at(format!("/path, `{}`", settings.path))?;
        Self::read(file, settings)
    }

    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.table.ready() {
                return Ok(Some(batch));
            }
            match self.sample.pop_front() {
                Some(record) => self.record = record,
                None if self.records.read(&mut self.record)? => {}
                None => return Ok(self.table.last()),
            }
            self.rows += 1;
            let row = push(&mut self.table, &self.columns, &self.nulls, &self.record);
            row.at(format!("row {} ({})", self.rows, line(self.record.line)))?;
        }
    }
}

impl CsvReader {
    fn read(file: impl Read + 'static, settings: Settings) -> Result<Self> {
        if !(1..=8_192).contains(&settings.sample_rows) {
            return Err(Refusal::invalid("not a number of rows", "/sample-rows", "1 to 8,192"));
        }
        let mut records = Records::new(Box::new(file) as Box<dyn Read>, settings.delimiter.0)?;
        let mut record = Record::default();
        let mut sample = VecDeque::new();
        let began = records.read(&mut record)?;
        if !began && settings.header {
            return Err(Refusal::invalid("the file is empty", "line 1", "a record with the names of the columns"));
        }
        let names = names(&record, settings.header)?;
        if began && !settings.header {
            sample.push_back(record.clone());
        }
        let mut bytes = 0;
        while sample.len() < settings.sample_rows && bytes < SAMPLE_BYTES_MAX && records.read(&mut record)? {
            bytes += record.bytes();
            sample.push_back(record.clone());
        }
        let columns = columns(names, &settings, &sample)?;
        let table = TableBuilder::new(columns.iter().map(|column| column.kind.field(&column.name)));
        Ok(Self { records, columns, nulls: settings.nulls, table, sample, record, rows: 0 })
    }
}

/// The columns' names, from the first record or counted.
fn names(record: &Record, header: bool) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for index in 0..record.len() {
        let place = || format!("{}, column {}", line(record.line), index + 1);
        let name = match text(record, index)? {
            Some((text, _)) if header => text.trim().to_owned(),
            _ => format!("column-{}", index + 1),
        };
        if name.is_empty() || name.len() > 128 {
            return Err(Refusal::invalid("not a name for a column", place(), "1 to 128 bytes; or set `header` to false"));
        }
        if names.contains(&name) {
            return Err(Refusal::invalid(format!("a second column `{name}`"), place(), "every column named once"));
        }
        names.push(name);
    }
    Ok(names)
}

/// The columns' types, from the options or the sample.
fn columns(names: Vec<String>, settings: &Settings, sample: &VecDeque<Record>) -> Result<Vec<Column>> {
    if let Some(unknown) = settings.types.keys().find(|name| !names.contains(name)) {
        let names = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(Refusal::invalid("no such column", format!("/types/{unknown}"), format!("one of {names}")));
    }
    let mut columns = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let mut candidates = Candidates::new();
        for record in sample {
            if let Some((text, quoted)) = text(record, index).at(format!("column `{name}`")).at(line(record.line))?
                && !is_null(text, quoted, &settings.nulls)
            {
                candidates.see(text);
            }
        }
        let kind = match settings.types.get(&name) {
            None => candidates.kind(),
            Some(Type::Int) => Kind::Int,
            Some(Type::Float) => Kind::Float,
            Some(Type::Bool) => Kind::Bool,
            Some(Type::Date) => Kind::Date,
            Some(Type::Text) => Kind::Text,
            // Which of the two it is, only the values can say.
            Some(Type::Timestamp) if candidates.kind() == Kind::LocalTimestamp => Kind::LocalTimestamp,
            Some(Type::Timestamp) => Kind::Timestamp,
        };
        columns.push(Column { name, kind });
    }
    Ok(columns)
}

fn push(table: &mut TableBuilder, columns: &[Column], nulls: &[String], record: &Record) -> Result<()> {
    if record.len() != columns.len() {
        let what = format!("{} values", record.len());
        return Err(Refusal::invalid(what, "", format!("{}, one for each column", columns.len())));
    }
    let mut row = [Value::Null; crate::records::VALUES_MAX];
    for (index, Column { name, kind }) in columns.iter().enumerate() {
        let place = || format!("column `{name}`");
        let Some((text, quoted)) = text(record, index).map_err(|refusal| refusal.at(place()))? else { continue };
        if is_null(text, quoted, nulls) || (text.is_empty() && *kind != Kind::Text) {
            continue;
        }
        row[index] = kind.value(text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let expected = format!("{}; the option `types` can say otherwise", kind.example());
            Refusal::invalid(format!("`{}` is of another type", shown.escape_debug()), place(), expected)
        })?;
    }
    table.push(&row[..columns.len()])
}

fn is_null(text: &str, quoted: bool, nulls: &[String]) -> bool {
    !quoted && nulls.iter().any(|null| null == text)
}

fn text(record: &Record, index: usize) -> Result<Option<(&str, bool)>> {
    let Some((bytes, quoted)) = record.value(index) else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::invalid("not UTF-8", "", "the file as UTF-8"))?;
    Ok(Some((text, quoted)))
}

#[cfg(test)]
mod tests;
