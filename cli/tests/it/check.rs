//! `plugwork check`.

use crate::component::{FULL, importing, manifest, outcomes, with_manifest, with_text};
use crate::place::{Place, Ran, plugin};

const FETCH: &str = "plugwork:host/fetch@0.1.0";

/// The codes of the findings, in order.
fn codes(ran: &Ran) -> Vec<String> {
    let findings = ran.json()["findings"].as_array().unwrap().clone();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

fn check(component: &[u8]) -> Ran {
    let place = Place::new();
    place.write("a.wasm", component);
    place.run(&["check", "a.wasm", "--json"])
}

#[test]
fn an_import_that_the_manifest_does_not_ask_for_is_an_error() {
    let ran = check(&with_manifest(&importing(&[FETCH]), "")).exits(1);
    assert_eq!(codes(&ran)[0], "import-not-asked");
    ran.says(&["add `[permissions.http]` to `plugin.toml`"]);
}

#[test]
fn all_findings_come_at_once_and_errors_first() {
    let component = importing(&[FETCH, "acme:own/thing@1.0.0"]);
    let ran = check(&with_text(&component, "name = \"test:plugin\"\nversion = \"0.1.0\"\n[permissions.config]\nkeys = [\"a\"]\n")).exits(1);
    assert_eq!(
        codes(&ran),
        [
            "import-not-asked",
            "unknown-import",
            "no-description",
            "no-licence",
            "asked-not-imported",
            "no-metadata",
            "no-point",
            "no-reason"
        ]
    );
    assert_eq!((&ran.json()["errors"], &ran.json()["warnings"], &ran.json()["notes"]), (&2.into(), &5.into(), &1.into()));
}

#[test]
fn warnings_alone_do_not_fail() {
    let ran = check(&with_manifest(&outcomes(), "[permissions.htp]\n")).exits(0);
    assert_eq!(codes(&ran), ["unknown-capability", "unknown-point"]);
    ran.says(&["was `http` meant?"]);
}

#[test]
fn an_import_of_an_applications_own_capability_is_only_a_warning() {
    let ran = check(&with_manifest(&importing(&["acme:own/thing@1.0.0"]), "[permissions.thing]\nreason = \"x\"\n")).exits(0);
    assert_eq!(codes(&ran), ["unknown-capability", "unknown-import", "no-point"]);
}

#[test]
fn a_component_without_a_manifest_is_a_warning_and_what_it_needs_a_note() {
    let ran = check(&importing(&["wasi:http/outgoing-handler@0.2.6"])).exits(0);
    assert_eq!(codes(&ran), ["no-manifest", "no-point", "needs-grant"]);
}

#[test]
fn a_wrong_manifest_is_told_by_every_complaint() {
    let wrong = manifest("[limits]\ndeadline-ms = 0\n[permissions.http]\nmethods = [\"GET\"]\n");
    let ran = check(&with_text(&outcomes(), &wrong)).exits(1);
    let manifest_findings = codes(&ran).iter().filter(|code| *code == "manifest").count();
    assert_eq!(manifest_findings, 2);
    ran.says(&["limits.deadline-ms", "permissions.http"]);
}

#[test]
fn a_listed_export_that_is_not_there_is_an_error() {
    let build = "[build]\nlanguage = \"rust\"\nexports = [\"plugwork:points/analyzer@0.1.0\"]\n";
    let ran = check(&with_manifest(&outcomes(), build)).exits(1);
    assert_eq!(codes(&ran), ["export-missing", "unknown-point"]);
}

#[test]
fn a_point_of_another_version_is_an_error_and_one_without_lifecycle_a_warning() {
    let point = |version: &str| outcomes_named(&format!("plugwork:points/analyzer@{version}"));
    assert_eq!(codes(&check(&with_manifest(&point("0.9.0"), "")).exits(1)), ["point-version"]);
    assert_eq!(codes(&check(&with_manifest(&point("0.1.0"), "")).exits(0)), ["no-lifecycle"]);
}

fn outcomes_named(point: &str) -> Vec<u8> {
    wat::parse_str(crate::component::OUTCOMES.replace("test:point/outcomes@0.1.0", point)).unwrap()
}

#[test]
fn metadata_that_contradicts_the_manifest_is_a_warning() {
    let other = manifest("").replace("0.1.0", "0.2.0");
    let ran = check(&with_text(&with_manifest(&outcomes(), ""), &other)).exits(0);
    assert_eq!(codes(&ran), ["metadata-differs", "unknown-point"]);
    ran.says(&["`version`"]);
}

#[test]
fn the_full_profile_unasked_for_is_a_warning_when_it_is_not_needed() {
    let ran = check(&with_manifest(&outcomes(), "[permissions.engine]\nprofile = \"full\"\nreason = \"x\"\n")).exits(0);
    assert_eq!(codes(&ran), ["full-profile-unused", "unknown-point"]);
}

#[test]
fn component_async_that_the_manifest_does_not_ask_for_is_an_error() {
    let full = wat::parse_str(FULL).unwrap();
    assert_eq!(codes(&check(&with_manifest(&full, "")).exits(1))[0], "full-profile");
    let asked = "[permissions.engine]\nprofile = \"full\"\nreason = \"x\"\n";
    assert_eq!(codes(&check(&with_manifest(&full, asked)).exits(0)), ["no-point", "full-profile"]);
}

#[test]
fn a_size_close_to_its_limit_is_a_warning() {
    let pages = 900;
    let module = format!("(component (core module (memory {pages})))");
    let ran = check(&with_manifest(&wat::parse_str(module).unwrap(), "")).exits(0);
    assert_eq!(codes(&ran), ["no-point", "near-limit"]);
    ran.says(&["`memory_initial_bytes` is 58,982,400 of 67,108,864 allowed (87 %)"]);
}

#[test]
fn what_is_no_component_is_a_finding() {
    assert_eq!(codes(&check(b"hello").exits(1)), ["unreadable"]);
    assert_eq!(codes(&check(&wat::parse_str("(module)").unwrap()).exits(1)), ["unreadable"]);
}

#[test]
fn the_text_has_level_code_and_hint_on_stdout_and_the_sum_on_stderr() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&importing(&[FETCH]), ""));
    let ran = place.run(&["check", "a.wasm"]).exits(1);
    let ran = ran.says(&["error [import-not-asked]: it imports `plugwork:host/fetch@0.1.0`", "\n  hint: add `[permissions.http]`"]);
    ran.complains(&["error: `a.wasm`: 1 error, 1 warning, 0 notes"]);
}

#[test]
fn a_project_is_checked_with_what_was_built_from_it() {
    let place = Place::new();
    place.write("project/plugin.toml", manifest(""));
    let ran = place.run(&["check", "project", "--json"]).exits(0);
    assert_eq!(codes(&ran), ["not-built"]);
    place.write("project/target/plugwork/plugin.wasm", with_manifest(&outcomes(), ""));
    assert_eq!(codes(&place.run(&["check", "project", "--json"]).exits(0)), ["unknown-point"]);
    place.write("project/plugin.toml", manifest("# changed since\n"));
    assert_eq!(codes(&place.run(&["check", "project", "--json"]).exits(0)), ["stale", "unknown-point"]);
    place.write("project/plugin.toml", "name = 3");
    assert_eq!(codes(&place.run(&["check", "project", "--json"]).exits(1)), ["manifest"]);
}

#[test]
fn what_is_not_there_exits_with_4() {
    let place = Place::new();
    place.run(&["check", "none.wasm"]).exits(4).complains(&["no such file"]);
    place.run(&["check", "."]).exits(4).complains(&["`./plugin.toml`, which makes a folder a plugin project"]);
}

#[test]
fn the_example_plugins_have_no_errors_and_no_warnings() {
    for name in ["usgs-earthquakes", "hourly-rate", "declustering"] {
        let ran = Place::new().run(&["check", &plugin(name), "--json"]).exits(0);
        assert_eq!(codes(&ran), [""; 0], "{name}");
    }
}
