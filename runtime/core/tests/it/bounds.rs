//! What bounds may say: each limit at its edge and one past it, each side's part, and where a complaint points.

use plugwork_core::policy::config::ConfigBounds;
use plugwork_core::policy::{Side, askable, check_bounds, narrow, parse};
use plugwork_core::{Grants, Manifest};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn bounds_are_taken_at_their_edges_and_refused_one_past_them() {
    use Side::{Asked, Granted};
    let long = "a".repeat(65);
    for (capability, side, bounds, complaint) in [
        ("http", Asked, json!({"hosts": ["a.b"]}), None),
        ("http", Asked, json!({}), Some("")),
        ("http", Asked, json!({"hosts": ["a b"]}), Some("hosts")),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["*", "GET", "X-9_A"]}), None),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["get"]}), Some("methods")),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["GET", "TRACE"]}), Some("methods")),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["CONNECT"]}), Some("methods")),
        ("http", Asked, json!({"hosts": ["*"], "methods": [""]}), Some("methods")),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["A".repeat(32)]}), None),
        ("http", Asked, json!({"hosts": ["*"], "methods": ["A".repeat(33)]}), Some("methods")),
        ("http", Granted, json!({"hosts": ["*"], "networks": ["10.0.0.0/33"]}), Some("networks")),
        ("http", Granted, json!({"hosts": ["*"], "concurrency": 1, "bytes-per-minute": 1}), None),
        ("http", Granted, json!({"hosts": ["*"], "concurrency": 0}), Some("concurrency")),
        ("http", Granted, json!({"hosts": ["*"], "bytes-per-minute": 0}), Some("bytes-per-minute")),
        ("http", Granted, json!({"hosts": ["*"], "bytes-per-minute": -1}), Some("bytes-per-minute")),
        ("http", Granted, json!({"hosts": ["*"], "host": ["*"]}), Some("host")),
        ("filesystem", Asked, json!({}), None),
        ("filesystem", Asked, json!({"access": "write", "bytes": 0, "files": 0}), None),
        ("filesystem", Asked, json!({"access": "execute"}), Some("access")),
        ("filesystem", Asked, json!({"root": "/srv"}), Some("root")),
        ("filesystem", Granted, json!({"root": "/srv"}), None),
        ("filesystem", Granted, json!({"root": "data"}), None),
        ("filesystem", Granted, json!({}), Some("root")),
        ("filesystem", Granted, json!({"root": ""}), Some("root")),
        ("filesystem", Granted, json!({"root": "/"}), Some("root")),
        ("filesystem", Granted, json!({"root": "/proc/self"}), Some("root")),
        ("config", Asked, json!({}), None),
        ("config", Asked, json!({"keys": ["a"], "values": {"a": "b"}}), Some("values")),
        ("config", Granted, json!({"keys": ["a"], "values": {"a": "b"}}), None),
        ("config", Granted, json!({"keys": ["a"], "values": {"a": 1}}), Some("values")),
        ("environment", Asked, json!({"variables": ["LANG"]}), None),
        ("environment", Asked, json!({}), Some("")),
        ("environment", Asked, json!({"variables": [""]}), Some("variables")),
        ("environment", Asked, json!({"variables": ["*"]}), Some("variables")),
        ("environment", Asked, json!({"variables": ["A", "A=B"]}), Some("variables")),
        ("environment", Asked, json!({"variables": ["A\u{0}"]}), Some("variables")),
        ("clock", Asked, json!({"resolution-ns": 1}), None),
        ("clock", Asked, json!({"resolution-ns": 0}), Some("resolution-ns")),
        ("clock", Asked, json!({"resolution-ns": 1_000_000_000}), None),
        ("clock", Asked, json!({"resolution-ns": 1_000_000_001}), Some("resolution-ns")),
        ("random", Asked, json!({"call-bytes": 16 << 20}), None),
        ("random", Asked, json!({"call-bytes": (16 << 20) + 1}), Some("call-bytes")),
        ("engine", Asked, json!({}), None),
        ("engine", Asked, json!({"profile": "full"}), None),
        ("engine", Asked, json!({"profile": "fast"}), Some("profile")),
        ("engine", Asked, json!({"reuse-calls": 1}), None),
        ("engine", Asked, json!({"reuse-calls": 1_000_000}), None),
        ("engine", Granted, json!({"reuse-calls": 0}), Some("reuse-calls")),
        ("engine", Asked, json!({"reuse-calls": 1_000_001}), Some("reuse-calls")),
        ("engine", Asked, json!({"reuse-calls": -1}), Some("reuse-calls")),
        ("engine", Asked, json!({"calls-at-once": 128}), None),
        ("engine", Asked, json!({"calls-at-once": 129}), Some("calls-at-once")),
        ("engine", Granted, json!({"calls-at-once": 0}), Some("calls-at-once")),
        ("keyvalue", Asked, json!({"stores": ["a"], "bytes": 0, "keys": 0}), None),
        ("keyvalue", Asked, json!({"stores": []}), Some("stores")),
        ("keyvalue", Asked, json!({"stores": ["a", "*"]}), Some("stores")),
        ("keyvalue", Asked, json!({"stores": ["../a"]}), Some("stores")),
        ("keyvalue", Asked, json!({"stores": ["a".repeat(64)]}), None),
        ("keyvalue", Asked, json!({"stores": [long]}), Some("stores")),
        ("blob", Asked, json!({"containers": ["a"], "objects": 1}), None),
        ("blob", Asked, json!({"containers": []}), Some("containers")),
        ("blob", Asked, json!({"containers": ["A"]}), Some("containers")),
        ("secrets", Asked, json!({"names": ["a"], "reveal": true}), None),
        ("secrets", Asked, json!({"names": ["a"], "hosts": ["a.b"]}), None),
        ("secrets", Asked, json!({"names": ["a"]}), Some("hosts")),
        ("secrets", Asked, json!({"names": [], "reveal": true}), Some("names")),
        ("secrets", Asked, json!({"names": ["*"], "reveal": true}), Some("names")),
        ("secrets", Asked, json!({"names": ["a"], "reveal": true, "header": "x-key"}), None),
        ("secrets", Asked, json!({"names": ["a"], "reveal": true, "header": "X-Key"}), Some("header")),
        ("secrets", Asked, json!({"names": ["a"], "reveal": true, "header": "host"}), Some("header")),
        ("secrets", Asked, json!({"names": ["a"], "reveal": true, "header": ""}), Some("header")),
        ("events", Asked, json!({}), None),
        ("events", Asked, json!({"hops": 1}), None),
        ("events", Asked, json!({"hops": 8, "per-second": 0}), None),
        ("events", Asked, json!({"hops": 0}), Some("hops")),
        ("events", Asked, json!({"hops": 9}), Some("hops")),
        ("events", Asked, json!({"in": ["a**"]}), Some("in")),
        ("events", Asked, json!({"out": ["A"]}), Some("out")),
        ("events", Asked, json!({"out": ["plugwork/lifecycle/enabled"]}), Some("out")),
        ("events", Asked, json!({"queue-events": 65_536, "at-once": 64, "overflow": "block"}), None),
        ("events", Asked, json!({"queue-events": 65_537}), Some("queue-events")),
        ("events", Asked, json!({"at-once": 65}), Some("at-once")),
        ("own", Asked, json!({"anything": [1]}), None),
    ] {
        let at = check_bounds(capability, &object(bounds.clone()), side).map_err(|issue| issue.at);
        assert_eq!(at.err().as_deref(), complaint, "{capability} {side:?} {bounds}");
    }
}

#[test]
fn a_complaint_says_what_would_have_been_right() {
    let told = |capability, bounds, side| check_bounds(capability, &object(bounds), side).unwrap_err().to_string();
    assert_eq!(told("http", json!({"hosts": ["*"], "concurrency": 0}), Side::Asked), "concurrency: 0; expected at least 1");
    assert_eq!(told("keyvalue", json!({"stores": ["a\nb"]}), Side::Asked).split(';').next().unwrap(), "stores: `a\\nb` is not a name");
    assert!(told("filesystem", json!({"root": "/dev"}), Side::Granted).contains("`/proc`, `/sys` or `/dev`"));
}

#[test]
fn the_hosts_own_part_is_not_brought_about_by_asking() {
    for (capability, asked, left) in [
        ("http", json!({"hosts": ["*"], "networks": ["10.0.0.0/8"]}), json!({"hosts": ["*"]})),
        ("filesystem", json!({"access": "read", "root": "/srv"}), json!({"access": "read"})),
        ("config", json!({"keys": ["a"], "values": {"a": "b"}}), json!({"keys": ["a"]})),
        ("own", json!({"networks": 1, "root": 2, "values": 3}), json!({"networks": 1, "root": 2, "values": 3})),
        ("secrets", json!({"names": ["a"], "hosts": ["a.b"]}), json!({"names": ["a"], "hosts": ["a.b"]})),
    ] {
        assert_eq!(Value::Object(askable(capability, &object(asked))), left, "{capability}");
    }
}

#[test]
fn defaults_are_what_was_asked_for() {
    for (capability, asked, granted, in_force) in [
        ("http", json!({"hosts": ["a.b"]}), json!({}), json!({"hosts": ["a.b"], "methods": ["GET", "HEAD"], "redirects": false})),
        ("filesystem", json!({}), json!({"root": "/srv"}), json!({"access": "read", "root": "/srv"})),
        ("keyvalue", json!({"stores": ["a"]}), json!({"bytes": 5}), json!({"stores": ["a"], "access": "read", "bytes": 5})),
        ("blob", json!({"containers": ["a"]}), json!({}), json!({"containers": ["a"], "access": "read"})),
        ("config", json!({"keys": ["a"]}), json!({}), json!({"keys": ["a"]})),
        ("events", json!({"in": ["a"]}), json!({}), json!({"in": ["a"], "out": [], "overflow": "drop-oldest"})),
        ("engine", json!({}), json!({}), json!({"profile": "hardened"})),
        ("engine", json!({"reuse-calls": 9}), json!({}), json!({"profile": "hardened", "reuse-calls": 9})),
        ("engine", json!({"reuse-calls": 9}), json!({"reuse-calls": 5}), json!({"profile": "hardened", "reuse-calls": 5})),
        (
            "secrets",
            json!({"names": ["a"], "hosts": ["a.b"]}),
            json!({}),
            json!({"names": ["a"], "reveal": false, "hosts": ["a.b"], "header": "authorization"}),
        ),
    ] {
        let effective = narrow(capability, Some(&object(asked)), &object(granted)).unwrap();
        assert_eq!(Value::Object(effective), in_force, "{capability}");
    }
}

#[test]
fn what_was_not_asked_for_is_refused_capability_by_capability() {
    for (capability, asked, granted, at) in [
        ("http", json!({"hosts": ["*.a.b"]}), json!({"hosts": ["a.b"]}), "hosts"),
        ("http", json!({"hosts": ["a.b"]}), json!({"redirects": true}), "redirects"),
        ("http", json!({"hosts": ["a.b"], "concurrency": 2}), json!({"concurrency": 3}), "concurrency"),
        ("keyvalue", json!({"stores": ["a"]}), json!({"access": "write"}), "access"),
        ("keyvalue", json!({"stores": ["a"]}), json!({"stores": ["b"]}), "stores"),
        ("blob", json!({"containers": ["a"], "bytes": 5}), json!({"bytes": 6}), "bytes"),
        ("secrets", json!({"names": ["a"], "hosts": ["a.b"]}), json!({"reveal": true}), "reveal"),
        ("secrets", json!({"names": ["a"], "hosts": ["a.b"]}), json!({"header": "cookie"}), "header"),
        ("secrets", json!({"names": ["a"], "hosts": ["a.b"]}), json!({"hosts": ["c.d"]}), "hosts"),
        ("events", json!({"in": ["a/*"]}), json!({"in": ["a/**"]}), "in"),
        ("events", json!({"in": ["a"]}), json!({"out": ["a"]}), "out"),
        ("events", json!({"in": ["**"]}), json!({"in": ["plugwork/**"]}), "in"),
        ("events", json!({}), json!({"overflow": "reject"}), "overflow"),
        ("engine", json!({}), json!({"profile": "full"}), "profile"),
        ("engine", json!({}), json!({"reuse-calls": 2}), "reuse-calls"),
        ("engine", json!({"reuse-calls": 9}), json!({"reuse-calls": 9, "calls-at-once": 2}), "calls-at-once"),
        ("engine", json!({"profile": "full"}), json!({"reuse-calls": 1_000}), "reuse-calls"),
        ("engine", json!({"reuse-calls": 9}), json!({"reuse-calls": 10}), "reuse-calls"),
        ("clock", json!({"resolution-ns": 5}), json!({"resolution-ns": 4}), "resolution-ns"),
        ("own", json!({"depth": 5}), json!({"depth": 6}), "depth"),
    ] {
        let issue = narrow(capability, Some(&object(asked)), &object(granted)).unwrap_err();
        assert_eq!(issue.at, at, "{capability}");
        assert!(issue.what.starts_with("more granted than asked: ") && issue.expected.starts_with("within "), "{issue}");
    }
    // A bare `*` asks for whatever the host will name: clear text and ports too.
    narrow("http", Some(&object(json!({"hosts": ["*"]}))), &object(json!({"hosts": ["http://a.b:81"]}))).unwrap();
    for asked in ["*:443", "https://*"] {
        let granted = object(json!({"hosts": ["http://a.b:81"]}));
        narrow("http", Some(&object(json!({ "hosts": [asked] }))), &granted).unwrap_err();
    }
    // Less than was asked is granted, by rank and not by letters.
    narrow("engine", Some(&object(json!({"profile": "full"}))), &object(json!({"profile": "hardened"}))).unwrap();
    narrow("blob", Some(&object(json!({"containers": ["a"], "access": "write"}))), &object(json!({"access": "read"}))).unwrap();
    // What an application's own capability did not ask for is for the application to judge.
    narrow("own", Some(&object(json!({"depth": 5}))), &object(json!({"width": 5}))).unwrap();
    // What asks badly is granted to nobody.
    narrow("http", Some(&object(json!({"hosts": 5}))), &object(json!({"hosts": ["a.b"]}))).unwrap_err();
}

#[test]
fn a_value_is_given_for_a_granted_key_only() {
    let bounds: ConfigBounds = parse(&object(json!({"keys": ["a", "none"], "values": {"a": "b", "c": "d"}}))).unwrap();
    assert_eq!((bounds.get("a"), bounds.get("c"), bounds.get("none")), (Some("b"), None, None));
    let bounds: ConfigBounds = parse(&object(json!({"keys": ["*"], "values": {"a": "b"}}))).unwrap();
    assert_eq!((bounds.get("a"), bounds.get("c")), (Some("b"), None));
}

#[test]
fn grants_are_told_in_the_order_of_their_names() {
    let grants = Grants::none().with("random", object(json!({"call-bytes": 5}))).with("engine", Map::new());
    assert_eq!(grants.iter().map(|grant| grant.to_string()).collect::<Vec<_>>(), ["engine", "random { call-bytes = 5 }"]);
    assert!(!grants.is_empty() && Grants::none().is_empty());
    assert_eq!(grants.get("random").unwrap()["call-bytes"], 5);
    assert!(grants.get("http").is_none());
    let manifest = Manifest::parse("name='a:b'\nversion='1.0.0'\n[permissions.random]\ncall-bytes=5\nreason='dice'").unwrap();
    assert_eq!(manifest.permissions["random"].to_string(), "random { call-bytes = 5 }");
    assert_eq!(Grants::all_asked(&manifest), Grants::none().with("random", object(json!({"call-bytes": 5}))));
    let issues = grants.narrowing(Some(&manifest)).unwrap_err();
    assert_eq!(issues.iter().map(|issue| issue.at.as_str()).collect::<Vec<_>>(), ["grants.engine"]);
    let more = Grants::none().with("random", object(json!({"call-bytes": 6}))).narrowing(Some(&manifest)).unwrap_err();
    assert_eq!(more[0].at, "grants.random.call-bytes");
}
