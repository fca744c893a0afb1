//! Pure decisions: `decide(facts) → allow or deny`. Adapters gather the facts and obey; the browser host runs the same functions.
//!
//! The bounds of the shipped capabilities are typed here too, so that a manifest, a grant and a decision cannot
//! disagree about their shape. A capability of an application brings its own and gets the general rules below.

pub mod config;
pub mod filesystem;
pub mod http;
mod network;

pub use network::Network;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Issue;

/// Who states the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The plugin, in its manifest.
    Asked,
    /// The host, in a grant.
    Granted,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allow,
    /// Do not.
    Deny {
        /// Stable, such as `E-CAP-HTTP-HOST`.
        code: &'static str,
        /// The rule that decided, in words.
        rule: String,
        /// The bound that would allow it, as it would stand in a grant.
        hint: String,
    },
}

/// Whether bounds have the shape their capability expects. Unknown capabilities: anything goes here; the one who offers
/// it checks when it is configured.
pub fn check_bounds(capability: &str, bounds: &Map<String, Value>, side: Side) -> Result<(), Issue> {
    match capability {
        "http" => parse::<http::HttpBounds>(bounds).map(drop),
        "filesystem" => parse::<filesystem::FilesystemBounds>(bounds)?.check(side),
        "config" => parse::<config::ConfigBounds>(bounds)?.check(side),
        _ => Ok(()),
    }
}

/// Reads bounds as a type; the issue names the key.
pub fn parse<T: DeserializeOwned>(bounds: &Map<String, Value>) -> Result<T, Issue> {
    // One key at a time first: serde's own message does not say which key a bad value stood under.
    serde_json::from_value(Value::Object(bounds.clone())).map_err(|error| {
        let text = error.to_string();
        let at = bounds
            .iter()
            .find(|(key, _)| {
                let mut without = bounds.clone();
                without.remove(*key);
                match serde_json::from_value::<T>(Value::Object(without)) {
                    Ok(_) => true,
                    Err(other) => other.to_string() != text,
                }
            })
            .map(|(key, _)| key.clone())
            .unwrap_or_default();
        Issue { what: text, at, expected: String::new() }
    })
}

/// The bounds in force when `granted` is given to a plugin that asked for `asked` (none: it has no manifest).
pub fn narrow(capability: &str, asked: Option<&Map<String, Value>>, granted: &Map<String, Value>) -> Result<Map<String, Value>, Issue> {
    check_bounds(capability, granted, Side::Granted).or_else(|issue| {
        // A grant may leave out what was asked: check it again with the asked bounds filled in.
        check_bounds(capability, &overlay(asked, granted), Side::Granted).map_err(|_| issue)
    })?;
    let effective = overlay(asked, granted);
    if let Some(asked) = asked {
        for (key, value) in granted {
            if let Some(limit) = asked.get(key) {
                let covered = match (capability, key.as_str()) {
                    ("http", "hosts") => http::covers(limit, value),
                    // Networks open private addresses: the host's own decision, whatever was asked.
                    ("http", "networks") => true,
                    ("filesystem", "access") => filesystem::covers(limit, value),
                    _ => covers(limit, value),
                };
                if !covered {
                    return Err(Issue {
                        what: format!("more granted than asked: {value}"),
                        at: key.clone(),
                        expected: format!("within {limit}"),
                    });
                }
            }
        }
    }
    Ok(effective)
}

fn overlay(asked: Option<&Map<String, Value>>, granted: &Map<String, Value>) -> Map<String, Value> {
    let mut effective = asked.cloned().unwrap_or_default();
    effective.extend(granted.clone());
    effective
}

/// The general rule for bounds of any shape: a list may lose members (`"*"` asked for all), a number may fall, `true` may become
/// `false`, anything else stays as it is.
fn covers(asked: &Value, granted: &Value) -> bool {
    match (asked, granted) {
        (Value::Array(asked), Value::Array(granted)) => {
            asked.iter().any(|value| value == "*") || granted.iter().all(|value| asked.contains(value))
        }
        (Value::Number(asked), Value::Number(granted)) => granted.as_f64() <= asked.as_f64(),
        (Value::Bool(asked), Value::Bool(granted)) => *asked || !granted,
        (Value::Object(asked), Value::Object(granted)) => {
            granted.iter().all(|(key, value)| asked.get(key).is_some_and(|asked| covers(asked, value)))
        }
        _ => asked == granted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_general_rule_only_narrows() {
        for (asked, granted, fits) in [
            (json!(["a", "b"]), json!(["a"]), true),
            (json!(["a"]), json!(["b"]), false),
            (json!(["*"]), json!(["b"]), true),
            (json!(5), json!(4), true),
            (json!(5), json!(6), false),
            (json!(false), json!(true), false),
            (json!("x"), json!("y"), false),
        ] {
            assert_eq!(covers(&asked, &granted), fits, "{asked} {granted}");
        }
    }

    #[test]
    fn a_bad_bound_is_named() {
        let bounds = json!({"hosts": ["ok.example"], "methods": "GET"});
        let issue = check_bounds("http", bounds.as_object().unwrap(), Side::Asked).unwrap_err();
        assert_eq!(issue.at, "methods");
    }
}
