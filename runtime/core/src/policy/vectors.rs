//! Decisions written down: a text of cases, and what decides them again.
//!
//! The same text runs natively, in a guest on wasm32 and in the browser, so that hosts cannot drift apart. It knows no files: whoever
//! calls hands over the text.
//!
//! A line is empty, a comment (`#`), `bounds CAPABILITY {…}` (in force for the cases below it; `bounds CAPABILITY none`: not granted), or a
//! case: what is expected (`allow` or a code), the kind of facts, the facts. Words are separated by blanks; one in double quotes is a
//! JSON string, and `"a"*5` is `"aaaaa"`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::{Access, Decision, Facts, decide};

/// What came of a text of cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many cases it has.
    pub cases: usize,
    /// Those that were decided otherwise than expected, and lines that are no case.
    pub mismatches: Vec<Mismatch>,
}

/// A line that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its number, from 1.
    pub line: usize,
    /// What it says should come.
    pub expected: String,
    /// What came.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected `{}`, found `{}`", self.line, self.expected, self.found)
    }
}

/// Decides every case of the text.
pub fn run(text: &str) -> Report {
    let mut report = Report::default();
    let mut bounds = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (expected, found) = match line.strip_prefix("bounds ") {
            Some(line) => match read_bounds(line) {
                Some((capability, read)) => {
                    bounds.insert(capability, read);
                    continue;
                }
                None => ("bounds".to_owned(), "neither bounds nor `none`".to_owned()),
            },
            None => {
                report.cases += 1;
                read_case(line, &bounds)
            }
        };
        if expected != found {
            report.mismatches.push(Mismatch { line: index + 1, expected, found });
        }
    }
    report
}

type Bounds = BTreeMap<String, Option<Map<String, Value>>>;

fn read_bounds(line: &str) -> Option<(String, Option<Map<String, Value>>)> {
    let (capability, bounds) = line.trim().split_once(' ')?;
    let bounds = match bounds.trim() {
        "none" => None,
        json => Some(serde_json::from_str(json).ok()?),
    };
    Some((capability.to_owned(), bounds))
}

/// What a case expects and what is decided; what cannot be read is told as if it had been decided.
fn read_case(line: &str, bounds: &Bounds) -> (String, String) {
    let Some(words) = read_words(line) else { return ("words".to_owned(), "a quote that is not closed".to_owned()) };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [expected, kind, facts @ ..] = words.as_slice() else {
        return ("a case".to_owned(), "fewer than two words".to_owned());
    };
    let found = decide_words(kind, facts, bounds).unwrap_or_else(|| format!("`{kind}` with {} facts is no kind of case", facts.len()));
    ((*expected).to_owned(), found)
}

fn decide_words(kind: &str, facts: &[&str], bounds: &Bounds) -> Option<String> {
    let access = |word: &str| match word {
        "read" => Some(Access::Read),
        "write" => Some(Access::Write),
        _ => None,
    };
    let fields: Vec<(&str, &[u8])>;
    let facts = match (kind, facts) {
        ("request", [method, url]) => Facts::Request { method, url },
        ("address", [address]) => Facts::Address(address.parse().ok()?),
        ("fields", [body_bytes, words @ ..]) => {
            fields = words.chunks(2).map(|pair| Some((*pair.first()?, pair.get(1)?.as_bytes()))).collect::<Option<_>>()?;
            Facts::Fields { fields: &fields, body_bytes: if *body_bytes == "?" { None } else { Some(body_bytes.parse().ok()?) } }
        }
        // Many equal fields, because nobody wants to write 65 of them.
        ("repeated-field", [times, name, value]) => {
            fields = vec![(*name, value.as_bytes()); times.parse().ok()?];
            Facts::Fields { fields: &fields, body_bytes: None }
        }
        ("path", [mode, path]) => Facts::Path { path, access: access(mode)? },
        ("key", [mode, store, key]) => Facts::Key { store, key, access: access(mode)? },
        ("object", [mode, container, name]) => Facts::Object { container, name, access: access(mode)? },
        ("reveal", [name]) => Facts::Reveal { name },
        ("send", [name, header, url]) => Facts::Send { name, header, url },
        ("publish", [topic, hops]) => Facts::Publish { topic, hops: hops.parse().ok()? },
        ("receive", [topic]) => Facts::Receive { topic },
        ("setting", [key]) => Facts::Setting { key },
        ("variable", [name]) => Facts::Variable { name },
        _ => return None,
    };
    let granted = bounds.get(facts.capability()).and_then(Option::as_ref);
    Some(match decide(granted, &facts) {
        Ok(Decision::Allow) => "allow".to_owned(),
        Ok(Decision::Deny { code, .. }) => code.to_owned(),
        Err(issue) => format!("bad bounds: {issue}"),
    })
}

fn read_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = if rest.starts_with('"') {
            let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let word = strings.next()?.ok()?;
            (word, rest.get(strings.byte_offset()..)?)
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest.get(..end)?.to_owned(), rest.get(end..)?)
        };
        let (word, after) = match after.strip_prefix('*') {
            Some(times) => {
                let end = times.find(char::is_whitespace).unwrap_or(times.len());
                (word.repeat(times.get(..end)?.parse().ok()?), times.get(end..)?)
            }
            None => (word, after),
        };
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}
