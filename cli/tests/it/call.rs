//! `plugwork call`.

use serde_json::json;

use crate::component::{importing, outcomes, with_manifest};
use crate::place::{Place, Ran, plugin};

/// Calls a function of the component that has one of each outcome.
fn call(arguments: &[&str]) -> Ran {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&[&["call", "a.wasm"], arguments].concat())
}

#[test]
fn a_value_goes_in_and_comes_out_as_wave() {
    assert_eq!(call(&["text", "\"hello\""]).exits(0).out, "\"hello\"\n");
    assert_eq!(call(&["outcomes#number", "-5"]).exits(0).out, "-5\n");
}

#[test]
fn a_value_goes_in_and_comes_out_as_json() {
    assert_eq!(call(&["text", "--json", "--json-args", "\"hello\""]).exits(0).json(), "hello");
    assert_eq!(call(&["outcomes#number", "--json", "7"]).exits(0).json(), 7);
}

#[test]
fn a_function_is_named_with_its_interface_where_its_name_is_not_enough() {
    call(&["number", "1"]).exits(2).complains(&["`number` could be any of these", "test:point/outcomes@0.1.0#number"]);
    call(&["test:point/outcomes@0.1.0#number", "1"]).exits(0);
    call(&["test:point/outcomes#number", "1"]).exits(0);
}

#[test]
fn a_slip_in_a_name_finds_what_was_meant() {
    call(&["refusse"]).exits(2).complains(&["exports no function `refusse`", "#traps: func()", "hint: was `refuses` meant?"]);
    let strange = call(&["telepathy"]).exits(2);
    assert!(!strange.err.contains("meant?"), "{}", strange.err);
}

#[test]
fn an_argument_that_does_not_fit_is_told_what_would() {
    call(&["outcomes#number", "yes"]).exits(2).complains(&["value: ", "expected WAVE text of type s32"]);
    call(&["outcomes#number", "--json-args", "2147483648"]).exits(2).complains(&["value: 2147483648; expected s32"]);
    call(&["text"]).exits(2).complains(&["takes 1 argument", "not 0"]);
    call(&["text", "--json-args", "hello"]).exits(2).complains(&["argument 1 is not JSON", "hint: text is written"]);
}

#[test]
fn an_answer_that_is_a_refusal_fails_with_its_words() {
    let denied = call(&["denies"]).exits(3);
    assert_eq!(denied.out, "");
    denied.complains(&["`test:plugin` refused: denied `net` (E-TEST): not today", "hint: ask again"]);
    call(&["refuses"]).exits(1).complains(&["refused: /a: value; expected fewer"]);
}

#[test]
fn an_answer_that_is_an_error_is_printed_and_fails() {
    let failed = call(&["fails"]).exits(1);
    assert_eq!(failed.out, "err(\"not today\")\n");
    failed.complains(&["`fails` of `test:plugin` answered with an error"]);
    assert_eq!(call(&["fails", "--json"]).exits(1).json(), json!({"err": "not today"}));
    assert_eq!(call(&["refuses", "--json"]).exits(1).json()["err"]["invalid"]["at"], "/a");
}

#[test]
fn what_goes_wrong_inside_names_the_plugin_and_the_cause() {
    call(&["spins", "--deadline-ms", "30"]).exits(1).complains(&["plugin `test:plugin` ran past its deadline of 30 ms"]);
    call(&["traps"]).exits(1).complains(&["plugin `test:plugin` trapped", "unreachable"]);
}

#[test]
fn a_value_cannot_colour_the_terminal() {
    let ran = call(&["colours"]).exits(0);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
}

#[test]
fn limits_out_of_range_are_refused_as_usage() {
    call(&["traps", "--deadline-ms", "0"]).exits(2).complains(&["1..=3600000"]);
    call(&["traps", "--memory-bytes", "1"]).exits(2).complains(&["65536"]);
}

#[test]
fn memory_over_the_limit_is_refused() {
    let place = Place::new();
    let module = "(component (core module $m (memory 3)) (core instance (instantiate $m)) (core module $f (func (export \"f\")))
        (core instance $i (instantiate $f)) (func $f (canon lift (core func $i \"f\"))) (export \"f\" (func $f)))";
    place.write("big.wasm", wat::parse_str(module).unwrap());
    let arguments = ["call", "big.wasm", "f", "--memory-bytes"];
    place.run(&[&arguments[..], &["196608"]].concat()).exits(0).says(&["()"]);
    place.run(&[&arguments[..], &["196607"]].concat()).exits(1).complains(&["memory", "196607"]);
}

#[test]
fn without_a_function_the_functions_are_listed() {
    let listed = call(&[]).exits(0);
    assert_eq!(listed.out, call(&["--list"]).exits(0).out);
    let listed = listed.says(&["test:point/outcomes@0.1.0\n", "  text: func(value: string) -> string\n", "-> result<_, refusal>\n"]);
    listed.says(&["(the world itself)\n  number: func(value: s32) -> s32\n"]);
    let json = call(&["--list", "--json"]).exits(0).json();
    assert_eq!(
        json[1],
        json!({"interface": "test:point/outcomes@0.1.0", "name": "text", "signature": "text: func(value: string) -> string"})
    );
}

#[test]
fn a_missing_grant_is_refused_with_the_argument_to_add() {
    let place = Place::new();
    let required = "[permissions.http]\nhosts = [\"*.example.com\"]\n";
    place.write("a.wasm", with_manifest(&importing(&["plugwork:host/fetch@0.1.0"]), required));
    let ran = place.run(&["call", "a.wasm", "run"]).exits(3);
    ran.complains(&["cannot accept `test:plugin`", "plugwork:host/fetch@0.1.0", "hint: --grant 'http = { hosts = [\"*.example.com\"] }'"]);
}

#[test]
fn without_its_grants_a_plugin_is_still_listed_by_name() {
    let place = Place::new();
    let required = "[permissions.http]\nhosts = [\"*\"]\n";
    place.write("a.wasm", with_manifest(&importing(&["plugwork:host/fetch@0.1.0"]), required));
    place.run(&["call", "a.wasm", "--list"]).exits(0).complains(&["names only", "--grant 'http = "]);
}

#[test]
fn an_import_that_nobody_offers_is_refused_before_anything_runs() {
    let place = Place::new();
    place.write("a.wasm", importing(&["acme:own/thing@1.0.0"]));
    place.run(&["call", "a.wasm", "run"]).exits(3).complains(&["cannot accept `local:a`", "acme:own/thing@1.0.0", "E-LINK-UNKNOWN"]);
}

#[test]
fn what_is_no_component_is_refused() {
    let place = Place::new();
    place.write("core.wasm", wat::parse_str("(module)").unwrap());
    place.run(&["call", "core.wasm", "f"]).exits(1).complains(&["a core module, not a component"]);
    place.run(&["call", "none.wasm", "f"]).exits(4).complains(&["cannot read component `none.wasm`: no such file"]);
}

#[test]
fn a_real_plugin_answers_and_its_log_goes_to_stderr() {
    let ran = Place::new().run(&["call", &plugin("shout"), "apply", "{body: \"hello\", media-type: \"text/plain\"}"]).exits(0);
    assert_eq!(ran.out, "ok({body: \"HELLO\", media-type: \"text/plain\"})\n");
    ran.complains(&["plugwork:shout debug: shouting 5 bytes"]);
}

#[test]
fn a_real_plugin_without_its_optional_grant_answers_denied() {
    let options = "\"{\\\"url\\\":\\\"http://127.0.0.1:9/week.geojson\\\"}\"";
    let ran = Place::new().run(&["call", &plugin("usgs-earthquakes"), "open", options]).exits(3);
    ran.complains(&["denied `plugwork:host/fetch@0.1.0`", "hint: --grant 'http = { hosts = [\"*\"], methods = [\"GET\"] }'"]);
}

#[test]
fn a_resource_is_said_to_need_a_session() {
    let geojson = plugin("geojson");
    let place = Place::new();
    place
        .run(&["call", &geojson, "start", "\"{}\""])
        .exits(1)
        .complains(&["answered with a resource", "hint: a resource lives in a session"]);
    place.run(&["call", &geojson, "[method]writer.finish", "1"]).exits(2).complains(&["called on a resource", "plugwork run"]);
}
