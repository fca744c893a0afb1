//! A grant only narrows: whatever is made of an ask and a grant, nothing can be done under it that could not be done under what was asked.
//!
//! "Can be done" is tried, not computed: a list of things to do, small bounds drawn at random, every decision taken. The one exception is by
//! design and left out: a bare `*` among asked hosts asks for whatever the host will name.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::PATIENCE;
use bolero::TypeGenerator;
use plugwork_core::policy::{Access, Decision, Facts, Side, check_bounds, decide};
use plugwork_core::{Grants, Manifest, Permission};
use serde_json::{Map, Value, json};

/// Bounds of the shipped capabilities, drawn from few values so that they often lie within each other.
#[derive(Debug, Clone, TypeGenerator)]
pub(crate) struct Drawn {
    capability: u8,
    list: u8,
    second: u8,
    numbers: [Option<u8>; 2],
    flag: bool,
}

pub(crate) const CAPABILITIES: [&str; 12] =
    ["http", "filesystem", "keyvalue", "blob", "secrets", "events", "config", "environment", "clock", "random", "engine", "own"];

impl Drawn {
    pub(crate) fn capability(&self) -> &'static str {
        CAPABILITIES[usize::from(self.capability) % CAPABILITIES.len()]
    }

    pub(crate) fn bounds(&self) -> Map<String, Value> {
        let pick = |bits: u8, of: &[&str]| {
            let picked: Vec<&str> = of.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1).map(|(_, value)| *value).collect();
            if picked.is_empty() { vec![of[0].to_owned()] } else { picked.into_iter().map(str::to_owned).collect() }
        };
        let hosts = ["a.b", "*.a.b", "http://a.b", "8.8.8.8", "x.a.b:8080", "https://x.a.b", "*:8080", "http://*"];
        let access = if self.flag { "write" } else { "read" };
        let number = |index: usize| self.numbers[index].map(|number| u64::from(number % 4) + 1);
        let bounds = match self.capability() {
            "http" => json!({ "hosts": pick(self.list, &hosts), "methods": pick(self.second & 7, &["GET", "POST", "*"]),
                "bytes-per-minute": number(0), "concurrency": number(1), "redirects": self.flag }),
            "filesystem" => json!({ "access": access, "bytes": number(0), "files": number(1), "root": "/srv" }),
            "keyvalue" => {
                json!({ "stores": pick(self.list & 7, &["s", "t", "u"]), "access": access, "bytes": number(0), "keys": number(1) })
            }
            "blob" => {
                json!({ "containers": pick(self.list & 7, &["s", "t", "u"]), "access": access, "bytes": number(0), "objects": number(1) })
            }
            "secrets" => json!({ "names": pick(self.list & 3, &["s", "t"]), "reveal": self.flag, "hosts": pick(self.second, &hosts),
                "header": if self.numbers[0].is_some() { "authorization" } else { "x-key" } }),
            "events" => json!({ "in": pick(self.list, &["a", "a/*", "a/**", "**", "b", "a/a", "*", "*/a"]),
                "out": pick(self.second, &["a", "a/*", "a/**", "**", "b", "a/a", "*", "*/a"]), "per-second": number(0), "hops": number(1) }),
            "config" => json!({ "keys": pick(self.list & 7, &["k", "l", "*"]) }),
            "environment" => json!({ "variables": pick(self.list & 7, &["K", "L", "M"]) }),
            "clock" => json!({ "resolution-ns": number(0).unwrap_or(9) }),
            "random" => json!({ "call-bytes": number(0).unwrap_or(9) }),
            "engine" => json!({ "profile": if self.flag { "full" } else { "hardened" }, "reuse-calls": number(0),
                "calls-at-once": number(1) }),
            _ => json!({ "rooms": pick(self.list & 7, &["r", "s", "*"]), "depth": number(0).unwrap_or(9), "deep": self.flag }),
        };
        // A number that was not drawn is not there, rather than null.
        bounds.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    pub(crate) fn grants(drawn: &[Self]) -> Grants {
        drawn.iter().fold(Grants::none(), |grants, one| grants.with(one.capability(), one.bounds()))
    }

    /// Another draw for the same capability.
    pub(crate) fn like(&self, other: &Self) -> Self {
        Self { capability: other.capability, ..self.clone() }
    }
}

/// What can be done under the grants, out of a list of things.
pub(crate) fn can_do(grants: &Grants) -> Vec<bool> {
    let mut facts = Vec::new();
    let urls = [
        "https://a.b/",
        "http://a.b/",
        "https://x.a.b/",
        "http://x.a.b/",
        "https://y.x.a.b/",
        "http://8.8.8.8/",
        "https://8.8.8.8/",
        "http://x.a.b:8080/",
        "https://x.a.b:8080/",
        "https://c.d:8080/",
        "http://c.d/",
        "https://c.d/",
        "http://127.0.0.1/",
    ];
    for url in urls {
        facts.extend(["GET", "POST", "PUT"].map(|method| Facts::Request { method, url }));
        facts.extend(["s", "t"].into_iter().flat_map(|name| ["authorization", "x-key"].map(|header| Facts::Send { name, header, url })));
    }
    for access in [Access::Read, Access::Write] {
        facts.extend(["x", "../x"].map(|path| Facts::Path { path, access }));
        facts.extend(["s", "t", "u", "v"].map(|store| Facts::Key { store, key: "k", access }));
        facts.extend(["s", "t", "u", "v"].map(|container| Facts::Object { container, name: "k", access }));
    }
    facts.extend(["s", "t", "u"].map(|name| Facts::Reveal { name }));
    for topic in ["a", "b", "a/a", "a/b", "b/a", "b/b", "a/a/a"] {
        facts.push(Facts::Receive { topic });
        facts.extend((0..9).map(|hops| Facts::Publish { topic, hops }));
    }
    facts.extend(["k", "l", "m"].map(|key| Facts::Setting { key }));
    facts.extend(["K", "L", "M"].map(|name| Facts::Variable { name }));
    facts.iter().map(|facts| decide(grants.get(facts.capability()), facts).unwrap() == Decision::Allow).collect()
}

/// Whether every limit of `outer` is kept by `inner`, and what needs no facts is no more: numbers, flags and ranks, read one by one.
pub(crate) fn keeps_limits(capability: &str, outer: &Map<String, Value>, inner: &Map<String, Value>) -> bool {
    let at_most = |key: &str| match (outer.get(key).and_then(Value::as_u64), inner.get(key).and_then(Value::as_u64)) {
        (Some(outer), inner) => inner.is_some_and(|inner| inner <= outer),
        (None, _) => true,
    };
    let flag = |key: &str| outer.get(key) == Some(&json!(true)) || inner.get(key) != Some(&json!(true));
    let lists = ["rooms"].iter().all(|key| {
        let list = |bounds: &Map<String, Value>| bounds.get(*key).and_then(Value::as_array).cloned().unwrap_or_default();
        list(outer).contains(&json!("*")) || list(inner).iter().all(|value| list(outer).contains(value))
    });
    let finer = match (outer.get("resolution-ns").and_then(Value::as_u64), inner.get("resolution-ns").and_then(Value::as_u64)) {
        (Some(outer), Some(inner)) => outer <= inner,
        _ => capability != "clock",
    };
    let numbers = ["bytes-per-minute", "concurrency", "bytes", "files", "keys", "objects", "per-second", "hops", "call-bytes", "depth"];
    let profile = outer.get("profile") == Some(&json!("full")) || inner.get("profile") != Some(&json!("full"));
    // Not there is one call, not any number of them.
    let calls = |bounds: &Map<String, Value>, key: &str| bounds.get(key).and_then(Value::as_u64).unwrap_or(1);
    numbers.iter().all(|key| *key == "keys" && capability == "config" || at_most(key))
        && flag("redirects")
        && flag("deep")
        && lists
        && finer
        && profile
        && ["reuse-calls", "calls-at-once"].iter().all(|key| calls(inner, key) <= calls(outer, key))
}

/// A manifest that asks for exactly these.
pub(crate) fn manifest(grants: &Grants) -> Manifest {
    let mut manifest = Manifest::parse("name = 'a:b'\nversion = '1.0.0'").unwrap();
    for grant in grants.iter() {
        let bounds = grant.bounds.into_iter().filter(|(key, _)| key != "root").collect();
        let permission = Permission { capability: grant.capability.clone(), bounds, optional: false, reason: String::new() };
        manifest.permissions.insert(grant.capability, permission);
    }
    manifest
}

#[test]
fn nothing_can_be_done_under_a_grant_that_was_not_asked_for() {
    let (narrowed, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    bolero::check!().with_iterations(400).with_test_time(PATIENCE).with_type::<(Drawn, Drawn)>().for_each(|(asked, granted)| {
        let granted = granted.like(asked);
        let capability = asked.capability();
        let (asked, granted) = (Drawn::grants(std::slice::from_ref(asked)), Drawn::grants(&[granted]));
        let Ok(effective) = granted.narrowing(Some(&manifest(&asked))) else {
            refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        narrowed.fetch_add(1, Ordering::Relaxed);
        let (outer, inner) = (can_do(&asked), can_do(&effective));
        assert!(outer.iter().zip(&inner).all(|(asked, granted)| *asked || !granted), "{asked:?}\n{effective:?}");
        let (outer, inner) = (asked.get(capability).unwrap(), effective.get(capability).unwrap());
        assert!(keeps_limits(capability, outer, inner), "{outer:?}\n{inner:?}");
        assert_eq!(effective.narrowing(Some(&manifest(&asked))), Ok(effective), "narrowing again changes nothing");
    });
    let (narrowed, refused) = (narrowed.into_inner(), refused.into_inner());
    assert!(narrowed > 5 && refused > 5, "{narrowed} narrowed, {refused} refused");
}

#[test]
fn granting_nothing_in_particular_grants_what_was_asked() {
    bolero::check!().with_iterations(300).with_test_time(PATIENCE).with_type::<Drawn>().for_each(|asked| {
        let grants = Drawn::grants(std::slice::from_ref(asked));
        let manifest = manifest(&grants);
        let mut empty = Map::new();
        if asked.capability() == "filesystem" {
            empty.insert("root".to_owned(), json!("/srv"));
        }
        let effective = Grants::none().with(asked.capability(), empty).narrowing(Some(&manifest)).unwrap();
        assert_eq!(can_do(&effective), can_do(&grants), "{asked:?}");
        check_bounds(asked.capability(), effective.get(asked.capability()).unwrap(), Side::Granted).unwrap();
        check_bounds(asked.capability(), &manifest.permissions[asked.capability()].bounds, Side::Asked).unwrap();
    });
}

#[test]
fn a_component_without_manifest_can_be_granted_anything_that_is_well_formed() {
    let grants = Grants::none().with("http", json!({"hosts": ["a.b"]}).as_object().unwrap().clone());
    assert_eq!(grants.narrowing(None), Ok(grants.clone()));
    let bad = Grants::none().with("http", Map::new()).with("random", json!({"call-bytes": -1}).as_object().unwrap().clone());
    let places: Vec<String> = bad.narrowing(None).unwrap_err().into_iter().map(|issue| issue.at).collect();
    assert_eq!(places, ["grants.http", "grants.random.call-bytes"]);
}
