//! Which columns there are, of which types, and how a row fits them.
//!
//! JSON says the type of each value, so little is guessed: integers and floats together are floats, any other mixture is
//! text only if `types` says so. Dates and times are text in JSON and stay text unless `types` says otherwise.

use std::collections::BTreeMap;

use plugwork_guest::prelude::*;
use plugwork_guest::time;

use crate::object::{MEMBERS_MAX, Object, Plain};

/// A column's type, as `types` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Int,
    Float,
    Bool,
    /// Text such as `2018-02-07`.
    Date,
    /// Text such as `2018-02-07T01:26:13Z`, or milliseconds since 1970.
    Timestamp,
    Text,
}

/// The columns in the order in which they were first seen; those that only `types` names come last.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
    // No hash map: its seed would make the plugin import randomness.
    by_name: BTreeMap<String, usize>,
    given: BTreeMap<String, Type>,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// None until a value that is not null was seen.
    kind: Option<Type>,
}

impl Columns {
    pub(crate) fn new(given: &BTreeMap<String, Type>) -> Self {
        Self { given: given.clone(), ..Self::default() }
    }

    /// Takes a row of the sample into account.
    pub(crate) fn see(&mut self, row: &Object<'_>) -> Result<()> {
        for (name, value) in &row.members {
            let index = self.find_or_add(name)?;
            let column = &mut self.columns[index];
            if self.given.contains_key(column.name.as_str()) {
                continue;
            }
            column.kind = match (column.kind, type_of(value)) {
                (known, None) => known,
                (None, Some(seen)) => Some(seen),
                (Some(known), Some(seen)) if known == seen => Some(known),
                (Some(Type::Int | Type::Float), Some(Type::Int | Type::Float)) => Some(Type::Float),
                (Some(known), Some(seen)) => {
                    let what = format!("{} in a column of {}", words(seen), words(known));
                    return Err(Refusal::invalid(what, place(name), "one type; the option `types` can say which"));
                }
            };
        }
        Ok(())
    }

    /// Ends the sample: from here on columns do not change.
    pub(crate) fn settle(&mut self) -> Vec<Field> {
        for (name, kind) in &self.given {
            match self.by_name.get(name) {
                Some(&index) => self.columns[index].kind = Some(*kind),
                None => {
                    self.by_name.insert(name.clone(), self.columns.len());
                    self.columns.push(Column { name: name.clone(), kind: Some(*kind) });
                }
            }
        }
        let field = |column: &Column| match column.kind {
            Some(Type::Int) => Field::i64(&column.name),
            Some(Type::Float) => Field::f64(&column.name),
            Some(Type::Bool) => Field::bool(&column.name),
            Some(Type::Date) => Field::days(&column.name),
            Some(Type::Timestamp) => Field::timestamp_ms(&column.name),
            Some(Type::Text) | None => Field::text(&column.name),
        };
        self.columns.iter().map(field).collect()
    }

    /// Adds a row to the table.
    pub(crate) fn push(&self, table: &mut TableBuilder, row: &Object<'_>) -> Result<()> {
        let mut values = [Value::Null; MEMBERS_MAX];
        let mut filled = [false; MEMBERS_MAX];
        for (position, (name, value)) in row.members.iter().enumerate() {
            // Rows mostly have their members in the same order: then nothing has to be looked up.
            let index = match self.columns.get(position) {
                Some(column) if column.name == *name => position,
                _ => *self.by_name.get(name.as_ref()).ok_or_else(|| {
                    Refusal::invalid("no earlier row has it", place(name), "a larger `sample-rows`, or its type in `types`")
                })?,
            };
            if std::mem::replace(&mut filled[index], true) {
                return Err(Refusal::invalid("stands twice in one object", place(name), "every name once"));
            }
            values[index] = self.value(index, value)?;
        }
        table.push(&values[..self.columns.len()])
    }

    fn value<'a>(&self, index: usize, value: &'a Plain<'_>) -> Result<Value<'a>> {
        let Column { name, kind } = &self.columns[index];
        let kind = kind.unwrap_or(Type::Text);
        let fitted = match (kind, value) {
            (_, Plain::Null) => Some(Value::Null),
            (Type::Int | Type::Timestamp, Plain::Int(value)) => Some(Value::I64(*value)),
            (Type::Float, Plain::Int(value)) => Some(Value::F64(*value as f64)),
            (Type::Float, Plain::Float(value)) => Some(Value::F64(*value)),
            (Type::Bool, Plain::Bool(value)) => Some(Value::Bool(*value)),
            (Type::Text, Plain::Text(text)) => Some(Value::Text(text)),
            (Type::Date, Plain::Text(text)) => time::parse_date(text).map(Value::from),
            (Type::Timestamp, Plain::Text(text)) => {
                time::parse_timestamp(text).filter(|time| time.zoned).map(|time| time.milliseconds.into())
            }
            _ => None,
        };
        fitted.ok_or_else(|| {
            let expected = format!("{}; the option `types` can say otherwise", words(kind));
            Refusal::invalid(format!("{} is of another type", shown(value)), place(name), expected)
        })
    }

    fn find_or_add(&mut self, name: &str) -> Result<usize> {
        if let Some(&index) = self.by_name.get(name) {
            return Ok(index);
        }
        if self.columns.len() == MEMBERS_MAX {
            return Err(Refusal::invalid("column 257", place(name), "at most 256 columns"));
        }
        if name.is_empty() || name.len() > 128 {
            return Err(Refusal::invalid("not a name for a column", place(name), "1 to 128 bytes"));
        }
        self.by_name.insert(name.to_owned(), self.columns.len());
        self.columns.push(Column { name: name.to_owned(), kind: None });
        Ok(self.columns.len() - 1)
    }
}

fn type_of(value: &Plain<'_>) -> Option<Type> {
    match value {
        Plain::Null => None,
        Plain::Bool(_) => Some(Type::Bool),
        Plain::Int(_) => Some(Type::Int),
        Plain::Float(_) => Some(Type::Float),
        Plain::Text(_) => Some(Type::Text),
    }
}

fn words(kind: Type) -> &'static str {
    match kind {
        Type::Int => "integers",
        Type::Float => "numbers",
        Type::Bool => "bools",
        Type::Date => "dates such as \"2018-02-07\"",
        Type::Timestamp => "times such as \"2018-02-07T01:26:13Z\", or milliseconds",
        Type::Text => "text",
    }
}

fn shown(value: &Plain<'_>) -> String {
    match value {
        Plain::Null => "null".into(),
        Plain::Bool(value) => value.to_string(),
        Plain::Int(value) => value.to_string(),
        Plain::Float(value) => format!("{value:?}"),
        Plain::Text(text) => format!("\"{}\"", text.chars().take(40).collect::<String>().escape_debug()),
    }
}

fn place(name: &str) -> String {
    format!("column `{}`", name.chars().take(128).collect::<String>().escape_debug())
}
