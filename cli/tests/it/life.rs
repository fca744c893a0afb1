//! `plugwork enable`, `disable` and `ps`: what is written down, what is refused, and what is shown.

use serde_json::{Value, json};

use crate::component::{CONFIGURED, outcomes, with_manifest, with_text};
use crate::place::Place;

/// A plugin that was added, twice: unnamed and as `flights`.
fn added() -> Place {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["add", "a.wasm", "--yes", "--instance", "flights"]).exits(0);
    place
}

fn shown(place: &Place, arguments: &[&str]) -> Vec<Value> {
    place.run(&[&["ps", "--json"], arguments].concat()).exits(0).json().as_array().unwrap().clone()
}

fn events(place: &Place) -> Vec<String> {
    let listed = place.run(&["audit", "ls", "--json"]).exits(0);
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"]["event"].as_str().unwrap().to_owned();
    listed.out.lines().map(event).collect()
}

const CALL: [&str; 4] = ["call", "test:plugin", "text", "\"x\""];

#[test]
fn nothing_there_says_what_to_do() {
    let place = Place::new();
    place.run(&["ps"]).exits(0).complains(&["there is no plugin here", "hint: add one with `plugwork add FILE`"]);
    assert!(shown(&place, &[]).is_empty());
    for verb in ["ps", "enable", "disable"] {
        place.run(&[verb, "test:plugin"]).exits(4).complains(&["there is no plugin `test:plugin` here"]);
    }
}

#[test]
fn enabled_is_not_running_by_itself_and_stays_as_it_was_configured() {
    let place = added();
    let states = |place: &Place| shown(place, &[]).iter().map(|shown| shown["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states(&place), ["installed", "installed"]);
    assert_eq!(shown(&place, &[])[0]["enabled"], Value::Null);
    place.write("c.json", "{\"flavour\": \"strict\"}");
    let arguments = ["enable", "test:plugin", "--instance", "flights", "--config", "@c.json", "--weight", "-10", "--critical", "--json"];
    let told = place.run(&arguments).exits(0).json();
    assert_eq!(told[0]["settings"]["configuration"], json!({"flavour": "strict"}));
    assert_eq!((&told[0]["settings"]["weight"], &told[0]["settings"]["critical"]), (&json!(-10), &json!(true)));
    assert_eq!(told[0]["settings"]["points"], json!(["test:point/outcomes@0.1.0"]));
    assert_eq!(states(&place), ["installed", "enabled"]);
    let enabled = &shown(&place, &["--instance", "flights"])[0];
    assert_eq!((&enabled["recorded"], &enabled["running"], &enabled["hosts"]), (&json!("enabled"), &json!(0), &json!([])));
    place.run(&["ps"]).exits(0).says(&["test:plugin#flights  0.1.0    enabled    not running"]);
    // Once more changes nothing, with other settings it is not for the table, and disabling keeps what it was.
    assert_eq!(place.run(&arguments).exits(0).json()[0]["record"], Value::Null);
    let other = place.run(&["enable", "test:plugin", "--instance", "flights", "--weight", "3"]).exits(3);
    other.complains(&["E-LIFECYCLE-MOVE", "there is no `enable` from `active`", "first `plugwork disable test:plugin --instance flights`"]);
    place.run(&["disable", "test:plugin", "--instance", "flights", "--reason", "noisy\nx"]).exits(0);
    let disabled = &shown(&place, &["--instance", "flights"])[0];
    assert_eq!(
        (&disabled["state"], &disabled["enabled"], &disabled["settings"]["weight"]),
        (&json!("installed"), &json!(false), &json!(-10))
    );
    let table = place.run(&["ps"]).exits(0).says(&["plugin ", "test:plugin#flights  0.1.0    installed  disabled by ", ": noisy x\n"]);
    assert_eq!(table.out.lines().count(), 3);
    assert_eq!(place.run(&["enable", "test:plugin", "--instance", "flights", "--json"]).exits(0).json()[0]["settings"]["weight"], -10);
    assert_eq!(events(&place), ["granted", "granted", "enabled", "disabled", "enabled"]);
    place.run(&["audit", "ls"]).exits(0).says(&["enabled", "weight -10, critical, configured by ", "disabled", "noisy"]);
    place.run(&["audit", "verify"]).exits(0);
}

#[test]
fn a_disabled_plugin_is_refused_by_its_name_and_in_a_pipeline_until_it_is_enabled() {
    let place = added();
    place.run(&["disable", "test:plugin"]).exits(3).complains(&["cannot disable", "there is no `disable` from `installed`"]);
    place.run(&CALL).exits(0);
    place.run(&["enable", "test:plugin"]).exits(0);
    place.run(&CALL).exits(0);
    let told = place.run(&["disable", "test:plugin", "--reason", "until it is mended", "--json"]).exits(0).json();
    assert_eq!(told.as_array().unwrap().len(), 2);
    let refused = ["was disabled by ", ": until it is mended (E-LIFECYCLE-DISABLED)", "hint: `plugwork enable test:plugin`"];
    place.run(&CALL).exits(3).complains(&refused);
    place.run(&["disable", "test:plugin"]).exits(0).complains(&["is disabled already"]);
    // A file is nobody's to disable; a pipeline names the plugin.
    place.run(&["call", "a.wasm", "text", "\"x\""]).exits(0);
    place.write("p.toml", "name = \"p\"\n[[source]]\nname = \"s\"\nplugin = \"a.wasm\"\n[[exporter]]\nname = \"e\"\nfrom = \"s\"\nplugin = \"a.wasm\"\nfile = \"x\"\n");
    place.run(&["run", "p.toml"]).exits(3).complains(&["source \"s\"", refused[1], refused[2]]);
    place.run(&["enable", "test:plugin"]).exits(0);
    place.run(&CALL).exits(0);
}

#[test]
fn what_has_no_consent_is_suspended_and_what_is_enabled_is_not_removed() {
    let place = added();
    place.run(&["enable", "test:plugin", "--instance", "flights"]).exits(0);
    place
        .run(&["remove", "test:plugin"])
        .exits(3)
        .complains(&["there is no `remove` from `active`", "first `plugwork disable test:plugin --instance flights`"]);
    place.run(&["revoke", "test:plugin", "--reason", "leaks"]).exits(0);
    let all = shown(&place, &[]);
    assert!(all.iter().all(|shown| shown["state"] == "suspended"), "{all:?}");
    assert!(all[0]["why"].as_str().unwrap().ends_with(": leaks"), "{all:?}");
    place
        .run(&["enable", "test:plugin"])
        .exits(3)
        .complains(&["it is suspended: consent taken back", "consent again with `plugwork add FILE`"]);
    place.run(&["add", "a.wasm", "--yes", "--instance", "flights"]).exits(0);
    assert_eq!(shown(&place, &["--instance", "flights"])[0]["state"], "enabled");
    place.run(&["disable", "test:plugin"]).exits(0);
    place.run(&["remove", "test:plugin"]).exits(0);
    assert!(shown(&place, &[]).is_empty());
    place.run(&["ps"]).exits(0).complains(&["`plugwork ps --all` shows those that were removed"]);
    assert_eq!(shown(&place, &["--all"]).len(), 2);
    // Another life: it is not enabled because it once was.
    place.run(&["add", "a.wasm", "--yes", "--instance", "flights"]).exits(0);
    assert_eq!(shown(&place, &[])[0]["enabled"], Value::Null);
}

#[test]
fn an_update_of_what_is_enabled_stays_enabled() {
    let place = added();
    place.run(&["enable", "test:plugin", "--weight", "4"]).exits(0);
    place.write("b.wasm", with_text(&outcomes(), "name = \"test:plugin\"\nversion = \"0.2.0\"\n"));
    place.run(&["update", "test:plugin", "b.wasm"]).exits(0);
    let updated = &shown(&place, &[])[0];
    assert_eq!((&updated["version"], &updated["state"], &updated["settings"]["weight"]), (&json!("0.2.0"), &json!("enabled"), &json!(4)));
}

#[test]
fn what_was_updated_while_it_was_disabled_is_enabled_as_the_file_that_ran_last() {
    let place = added();
    place.run(&["enable", "test:plugin"]).exits(0);
    place.run(&["disable", "test:plugin"]).exits(0);
    place.write("b.wasm", with_text(&outcomes(), "name = \"test:plugin\"\nversion = \"0.2.0\"\n"));
    place.run(&["update", "test:plugin", "b.wasm"]).exits(0);
    place.run(&["enable", "test:plugin"]).exits(0);
    let records: Vec<Value> =
        place.run(&["audit", "ls", "--json"]).exits(0).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let unnamed = |record: &&Value| record["event"]["event"] == "enabled" && record["event"]["subject"]["instance"] == "";
    let digests: Vec<&Value> = records.iter().filter(unnamed).map(|record| &record["event"]["subject"]["digest"]).collect();
    assert_eq!((digests.len(), digests[0] == digests[1]), (2, true));
    assert_ne!(digests[0], &shown(&place, &[])[0]["digest"]);
}

#[test]
fn a_call_by_name_is_configured_as_it_was_enabled() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&wat::parse_str(CONFIGURED).unwrap(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    let configured = |place: &Place| place.run(&["call", "test:plugin", "configured"]).exits(0).out;
    assert_eq!(configured(&place), "\"{}\"\n");
    place.run(&["enable", "test:plugin", "--config", "{\"n\": 7}"]).exits(0);
    assert_eq!(configured(&place), "\"{\\\"n\\\":7}\"\n");
}

#[test]
fn a_configuration_that_is_none_is_refused() {
    let place = added();
    for wrong in ["7", "{", "@nowhere.json"] {
        let ran = place.run(&["enable", "test:plugin", "--config", wrong]);
        assert!(ran.code == 2 || ran.code == 4, "{ran:?}");
    }
    place.write("big.json", format!("{{\"a\": \"{}\"}}", "x".repeat(65_536)));
    place.run(&["enable", "test:plugin", "--config", "@big.json"]).exits(2).complains(&["at most 65536"]);
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(65_536));
    place.run(&["enable", "test:plugin", "--config", &long]).exits(2).complains(&["at most 65536"]);
    assert_eq!(events(&place), ["granted", "granted"]);
}
