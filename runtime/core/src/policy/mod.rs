//! Pure decisions: `decide(facts) → allow or deny`. Adapters gather the facts and obey; the browser host runs the same functions.
//!
//! The bounds of the shipped capabilities are typed here too, so that a manifest, a grant and a decision cannot
//! disagree about their shape. A capability of an application brings its own and gets the general rules below.

pub mod clock;
pub mod config;
pub mod environment;
pub mod filesystem;
pub mod http;
mod network;
pub mod random;

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
        "environment" => parse::<environment::EnvironmentBounds>(bounds)?.check(),
        "clock" => parse::<clock::ClockBounds>(bounds)?.check(),
        "random" => parse::<random::RandomBounds>(bounds)?.check(),
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
///
/// What was asked is compared with its defaults filled in: who asks for hosts and says nothing of methods asks for `GET` and `HEAD`, and
/// cannot be given `DELETE`.
pub fn narrow(capability: &str, asked: Option<&Map<String, Value>>, granted: &Map<String, Value>) -> Result<Map<String, Value>, Issue> {
    let asked = asked.map(|asked| with_defaults(capability, asked)).transpose()?.map(|asked| askable(capability, &asked));
    let effective = overlay(asked.as_ref(), granted);
    check_bounds(capability, &effective, Side::Granted)?;
    let Some(asked) = asked else { return Ok(effective) };
    for (key, value) in granted {
        // A key that an application's own capability did not ask for is a further bound; its meaning is that capability's.
        let Some(limit) = asked.get(key) else { continue };
        let covered = match (capability, key.as_str()) {
            ("http", "hosts") => http::covers(limit, value),
            ("filesystem", "access") => filesystem::covers(limit, value),
            // Finer is more.
            ("clock", "resolution-ns") => covers(value, limit),
            _ => covers(limit, value),
        };
        if !covered {
            return Err(Issue { what: format!("more granted than asked: {value}"), at: key.clone(), expected: format!("within {limit}") });
        }
    }
    Ok(effective)
}

/// The part of asked bounds that asking can bring about. The rest is the host's own part of a grant and is in force only where a grant
/// names it: private addresses, the folder, the values.
pub fn askable(capability: &str, asked: &Map<String, Value>) -> Map<String, Value> {
    let of_the_host = |key: &str| matches!((capability, key), ("http", "networks") | ("filesystem", "root") | ("config", "values"));
    asked.iter().filter(|(key, _)| !of_the_host(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Bounds with the defaults of their type written out; those of an application's own capability as they are.
fn with_defaults(capability: &str, bounds: &Map<String, Value>) -> Result<Map<String, Value>, Issue> {
    let written = match capability {
        "http" => serde_json::to_value(parse::<http::HttpBounds>(bounds)?),
        "filesystem" => serde_json::to_value(parse::<filesystem::FilesystemBounds>(bounds)?),
        "config" => serde_json::to_value(parse::<config::ConfigBounds>(bounds)?),
        _ => return Ok(bounds.clone()),
    };
    match written {
        Ok(Value::Object(written)) => Ok(written),
        Ok(_) | Err(_) => Ok(bounds.clone()),
    }
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
    fn networks_are_in_force_only_where_the_grant_names_them() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let asked = object(json!({ "hosts": ["*"], "methods": ["GET"], "networks": ["0.0.0.0/0"] }));
        let effective = narrow("http", Some(&asked), &object(json!({ "hosts": ["a.example"] }))).unwrap();
        assert_eq!(Value::from(effective), json!({ "hosts": ["a.example"], "methods": ["GET"] }));
        let named = object(json!({ "networks": ["10.0.0.0/8"] }));
        assert_eq!(narrow("http", Some(&asked), &named).unwrap()["networks"], json!(["10.0.0.0/8"]));
    }

    #[test]
    fn what_was_not_mentioned_was_asked_for_by_its_default_and_no_more() {
        for (capability, asked, granted) in [
            ("http", json!({"hosts": ["*"]}), json!({"methods": ["GET", "DELETE"]})),
            ("filesystem", json!({}), json!({"root": "/srv", "access": "write"})),
            ("config", json!({}), json!({"keys": ["a"], "values": {"a": "b"}})),
            ("clock", json!({"resolution-ns": 1000}), json!({"resolution-ns": 1})),
            ("random", json!({"call-bytes": 1000}), json!({"call-bytes": 1001})),
            ("environment", json!({"variables": ["LANG"]}), json!({"variables": ["HOME"]})),
        ] {
            let narrowed = narrow(capability, asked.as_object(), granted.as_object().unwrap());
            assert!(narrowed.unwrap_err().what.starts_with("more granted than asked"), "{capability}");
        }
        let wider = narrow("clock", json!({"resolution-ns": 1000}).as_object(), json!({"resolution-ns": 5000}).as_object().unwrap());
        assert_eq!(wider.unwrap()["resolution-ns"], 5000);
    }

    #[test]
    fn a_bad_bound_is_named() {
        let bounds = json!({"hosts": ["ok.example"], "methods": "GET"});
        let issue = check_bounds("http", bounds.as_object().unwrap(), Side::Asked).unwrap_err();
        assert_eq!(issue.at, "methods");
    }
}
