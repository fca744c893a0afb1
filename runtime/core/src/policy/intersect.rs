//! What two bounds of one capability both allow.
//!
//! Never more than either; where that cannot be told, nothing. Easily got wrong: the answer may be less than what both allow, as where two patterns overlap and
//! neither is within the other.

use serde_json::{Map, Value};

use super::{Side, check_bounds, order};

/// The bounds that stay within both; none where they have nothing in common, or nobody can tell. Where two bounds say the same it is said as the first one does.
pub(crate) fn intersect(capability: &str, one: &Map<String, Value>, other: &Map<String, Value>) -> Option<Map<String, Value>> {
    let (one, other) = (order::with_defaults(capability, one).ok()?, order::with_defaults(capability, other).ok()?);
    let mut both = Map::new();
    for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
        let value = match (one.get(key), other.get(key)) {
            (Some(one), Some(other)) => common(capability, key, one, other)?,
            // Without it there is no such limit; but what a bound of an application's own says by being there, nobody here knows.
            (Some(only), None) | (None, Some(only)) if order::is_shipped(capability) => only.clone(),
            _ => return None,
        };
        both.insert(key.clone(), value);
    }
    check_bounds(capability, &both, Side::Granted).is_ok().then_some(both)
}

fn common(capability: &str, key: &str, one: &Value, other: &Value) -> Option<Value> {
    let covers = |outer: &Value, inner: &Value| order::covers(capability, key, outer, inner);
    if covers(other, one) {
        return Some(one.clone());
    }
    if covers(one, other) {
        return Some(other.clone());
    }
    let (Value::Array(left), Value::Array(right)) = (one, other) else { return None };
    let mut common: Vec<Value> = Vec::new();
    let within = |outer: &Value, inner: &Value| covers(outer, &Value::Array(vec![inner.clone()]));
    let kept = left.iter().filter(|value| within(other, value)).chain(right.iter().filter(|value| within(one, value)));
    for value in kept {
        if !common.contains(value) {
            common.push(value.clone());
        }
    }
    (!common.is_empty()).then_some(Value::Array(common))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn both(capability: &str, one: &Value, other: &Value) -> Option<Value> {
        let there = intersect(capability, one.as_object().unwrap(), other.as_object().unwrap());
        let back = intersect(capability, other.as_object().unwrap(), one.as_object().unwrap());
        assert_eq!(there.is_some(), back.is_some(), "{capability}: {one} and {other}, from either side");
        // Whatever it is, it is within each.
        for (outer, inner) in [one, other].into_iter().flat_map(|outer| [(outer, &there), (outer, &back)]) {
            let (Some(inner), Ok(outer)) = (inner, order::with_defaults(capability, outer.as_object().unwrap())) else { continue };
            for (key, value) in inner {
                assert!(order::is_within(capability, key, outer.get(key), Some(value)), "{capability}.{key}: {value} in {outer:?}");
            }
        }
        there.map(Value::Object)
    }

    #[test]
    fn both_sides_allow_what_is_left() {
        let hosts = |hosts: &[&str]| json!({"hosts": hosts, "methods": ["GET"]});
        let left = |one: &[&str], other: &[&str]| both("http", &hosts(one), &hosts(other)).map(|bounds| bounds["hosts"].clone());
        assert_eq!(left(&["*.example.com"], &["api.example.com"]), Some(json!(["api.example.com"])));
        assert_eq!(left(&["a.example", "*.b.example"], &["x.b.example", "c.example"]), Some(json!(["x.b.example"])));
        assert_eq!(left(&["a.example"], &["b.example"]), None);
        assert_eq!(left(&["*"], &["b.example"]), Some(json!(["b.example"])));
    }

    #[test]
    fn a_limit_of_either_side_stays_and_the_smaller_wins() {
        let one = json!({"hosts": ["a.example"], "methods": ["GET", "POST"], "bytes-per-minute": 10});
        let other = json!({"hosts": ["a.example"], "methods": ["POST", "PUT"], "concurrency": 2});
        let left = both("http", &one, &other).unwrap();
        assert_eq!((&left["methods"], &left["bytes-per-minute"], &left["concurrency"]), (&json!(["POST"]), &json!(10), &json!(2)));
        assert_eq!(both("http", &json!({"hosts": ["a.example"], "methods": ["POST"]}), &json!({"hosts": ["a.example"]})), None);
        let coarser = both("clock", &json!({"resolution-ns": 1000}), &json!({"resolution-ns": 5000})).unwrap();
        assert_eq!(coarser["resolution-ns"], 5000);
        let unseen = json!({"names": ["key"], "reveal": true, "hosts": ["a.example"]});
        let hidden = json!({"names": ["key"], "hosts": ["a.example"]});
        assert_eq!(both("secrets", &unseen, &hidden).unwrap()["reveal"], false);
    }

    #[test]
    fn what_nobody_can_tell_is_nothing() {
        assert_eq!(both("filesystem", &json!({"root": "/a"}), &json!({"root": "/b"})), None);
        assert_eq!(both("own", &json!({"table": "a"}), &json!({"table": "b"})), None);
        assert_eq!(both("own", &json!({"table": "a"}), &json!({})), None);
        assert_eq!(both("own", &json!({"table": "a"}), &json!({"table": "a"})), Some(json!({"table": "a"})));
        assert_eq!(both("http", &json!({"hosts": 7}), &json!({"hosts": ["*"]})), None);
    }
}
