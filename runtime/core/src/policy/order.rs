//! The order of rights: whether one bound stays within another. Narrowing a grant and comparing two grants both ask here.
//!
//! Both sides are bounds with their defaults written out. A bound that is missing on the outer side is a limit that does not exist, unless
//! [`left_out`] says what its absence means.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Access, Network, blob, call, clock, config, deputy, engine, environment, events, filesystem, host, http, keyvalue, parse, random,
    secrets, topic,
};
use crate::Issue;

/// Bounds with the defaults of their type written out; those of an application's own capability as they are.
pub(crate) fn with_defaults(capability: &str, bounds: &Map<String, Value>) -> Result<Map<String, Value>, Issue> {
    match capability {
        "http" => written::<http::HttpBounds>(bounds),
        "filesystem" => written::<filesystem::FilesystemBounds>(bounds),
        "config" => written::<config::ConfigBounds>(bounds),
        "engine" => written::<engine::EngineBounds>(bounds),
        "keyvalue" => written::<keyvalue::KeyValueBounds>(bounds),
        "blob" => written::<blob::BlobBounds>(bounds),
        "secrets" => written::<secrets::SecretsBounds>(bounds),
        "events" => written::<events::EventsBounds>(bounds),
        "environment" => written::<environment::EnvironmentBounds>(bounds),
        "clock" => written::<clock::ClockBounds>(bounds),
        "random" => written::<random::RandomBounds>(bounds),
        "call" => written::<call::CallBounds>(bounds),
        "deputy" => written::<deputy::DeputyBounds>(bounds),
        _ => Ok(bounds.clone()),
    }
}

fn written<T: Serialize + DeserializeOwned>(bounds: &Map<String, Value>) -> Result<Map<String, Value>, Issue> {
    match serde_json::to_value(parse::<T>(bounds)?) {
        Ok(Value::Object(written)) => Ok(written),
        Ok(_) | Err(_) => Ok(bounds.clone()),
    }
}

/// Whether `inner` stays within `outer`, where either side may lack the bound; not asked for a bound whose absence means something ([`left_out`]).
///
/// Every bound of a shipped capability that can be missing is a limit, which is then not there; what an application's own bound says by being
/// there or not, only the application knows.
pub(crate) fn is_within(capability: &str, key: &str, outer: Option<&Value>, inner: Option<&Value>) -> bool {
    match (outer, inner) {
        (Some(outer), Some(inner)) => covers(capability, key, outer, inner),
        (None, None) => true,
        (None, Some(_)) => is_shipped(capability),
        (Some(_), None) => false,
    }
}

/// What a bound means where it is left out, if that is not "no limit": the few bounds that give something instead of limiting it.
pub(crate) fn left_out(capability: &str, key: &str) -> Option<Value> {
    match (capability, key) {
        ("engine", "reuse-calls" | "calls-at-once") => Some(Value::from(1)),
        _ => None,
    }
}

pub(super) fn is_shipped(capability: &str) -> bool {
    const SHIPPED: [&str; 13] = [
        "http",
        "filesystem",
        "config",
        "environment",
        "clock",
        "random",
        "engine",
        "keyvalue",
        "blob",
        "secrets",
        "events",
        "call",
        "deputy",
    ];
    SHIPPED.contains(&capability)
}

/// Whether `inner` stays within `outer`, for one bound of a capability.
pub(crate) fn covers(capability: &str, key: &str, outer: &Value, inner: &Value) -> bool {
    match (capability, key) {
        ("http" | "secrets", "hosts") => lists(outer, inner, host::HostPattern::covers),
        ("http", "networks") => lists(outer, inner, Network::covers),
        ("events", "in" | "out") => lists(outer, inner, topic::TopicPattern::covers),
        ("filesystem" | "keyvalue" | "blob", "access") => ranks::<Access>(outer, inner),
        ("engine", "profile") => ranks::<engine::EngineProfile>(outer, inner),
        ("events", "overflow") => ranks::<crate::events::Overflow>(outer, inner),
        // Finer is more.
        ("clock", "resolution-ns") => general(inner, outer),
        _ => general(outer, inner),
    }
}

/// Whether a plugin that asks for `asked` can be granted `granted`: as [`covers`], but that a bare `*` among asked hosts asks for whatever
/// the host will name.
pub(crate) fn asks_for(capability: &str, key: &str, asked: &Value, granted: &Value) -> bool {
    match (capability, key) {
        ("http" | "secrets", "hosts") => lists(asked, granted, host::HostPattern::asks_for),
        _ => covers(capability, key, asked, granted),
    }
}

fn lists<T: DeserializeOwned>(outer: &Value, inner: &Value, covers: fn(&T, &T) -> bool) -> bool {
    let read = |value: &Value| serde_json::from_value::<Vec<T>>(value.clone());
    match (read(outer), read(inner)) {
        (Ok(outer), Ok(inner)) => inner.iter().all(|narrower| outer.iter().any(|wider| covers(wider, narrower))),
        _ => false,
    }
}

fn ranks<T: DeserializeOwned + PartialOrd>(outer: &Value, inner: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<T>(value.clone());
    matches!((read(outer), read(inner)), (Ok(outer), Ok(inner)) if inner <= outer)
}

/// The general rule for bounds of any shape: a list may lose members (`"*"` stands for all), a number may fall, `true` may become
/// `false`, anything else stays as it is.
fn general(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::Array(outer), Value::Array(inner)) => {
            outer.iter().any(|value| value == "*") || inner.iter().all(|value| outer.contains(value))
        }
        (Value::Number(outer), Value::Number(inner)) => match (outer.as_i128(), inner.as_i128()) {
            (Some(outer), Some(inner)) => inner <= outer,
            // Only then: above 2^53 two whole numbers that differ can be one `f64`.
            _ => matches!((outer.as_f64(), inner.as_f64()), (Some(outer), Some(inner)) if inner <= outer),
        },
        (Value::Bool(outer), Value::Bool(inner)) => *outer || !inner,
        (Value::Object(outer), Value::Object(inner)) => {
            inner.iter().all(|(key, value)| outer.get(key).is_some_and(|outer| general(outer, value)))
        }
        _ => outer == inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_general_rule_only_narrows() {
        for (outer, inner, fits) in [
            (json!(["a", "b"]), json!(["a"]), true),
            (json!(["a"]), json!(["b"]), false),
            (json!(["a"]), json!(["*"]), false),
            (json!(["*"]), json!(["b"]), true),
            (json!(5), json!(4), true),
            (json!(5), json!(5), true),
            (json!(5), json!(6), false),
            (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64), false),
            (json!(u64::MAX), json!(-1), true),
            (json!(0.5), json!(1), false),
            (json!(1), json!(0.5), true),
            (json!(false), json!(true), false),
            (json!(true), json!(false), true),
            (json!(true), json!(true), true),
            (json!(false), json!(false), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!({"a": 1}), json!({"a": 1}), true),
            (json!({"a": 1}), json!({"b": 1}), false),
            (json!({"a": 1}), json!({}), true),
            (json!("x"), json!("y"), false),
            (json!("x"), json!("x"), true),
            (json!(1), json!("1"), false),
        ] {
            assert_eq!(general(&outer, &inner), fits, "{outer} {inner}");
        }
    }

    #[test]
    fn what_cannot_be_read_covers_nothing() {
        for (capability, key) in
            [("http", "hosts"), ("http", "networks"), ("events", "in"), ("filesystem", "access"), ("engine", "profile")]
        {
            assert!(!covers(capability, key, &json!(7), &json!(7)), "{capability}.{key}");
        }
    }
}
