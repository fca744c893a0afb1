//! Pure decisions: `decide(facts) → allow or deny`. Adapters gather the facts and obey; the browser host runs the same functions.
//!
//! The bounds of the shipped capabilities are typed here too, so that a manifest, a grant and a decision cannot
//! disagree about their shape. A capability of an application brings its own and gets the general rules below.

mod access;
pub mod blob;
pub mod call;
pub mod clock;
pub mod config;
mod decide;
pub mod deputy;
pub mod engine;
pub mod environment;
pub mod events;
pub mod filesystem;
pub mod header;
mod host;
pub mod http;
pub(crate) mod intersect;
mod key;
pub mod keyvalue;
mod names;
mod network;
pub(crate) mod order;
mod path;
pub mod random;
pub mod secrets;
mod target;
pub mod topic;
pub mod vectors;

pub use access::Access;
pub use decide::{Facts, decide};
pub use key::KEY_BYTES_MAX;
pub use network::Network;
pub use path::{PATH_BYTES_MAX, STEP_BYTES_MAX};
pub use target::{Target, URL_BYTES_MAX};

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
        "http" => parse::<http::HttpBounds>(bounds)?.check(),
        "filesystem" => parse::<filesystem::FilesystemBounds>(bounds)?.check(side),
        "config" => parse::<config::ConfigBounds>(bounds)?.check(side),
        "environment" => parse::<environment::EnvironmentBounds>(bounds)?.check(),
        "clock" => parse::<clock::ClockBounds>(bounds)?.check(),
        "random" => parse::<random::RandomBounds>(bounds)?.check(),
        "engine" => parse::<engine::EngineBounds>(bounds)?.check(),
        "keyvalue" => parse::<keyvalue::KeyValueBounds>(bounds)?.check(),
        "blob" => parse::<blob::BlobBounds>(bounds)?.check(),
        "secrets" => parse::<secrets::SecretsBounds>(bounds)?.check(),
        "events" => parse::<events::EventsBounds>(bounds)?.check(),
        "call" => parse::<call::CallBounds>(bounds)?.check(),
        "deputy" => parse::<deputy::DeputyBounds>(bounds)?.check(),
        _ => Ok(()),
    }
}

/// Whether bounds as written in a grant could be completed by what the plugin asked for: a bound that may still come from there is not missed, every
/// one that is there has to be known and readable. The whole of it is for [`narrow`].
pub fn check_written(capability: &str, bounds: &Map<String, Value>) -> Result<(), Issue> {
    match order::with_defaults(capability, bounds) {
        // Unknown names and unreadable values come first, in the order of the keys; what is missing is only noticed at the end.
        Err(issue) if !issue.what.starts_with("missing field") => Err(issue),
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
    let asked = asked.map(|asked| order::with_defaults(capability, asked)).transpose()?.map(|asked| askable(capability, &asked));
    let effective = overlay(asked.as_ref(), granted);
    check_bounds(capability, &effective, Side::Granted)?;
    let Some(asked) = asked else { return Ok(effective) };
    for (key, value) in granted {
        // What was not asked for is a limit on top, or the host's own part; for an application's own capability its meaning is that capability's.
        let left_out = order::left_out(capability, key);
        let Some(limit) = asked.get(key).or(left_out.as_ref()) else { continue };
        if !order::asks_for(capability, key, limit, value) {
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

fn overlay(asked: Option<&Map<String, Value>>, granted: &Map<String, Value>) -> Map<String, Value> {
    let mut effective = asked.cloned().unwrap_or_default();
    effective.extend(granted.clone());
    effective
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn networks_are_in_force_only_where_the_grant_names_them() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let asked = object(json!({ "hosts": ["*"], "methods": ["GET"], "networks": ["0.0.0.0/0"] }));
        let effective = narrow("http", Some(&asked), &object(json!({ "hosts": ["a.example"] }))).unwrap();
        assert_eq!(Value::from(effective), json!({ "hosts": ["a.example"], "methods": ["GET"], "redirects": false }));
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
