//! `plugwork cache`.

use crate::component::outcomes;
use crate::place::Place;

fn entries(place: &Place) -> Vec<serde_json::Value> {
    place.run(&["cache", "ls", "--json"]).exits(0).json()["entries"].as_array().unwrap().clone()
}

#[test]
fn an_empty_cache_says_so() {
    let place = Place::new();
    let ran = place.run(&["cache", "ls"]).exits(0);
    assert_eq!(ran.out, "");
    ran.complains(&["0 entries, 0 B, in `"]);
    place.run(&["cache", "clear"]).exits(0).complains(&["removed 0 entries"]);
}

#[test]
fn a_call_leaves_code_and_facts_and_clear_removes_them() {
    let place = Place::new();
    place.write("a.wasm", outcomes());
    place.run(&["call", "a.wasm", "text", "\"x\""]).exits(0);
    let digest = place.run(&["inspect", "a.wasm", "--json"]).json()["digest"].clone();
    let kept = entries(&place);
    let kinds: Vec<_> = kept.iter().map(|entry| (entry["kind"].as_str().unwrap(), entry["profile"].as_str())).collect();
    assert_eq!(kinds, [("facts", None), ("code", Some("hardened"))]);
    assert!(kept.iter().all(|entry| entry["digest"] == digest && entry["bytes"].as_u64() > Some(0) && entry["modified_seconds"].is_u64()));
    place.run(&["cache", "ls"]).exits(0).says(&["component", "hardened", "just now"]).complains(&["2 entries"]);
    place.run(&["cache", "clear"]).exits(0).complains(&["removed 2 entries"]);
    assert_eq!(entries(&place).len(), 0);
    place.run(&["call", "a.wasm", "text", "\"x\""]).exits(0);
}

#[test]
fn a_file_that_is_no_entry_is_listed_as_unknown() {
    let place = Place::new();
    place.run(&["cache", "ls"]).exits(0);
    place.write("state/cache/notes.txt", "hello");
    let kept = entries(&place);
    assert_eq!((kept.len(), &kept[0]["kind"], &kept[0]["name"]), (1, &"unknown".into(), &"notes.txt".into()));
    place.run(&["cache", "ls"]).exits(0).says(&["notes.txt", "unknown"]).complains(&["1 entry"]);
}

#[test]
fn state_may_be_anywhere() {
    let place = Place::new();
    let elsewhere = place.path("elsewhere");
    place.run(&["cache", "ls", "--state", elsewhere.to_str().unwrap()]).exits(0).complains(&["elsewhere/cache`"]);
}
