//! `plugwork explain`.

use serde_json::{Value, json};

use crate::component::{importing, outcomes, with_manifest};
use crate::place::{Place, home, plugin};

const FETCH: &str = "plugwork:host/fetch@0.1.0";
const OPTIONAL_HTTP: &str = "[permissions.http]\nhosts = [\"*\"]\noptional = true\n";
const REQUIRED_HTTP: &str = "[permissions.http]\nhosts = [\"*.example.com\"]\n";

#[test]
fn a_plugin_that_loads_is_explained_from_its_linker() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    let explained = place.run(&["explain", "a.wasm", "--json"]).exits(0).json();
    assert_eq!((&explained["linked"], &explained["obstacles"], &explained["profile"]), (&json!(true), &json!([]), &json!("hardened")));
    let absent: Vec<&str> = explained["absent"].as_array().unwrap().iter().map(|absent| absent["what"].as_str().unwrap()).collect();
    for what in ["http", "filesystem", "environment", "process", "sockets"] {
        assert!(absent.contains(&what), "{what} {absent:?}");
    }
    place.run(&["explain", "a.wasm"]).exits(0).says(&["its linker has these definitions and no others", "not there for it", "process "]);
}

#[test]
fn a_plugin_that_would_not_load_is_explained_all_the_same() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&importing(&[FETCH]), REQUIRED_HTTP));
    let ran = place.run(&["explain", "a.wasm", "--json"]).exits(3);
    let explained = ran.json();
    assert_eq!((&explained["linked"], &explained["imports"][0]["kind"]), (&json!(false), &json!("refused")));
    assert_eq!(explained["obstacles"][0]["code"], "E-CAP-NOT-GRANTED");
    assert_eq!(explained["imports"][0]["allow"], "--grant 'http = { hosts = [\"*.example.com\"] }'");
    ran.complains(&["would not load with these grants"]);
    place.run(&["explain", "a.wasm", "--grant", "http = { hosts = [\"*\"] }"]).exits(3).complains(&["more granted than asked"]);
}

#[test]
fn a_plugin_that_was_added_is_explained_with_what_is_on_record() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), OPTIONAL_HTTP));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    let explained = place.run(&["explain", "test:plugin", "--json"]).exits(0).json();
    assert_eq!(explained["absent"][0]["why"], "granted, but it imports nothing that would use it");
    assert_eq!(place.run(&["audit", "ls"]).exits(0).out.lines().count(), 1, "explaining is no consent");
}

#[test]
fn usgs_earthquakes_is_explained_as_it_was_read_and_approved() {
    let place = Place::new();
    let mut explained = place.run(&["explain", &plugin("usgs-earthquakes"), "--json"]).exits(0).json();
    // The digest changes with every compiler; what it reaches must not.
    explained["digest"] = Value::from("sha256:…");
    // So may the order of imports, with every toolchain.
    explained["imports"].as_array_mut().unwrap().sort_by_key(|import| import["name"].to_string());
    let told = format!("{}\n", serde_json::to_string_pretty(&explained).unwrap());
    let path = home().join("cli/tests/it/explain-usgs-earthquakes.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&path).unwrap_or_default(), "BLESS=1 writes what is right now; read the difference");
}
