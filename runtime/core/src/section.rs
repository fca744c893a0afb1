//! One table of a TOML file, read key by key: what is missing, of another type, out of range or unknown becomes a finding, and reading goes on.
//!
//! What a reader may get wrong: a key that was not asked for before [`Section::end`] is unknown, so every key is taken even where an earlier one was wrong.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::Issue;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<Issue>);

impl Findings {
    /// One more: where, what is wrong, and what would have been right.
    pub fn add(&mut self, at: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.0.push(Issue { what: what.into(), at: at.to_owned(), expected: expected.into() });
    }

    /// An issue of a part, under the place of the whole.
    pub fn put(&mut self, at: &str, mut issue: Issue) {
        issue.at = if issue.at.is_empty() { at.to_owned() } else { format!("{at}.{}", issue.at) };
        self.0.push(issue);
    }

    /// The value, or a finding in its place.
    pub fn check<T>(&mut self, at: &str, result: Result<T, Issue>) -> Option<T> {
        result.map_err(|issue| self.put(at, issue)).ok()
    }
}

/// A table and its place.
#[derive(Debug)]
pub struct Section {
    at: String,
    entries: toml::Table,
    known: Vec<&'static str>,
}

impl Section {
    /// A table that stands at this place; empty for the whole file.
    pub fn new(at: impl Into<String>, entries: toml::Table) -> Self {
        Self { at: at.into(), entries, known: Vec::new() }
    }

    /// The place of a key.
    pub fn place(&self, key: &str) -> String {
        place(&self.at, key)
    }

    /// Whether the key is there and was not yet taken.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key, of any type.
    pub fn take(&mut self, key: &'static str) -> Option<toml::Value> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// Text; what is of another type is a finding, and none.
    pub fn text(&mut self, key: &'static str, findings: &mut Findings) -> Option<String> {
        match self.take(key)? {
            toml::Value::String(text) => Some(text),
            other => {
                findings.add(&self.place(key), a(&other), "text");
                None
            }
        }
    }

    /// Text that has to be there.
    pub fn needed(&mut self, key: &'static str, expected: &str, findings: &mut Findings) -> Option<String> {
        if !self.entries.contains_key(key) {
            self.known.push(key);
            findings.add(&self.place(key), "it is missing", expected);
            return None;
        }
        self.text(key, findings)
    }

    /// A whole number within a range; what is not is a finding, and none.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<u64>, findings: &mut Findings) -> Option<u64> {
        let expected = || format!("{} to {}", range.start(), range.end());
        match self.take(key)? {
            toml::Value::Integer(number) => match u64::try_from(number).ok().filter(|number| range.contains(number)) {
                Some(number) => Some(number),
                None => {
                    findings.add(&self.place(key), number.to_string(), expected());
                    None
                }
            },
            other => {
                findings.add(&self.place(key), a(&other), expected());
                None
            }
        }
    }

    /// A table; what is of another type is a finding, and none.
    pub fn table(&mut self, key: &'static str, findings: &mut Findings) -> Option<toml::Table> {
        let value = self.take(key)?;
        table(value, &self.place(key), findings)
    }

    /// A list; what is of another type is a finding, and none.
    pub fn list(&mut self, key: &'static str, expected: &str, findings: &mut Findings) -> Option<Vec<toml::Value>> {
        match self.take(key)? {
            toml::Value::Array(list) => Some(list),
            other => {
                findings.add(&self.place(key), a(&other), expected);
                None
            }
        }
    }

    /// Everything that nobody asked for.
    pub fn end(self, findings: &mut Findings) {
        let expected = format!("one of `{}`", self.known.join("`, `"));
        for key in self.entries.keys() {
            findings.add(&place(&self.at, key), "unknown key", expected.clone());
        }
    }
}

/// A value as a table; what is of another type is a finding, and none.
pub fn table(value: toml::Value, at: &str, findings: &mut Findings) -> Option<toml::Table> {
    match value {
        toml::Value::Table(table) => Some(table),
        other => {
            findings.add(at, a(&other), "a table");
            None
        }
    }
}

/// The same as JSON, its keys in order, so that one meaning has one spelling. Dates and numbers that JSON lacks are findings.
pub(crate) fn json(value: toml::Value, at: &str, findings: &mut Findings) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number).map_or_else(
            || {
                findings.add(at, number.to_string(), "a finite number");
                Value::Null
            },
            Value::Number,
        ),
        toml::Value::Datetime(date) => {
            findings.add(at, format!("the date {date}"), "text; a date has no form that every plugin reads");
            Value::Null
        }
        toml::Value::Array(list) => {
            list.into_iter().enumerate().map(|(index, value)| json(value, &format!("{at}[{index}]"), findings)).collect()
        }
        toml::Value::Table(table) => Value::Object(object(table, at, findings)),
    }
}

/// A table as a JSON object, as [`json`].
pub(crate) fn object(table: toml::Table, at: &str, findings: &mut Findings) -> Map<String, Value> {
    let mut entries: Vec<(String, toml::Value)> = table.into_iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries
        .into_iter()
        .map(|(key, value)| {
            let value = json(value, &place(at, &key), findings);
            (key, value)
        })
        .collect()
}

/// `at.key`, with a key that is no plain word in quotes and cut: it may hold anything.
pub fn place(at: &str, key: &str) -> String {
    let is_plain = (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let key = if is_plain { key.to_owned() } else { format!("\"{}\"", key.chars().take(64).collect::<String>().escape_debug()) };
    if at.is_empty() { key } else { format!("{at}.{key}") }
}

fn a(value: &toml::Value) -> String {
    let article = if matches!(value, toml::Value::Integer(_) | toml::Value::Array(_)) { "an" } else { "a" };
    format!("{article} {}", value.type_str())
}
