//! `plugwork add`, `update`, `remove`, `grants`, `revoke` and `audit`: what is asked, what is kept, and that nothing is kept unasked.

use serde_json::{Value, json};

use crate::component::{importing, outcomes, with_manifest, with_text};
use crate::place::{Place, Ran};
use crate::terminal::{Said, converse};

const OPTIONAL_HTTP: &str = "[permissions.http]\nhosts = [\"*.example.com\"]\noptional = true\nreason = \"to look around\"\n";
const REQUIRED_HTTP: &str = "[permissions.http]\nhosts = [\"*.example.com\"]\n";
const FILES: &str = "[permissions.filesystem]\naccess = \"read\"\noptional = true\n";

/// A plugin that can be called, in `a.wasm`.
fn with(permissions: &str) -> Place {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), permissions));
    place
}

/// The same plugin in another version, in `b.wasm`.
fn next(place: &Place, permissions: &str) {
    let manifest = format!("name = \"test:plugin\"\nversion = \"0.2.0\"\nlicense = \"MIT\"\n{permissions}");
    place.write("b.wasm", with_text(&outcomes(), &manifest));
}

fn asked(place: &Place, arguments: &[&str], answers: &[&str]) -> Said {
    converse(&place.command(arguments), answers)
}

fn records(place: &Place) -> Vec<Value> {
    let listed = place.run(&["audit", "ls", "--json"]).exits(0);
    listed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn packages(place: &Place) -> usize {
    std::fs::read_dir(place.path("state/packages")).map_or(0, Iterator::count)
}

fn granted(place: &Place) -> Value {
    place.run(&["grants", "test:plugin", "--json"]).exits(0).json()[0]["grants"].clone()
}

#[test]
fn what_is_asked_is_shown_and_declined_leaves_nothing_installed() {
    let place = with(&format!("{OPTIONAL_HTTP}{FILES}"));
    for answers in [&["n"][..], &[""], &["maybe"], &[]] {
        let said = asked(&place, &["add", "a.wasm"], answers);
        assert_eq!(said.code, 3, "{said:?}");
        for part in [
            "test:plugin 0.1.0",
            "says it is  Tests",
            "licence     MIT",
            "send GET or HEAD requests to *.example.com (`http`, optional)",
            "its author says: \"to look around\"",
            "read files below one folder of this computer, which you name (`filesystem`, optional)",
            "without a grant it reaches: its own log",
            "it may use: 60 s for each call",
            "[y/N/each]",
            "declined; nothing was installed",
        ] {
            assert!(said.screen.contains(part), "`{part}` is not in:\n{}", said.screen);
        }
    }
    assert_eq!(packages(&place), 0);
    place.run(&["grants", "--json"]).exits(0).says(&["[]"]);
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(4).complains(&["there is no plugin `test:plugin`"]);
    assert!(records(&place).iter().all(|record| record["event"]["event"] == "declined"));
}

#[test]
fn a_yes_records_a_grant_and_the_plugin_runs_by_its_name() {
    let place = with(OPTIONAL_HTTP);
    let said = asked(&place, &["add", "a.wasm", "--reason", "needed"], &["y"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(granted(&place)["http"]["hosts"], json!(["*.example.com"]));
    place.run(&["call", "test:plugin", "text", "\"hello\""]).exits(0).says(&["\"hello\""]);
    place.run(&["call", "test:plugin", "text", "\"x\"", "--grant", "http"]).exits(2).complains(&["runs with the grants on record"]);
    place.run(&["inspect", "test:plugin"]).exits(0).says(&["test:plugin 0.1.0"]);
    place.run(&["grants"]).exits(0).says(&["test:plugin 0.1.0  granted", ": needed (record 1)", "may send GET or HEAD requests"]);
    place.run(&["audit", "verify"]).exits(0).says(&["ok: 1 record, head sha256:"]);
}

#[test]
fn each_asks_one_by_one_and_a_folder_is_kept_absolute() {
    let place = with(&format!("{OPTIONAL_HTTP}{FILES}"));
    place.write("data/x", "");
    let said = asked(&place, &["add", "a.wasm"], &["each", "y", "data", "n"]);
    assert_eq!(said.code, 0, "{said:?}");
    let grants = granted(&place);
    assert!(grants.get("http").is_none() && grants["filesystem"]["root"].as_str().unwrap().ends_with("/data"), "{grants}");
    assert!(grants["filesystem"]["root"].as_str().unwrap().starts_with('/'));
}

#[test]
fn without_a_terminal_nobody_is_asked_and_it_says_how() {
    let place = with(OPTIONAL_HTTP);
    place.run(&["add", "a.wasm"]).exits(3).complains(&["there is no terminal", "hint: `--yes`", "`--grant"]);
    assert_eq!((packages(&place), records(&place).len()), (0, 0));
}

#[test]
fn a_yes_in_advance_cannot_name_a_folder() {
    let place = with(&format!("{OPTIONAL_HTTP}{FILES}"));
    place.run(&["add", "a.wasm", "--yes"]).exits(3).complains(&["cannot say which folder", "hint: add --grant 'filesystem = "]);
    assert_eq!(packages(&place), 0);
    let added = place.run(&["add", "a.wasm", "--yes", "--grant", "filesystem = { root = \".\" }", "--json"]).exits(0).json();
    assert!(added["grants"]["http"].is_object() && added["grants"]["filesystem"]["root"].is_string(), "{added}");
    assert_eq!((&added["plugin"], &added["version"], &added["record"]), (&json!("test:plugin"), &json!("0.1.0"), &json!(1)));
}

#[test]
fn a_grant_in_advance_narrows_and_more_than_asked_is_refused() {
    let place = with(REQUIRED_HTTP);
    place.run(&["add", "a.wasm", "--grant", "http = { hosts = [\"*\"] }"]).exits(3).complains(&["more granted than asked"]);
    assert_eq!((packages(&place), records(&place).iter().filter(|record| record["event"]["event"] == "granted").count()), (0, 0));
    place.run(&["add", "a.wasm", "--grant", "http = { hosts = [\"a.example.com\"] }"]).exits(0).says(&["added test:plugin 0.1.0"]);
    assert_eq!(granted(&place)["http"]["hosts"], json!(["a.example.com"]));
}

#[test]
fn what_nobody_offers_is_refused_before_anybody_is_asked() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&importing(&["acme:own/thing@1.0.0"]), ""));
    let said = asked(&place, &["add", "a.wasm"], &["y"]);
    assert!(said.code == 3 && said.screen.contains("E-LINK-UNKNOWN") && !said.screen.contains("[y/N]"), "{said:?}");
}

#[test]
fn one_edited_byte_is_found_and_names_its_record() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes", "--reason", "the first reason"]).exits(0);
    place.run(&["revoke", "test:plugin", "--reason", "the second reason"]).exits(0);
    // The revocation of what is on record, and of whatever else runs under that name.
    place.run(&["audit", "verify"]).exits(0).says(&["ok: 3 records"]);
    let mut edited = 0;
    for name in ["records.db", "records.db-wal"] {
        let path = place.path("state/store").join(name);
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        let places: Vec<usize> =
            bytes.windows(17).enumerate().filter(|(_, text)| *text == b"the second reason").map(|(at, _)| at).collect();
        places.iter().for_each(|at| bytes[*at] = b'T');
        edited += places.len();
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(edited > 0, "the reason is nowhere in the database");
    let verified = place.run(&["audit", "verify"]).exits(1);
    verified.complains(&["record 2", "hint: look from there on with `plugwork audit ls --after 1`"]);
    let json = place.run(&["audit", "verify", "--json"]).exits(1).json();
    assert_eq!((&json["ok"], &json["sequence"]), (&json!(false), &json!(2)));
}

#[test]
fn an_update_with_fewer_rights_passes_and_one_with_more_needs_consent() {
    let place = with(REQUIRED_HTTP);
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    next(&place, "[permissions.http]\nhosts = [\"a.example.com\"]\n");
    place.run(&["update", "test:plugin", "b.wasm"]).exits(0).says(&["updated test:plugin 0.2.0"]).complains(&[
        "0.1.0 -> 0.2.0",
        "(less)",
        "no consent is needed",
    ]);
    assert_eq!((granted(&place)["http"]["hosts"].clone(), packages(&place)), (json!(["a.example.com"]), 1));
    let more = place.run(&["update", "test:plugin", "a.wasm"]).exits(3);
    more.complains(&["0.2.0 -> 0.1.0", "~ http.hosts", "(more)", "there is no terminal"]);
    let said = asked(&place, &["update", "test:plugin", "a.wasm"], &["n"]);
    assert!(said.code == 3 && said.screen.contains("stays as it was"), "{said:?}");
    assert_eq!(granted(&place)["http"]["hosts"], json!(["a.example.com"]));
    let said = asked(&place, &["update", "test:plugin", "a.wasm"], &["y"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(granted(&place)["http"]["hosts"], json!(["*.example.com"]));
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(0);
}

#[test]
fn an_optional_permission_declined_once_is_not_asked_for_again() {
    let place = with(OPTIONAL_HTTP);
    place.write("none.toml", "[grants]\n");
    place.run(&["add", "a.wasm", "--grants", "none.toml"]).exits(0);
    next(&place, OPTIONAL_HTTP);
    place.run(&["update", "test:plugin", "b.wasm"]).exits(0).complains(&["no consent is needed"]);
    assert_eq!(granted(&place), json!({}));
}

#[test]
fn another_file_of_the_same_name_is_an_update_and_never_runs_unasked() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    next(&place, "");
    place.run(&["add", "b.wasm", "--yes"]).exits(2).complains(&["as another file", "hint: `plugwork update test:plugin b.wasm`"]);
    let kept = std::fs::read_dir(place.path("state/packages")).unwrap().next().unwrap().unwrap().path();
    std::fs::copy(place.path("b.wasm"), kept).unwrap();
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(3).complains(&["is not what was consented to"]);
}

#[test]
fn a_revoked_plugin_is_refused_and_a_removed_one_is_gone() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["revoke", "test:plugin", "--reason", "it leaks"]).exits(0).complains(&["within one second"]);
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(3).complains(&["taken back by", "it leaks", "E-CONSENT-REVOKED"]);
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(0);
    let listed = place.run(&["grants"]).exits(0);
    assert!(listed.out.contains("granted") && !listed.out.contains("revoked") && !listed.out.contains('*'), "{}", listed.out);
    let removed = place.run(&["remove", "test:plugin"]).exits(0);
    assert!(removed.err.contains("removed `test:plugin`") && !removed.err.contains('*'), "{}", removed.err);
    assert_eq!(packages(&place), 0);
    place.run(&["call", "test:plugin", "text", "\"x\""]).exits(4).complains(&["there is no plugin `test:plugin`"]);
    place.run(&["remove", "test:plugin"]).exits(4);
    place.run(&["revoke", "test:nobody"]).exits(4).complains(&["there is no plugin `test:nobody`"]);
    place.run(&["audit", "verify"]).exits(0);
}

#[test]
fn a_consent_that_is_over_is_refused_with_its_code() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes", "--expires", "1s"]).exits(0);
    // The one call that is under way when it ends is cut instead (1).
    let refused = std::iter::repeat_with(|| place.run(&["call", "test:plugin", "text", "\"x\""])).take(100).find(|ran: &Ran| ran.code > 1);
    refused.unwrap().exits(3).complains(&["E-CONSENT-EXPIRED"]);
    place.run(&["grants"]).exits(0).says(&["expired", "(over)"]);
}

#[test]
fn what_a_stranger_says_cannot_colour_or_forge_a_line() {
    let place = Place::new();
    let manifest = "name = \"test:plugin\"\nversion = \"0.1.0\"\ndescription = \"\\u001b[2J\\u202Egone\"\n[permissions.http]\nhosts = [\"a.example\"]\noptional = true\nreason = \"x\\nit asks for nothing\\u001b[1A\"\n";
    place.write("a.wasm", with_text(&outcomes(), manifest));
    let said = asked(&place, &["add", "a.wasm"], &["n"]);
    assert!(!said.screen.contains('\u{1b}') && !said.screen.contains('\u{202e}'), "{said:?}");
    assert!(!said.screen.lines().any(|line| line.starts_with("it asks for nothing")), "{}", said.screen);
}

#[test]
fn a_folder_gives_the_plugin_that_was_named() {
    let place = with("");
    next(&place, "");
    std::fs::create_dir(place.path("plugins")).unwrap();
    for file in ["a.wasm", "b.wasm"] {
        std::fs::rename(place.path(file), place.path("plugins").join(file)).unwrap();
    }
    place.run(&["add", "plugins:test:plugin@0.1.0", "--yes"]).exits(0).says(&["added test:plugin 0.1.0"]);
    place.run(&["update", "test:plugin", "plugins"]).exits(0).says(&["updated test:plugin 0.2.0"]);
    place
        .run(&["add", "plugins:test:other", "--yes"])
        .exits(4)
        .complains(&["there is no `test:other` in `plugins`", "`test:plugin` 0.1.0"]);
    place.write("plugins/c.wasm", with_text(&outcomes(), "name = \"test:plugin\"\nversion = \"0.2.0\"\ndescription = \"another\"\n"));
    place.run(&["update", "test:plugin", "plugins"]).exits(1).complains(&["are both `test:plugin` 0.2.0 and differ"]);
}

#[test]
fn what_goes_wrong_in_a_plugin_is_on_record() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    place.run(&["call", "test:plugin", "spins", "--deadline-ms", "30"]).exits(1);
    let faulted = records(&place).pop().unwrap();
    assert_eq!((&faulted["event"]["event"], &faulted["event"]["code"]), (&json!("faulted"), &json!("deadline")));
    place.run(&["audit", "ls", "--after", "1"]).exits(0).says(&["faulted", "deadline (1)"]);
}

#[test]
fn a_tenant_sees_its_own_and_is_told_whose_the_others_are() {
    let place = with("");
    place.run(&["add", "a.wasm", "--yes", "--tenant", "blue"]).exits(0);
    place.run(&["add", "a.wasm", "--yes", "--tenant", "red", "--instance", "flights"]).exits(0);
    let listed = |arguments: &[&str]| {
        let json = place.run(&[&["grants", "--json"], arguments].concat()).exits(0).json();
        json.as_array().unwrap().iter().map(|shown| shown["tenant"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["blue", "red"]);
    assert_eq!(listed(&["--tenant", "blue"]), ["blue"]);
    assert_eq!(listed(&["--instance", "flights"]), ["red"]);
    assert!(listed(&["--tenant", "green"]).is_empty());
    for verb in ["grants", "revoke", "remove"] {
        let said =
            ["of that tenant and instance", "it is there as `blue/test:plugin`, `red/test:plugin#flights`: say which with `--tenant`"];
        place.run(&[verb, "test:plugin"]).exits(4).complains(&said);
    }
}

#[test]
fn a_component_without_a_manifest_is_refused_before_anybody_is_asked_unless_it_is_said_what_to_grant() {
    let place = Place::new();
    place.write("bare.wasm", importing(&["plugwork:host/fetch@0.1.0"]));
    let said = asked(&place, &["add", "bare.wasm"], &["y"]);
    assert!(said.code == 3 && said.screen.contains("needs --grant 'http = {") && !said.screen.contains("[y/N]"), "{said:?}");
    place.run(&["add", "bare.wasm", "--yes"]).exits(3).complains(&["has no manifest", "needs --grant 'http = {"]);
    assert_eq!((packages(&place), records(&place).len()), (0, 0));
    // What needs nothing is asked about; and with a grant it is no matter of asking any more: this one has only a wrong import.
    place.write("free.wasm", outcomes());
    let said = asked(&place, &["add", "free.wasm"], &["y"]);
    assert!(said.code == 0 && said.screen.contains("[y/N]"), "{said:?}");
    place.run(&["add", "bare.wasm", "--grant", "http = { hosts = [\"a.example\"] }"]).exits(1).complains(&["cannot link"]);
}
