//! `plugwork inspect`.

use serde_json::{Value, json};

use crate::component::{FULL, importing, outcomes, with_manifest, with_text};
use crate::place::{Place, plugin};

const OPTIONAL_HTTP: &str = "[permissions.http]\nhosts = [\"*\"]\noptional = true\nreason = \"to look around\"\n";
const REQUIRED_HTTP: &str = "[permissions.http]\nhosts = [\"*.example.com\"]\n";
const FETCH: &str = "plugwork:host/fetch@0.1.0";

fn kinds(inspected: &Value) -> Vec<(&str, &str)> {
    let imports = inspected["imports"].as_array().unwrap();
    imports.iter().map(|import| (import["name"].as_str().unwrap(), import["kind"].as_str().unwrap())).collect()
}

#[test]
fn the_json_has_the_documented_shape() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), OPTIONAL_HTTP));
    let inspected = place.run(&["inspect", "a.wasm", "--json"]).exits(0).json();
    let keys: Vec<&String> = inspected.as_object().unwrap().keys().collect();
    let documented = [
        "file",
        "digest",
        "bytes",
        "profile",
        "loads",
        "obstacles",
        "manifest",
        "manifest_issues",
        "points",
        "imports",
        "exports",
        "wit_packages",
        "sizes",
        "memories",
        "metadata",
        "producers",
        "notes",
    ];
    assert_eq!(keys, documented);
    assert_eq!(inspected["points"], json!(["test:point/outcomes@0.1.0"]));
    assert_eq!(inspected["manifest"]["permissions"][0]["reason"], "to look around");
    assert_eq!(inspected["sizes"]["memory_initial_bytes"], 65_536);
    assert_eq!(inspected["profile"], "hardened");
}

#[test]
fn the_page_names_everything_a_person_decides_by() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&importing(&[FETCH, "wasi:cli/environment@0.2.6"]), OPTIONAL_HTTP));
    place.run(&["inspect", "a.wasm"]).exits(0).says(&[
        "test:plugin 0.1.0",
        "licence  MIT",
        "digest   sha256:",
        "loads    yes, with nothing granted",
        "denied  http",
        "inert   environment",
        "http = { hosts = [\"*\"] } (optional)",
        "to look around",
        "wasi:cli 0.2.6",
    ]);
}

#[test]
fn an_import_is_told_by_what_stands_behind_it() {
    let place = Place::new();
    let imports = [FETCH, "wasi:io/poll@0.2.6", "acme:own/thing@1.0.0"];
    place.write("optional.wasm", with_manifest(&importing(&imports), OPTIONAL_HTTP));
    let inspected = place.run(&["inspect", "optional.wasm", "--json"]).exits(0).json();
    assert_eq!(kinds(&inspected), [(FETCH, "denied"), ("wasi:io/poll@0.2.6", "inert"), ("acme:own/thing@1.0.0", "refused")]);
    let granted = place.run(&["inspect", "optional.wasm", "--json", "--grant", "http"]).exits(0).json();
    assert_eq!(kinds(&granted)[0], (FETCH, "granted"));
}

#[test]
fn what_would_not_load_says_the_grant_that_would_help() {
    let place = Place::new();
    place.write("needs.wasm", with_manifest(&importing(&[FETCH]), REQUIRED_HTTP));
    let ran = place.run(&["inspect", "needs.wasm"]).exits(0);
    ran.says(&["loads    no: needs --grant 'http = { hosts = [\"*.example.com\"] }'"]);
    let granted = ["inspect", "needs.wasm", "--json", "--grant", "http = { hosts = [\"a.example.com\"] }"];
    assert_eq!(place.run(&granted).exits(0).json()["loads"], true);
}

#[test]
fn an_import_that_nobody_offers_is_named_as_the_obstacle() {
    let place = Place::new();
    place.write("own.wasm", importing(&["acme:own/thing@1.0.0"]));
    place.run(&["inspect", "own.wasm"]).exits(0).says(&["no: `acme:own/thing@1.0.0`: nobody here offers this interface"]);
}

#[test]
fn an_import_outside_any_interface_is_refused() {
    let place = Place::new();
    place.write("plain.wasm", wat::parse_str("(component (import \"now\" (func)))").unwrap());
    place.run(&["inspect", "plain.wasm"]).exits(0).says(&["no: `now`: outside any interface: nobody can offer it"]);
}

#[test]
fn component_async_needs_the_full_profile_granted() {
    let place = Place::new();
    let component = wat::parse_str(FULL).unwrap();
    place.write("full.wasm", with_manifest(&component, "[permissions.engine]\nprofile = \"full\"\n"));
    place.run(&["inspect", "full.wasm"]).exits(0).says(&["profile  full", "no: needs --grant 'engine = { profile = \"full\" }'"]);
    let granted = place.run(&["inspect", "full.wasm", "--json", "--grant", "engine"]).exits(0).json();
    assert_eq!((&granted["profile"], &granted["loads"]), (&json!("full"), &json!(true)));
}

#[test]
fn a_component_for_another_host_is_inspected_by_what_it_imports() {
    let place = Place::new();
    place.write("foreign.wasm", importing(&["wasi:http/outgoing-handler@0.2.6"]));
    let ran = place.run(&["inspect", "foreign.wasm"]).exits(0);
    ran.says(&["unnamed component", "manifest none", "needs --grant 'http = { hosts = [\"*\"] }'"]);
    assert_eq!(place.run(&["inspect", "foreign.wasm", "--json"]).json()["manifest"], Value::Null);
}

#[test]
fn a_wrong_manifest_does_not_hide_the_facts() {
    let place = Place::new();
    place.write("wrong.wasm", with_text(&outcomes(), "name = \"Bad\"\nversion = \"0.1.0\""));
    let inspected = place.run(&["inspect", "wrong.wasm", "--json"]).exits(0).json();
    assert_eq!((&inspected["loads"], &inspected["manifest"]), (&json!(false), &Value::Null));
    assert_eq!(inspected["manifest_issues"].as_array().unwrap().len(), 1);
    place.run(&["inspect", "wrong.wasm"]).exits(0).says(&["no: its `plugin.toml` is wrong", "what is wrong with its plugin.toml"]);
}

#[test]
fn more_granted_than_asked_is_refused_by_policy() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&importing(&[FETCH]), REQUIRED_HTTP));
    let wide = ["inspect", "a.wasm", "--grant", "http = { hosts = [\"*\"] }"];
    place.run(&wide).exits(3).complains(&["grants.http.hosts: more granted than asked"]);
    place.run(&["inspect", "a.wasm", "--grant", "config"]).exits(3).complains(&["grants.config: more granted than asked"]);
    place.run(&["inspect", "a.wasm", "--grant", "htp"]).exits(3).complains(&["grants.htp: this command does not offer it", "`http`"]);
}

#[test]
fn what_is_no_component_is_told_what_it_is() {
    let place = Place::new();
    place.write("empty.wasm", "");
    place.write("text.wasm", "hello");
    place.write("archive.wasm", b"\x1f\x8b\x08\x00");
    place.write("core.wasm", wat::parse_str("(module)").unwrap());
    place.write("source.wat", "(component)");
    place.write("cut.wasm", &outcomes()[..200]);
    for (file, said) in [
        ("empty.wasm", "the file is empty"),
        ("text.wasm", "not WebAssembly"),
        ("archive.wasm", "a gzip archive"),
        ("core.wasm", "a core module, not a component"),
        ("source.wat", "text format"),
        ("cut.wasm", "damaged at byte"),
    ] {
        let parts = [&format!("cannot read component `{file}`"), said, "hint: "];
        place.run(&["inspect", file]).exits(1).complains(&parts);
    }
}

#[test]
fn a_file_that_is_not_there_exits_with_4_and_a_folder_with_2() {
    let place = Place::new();
    place.run(&["inspect", "none.wasm"]).exits(4).complains(&["cannot read component `none.wasm`: no such file", "hint: "]);
    place.run(&["inspect", "."]).exits(2).complains(&["it is a folder"]);
}

#[test]
fn what_a_file_says_about_itself_cannot_move_the_cursor() {
    let place = Place::new();
    let manifest = "name = \"test:plugin\"\nversion = \"0.1.0\"\ndescription = \"\\u001b[2J\\u202Egone\"\n";
    place.write("hostile.wasm", with_text(&outcomes(), manifest));
    let ran = place.run(&["inspect", "hostile.wasm"]).exits(0).says(&["what is wrong with its plugin.toml", "\\u{1b}"]);
    assert!(!ran.out.contains('\u{1b}'));
}

#[test]
fn usgs_earthquakes_has_exactly_its_points_and_imports() {
    let inspected = Place::new().run(&["inspect", &plugin("usgs-earthquakes"), "--json"]).exits(0).json();
    assert_eq!(inspected["points"], json!(["plugwork:points/data-source@0.1.0"]));
    let of = |wanted: &str| -> Vec<&str> {
        let mut names: Vec<&str> = kinds(&inspected).into_iter().filter(|(_, kind)| *kind == wanted).map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(of("denied"), [FETCH]);
    assert_eq!((of("granted"), of("refused")), (vec![], vec![]));
    let inert = of("inert");
    assert!(inert.contains(&"plugwork:host/log@0.1.0") && inert.contains(&"wasi:filesystem/preopens@0.2.6"), "{inert:?}");
    assert!(inert.iter().all(|name| name.starts_with("wasi:") || *name == "plugwork:host/log@0.1.0"), "{inert:?}");
    assert!(of("types").contains(&"plugwork:table/types@0.1.0"));
}
