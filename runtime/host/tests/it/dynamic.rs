//! Calling by values: every family of types goes in and comes out, as WAVE and as JSON, and what is wrong is named with its place.

use plugwork::dynamic::{Argument, Returned};
use plugwork::{Error, ErrorKind, Plugin, Refusal};
use serde_json::{Value, json};

use crate::guest::{ECHO, Guest, REFUSAL};
use crate::world::{Number, plugin};

/// One function for each type that gives its argument back, named `same-…`; then the odd ones.
///
/// The code needs no knowledge of the types: what is flattened into words of 32 bits is laid out in memory as those same words.
pub(crate) fn identities() -> Guest {
    const DEFINED: [(&str, &str); 5] = [
        ("point", "(record (field \"x\" u32) (field \"label\" string))"),
        ("sparse", "(record (field \"a\" (option u32)))"),
        ("shape", "(variant (case \"empty\") (case \"sized\" u32) (case \"named\" string))"),
        ("colour", "(enum \"red\" \"green\" \"blue\")"),
        ("rights", "(flags \"read\" \"write\" \"run\")"),
    ];
    const SAME: [(&str, &str, &str); 25] = [
        ("bool", "bool", "i32"),
        ("u8", "u8", "i32"),
        ("s8", "s8", "i32"),
        ("u16", "u16", "i32"),
        ("s16", "s16", "i32"),
        ("u32", "u32", "i32"),
        ("s32", "s32", "i32"),
        ("u64", "u64", "i64"),
        ("s64", "s64", "i64"),
        ("f32", "f32", "f32"),
        ("f64", "f64", "f64"),
        ("char", "char", "i32"),
        ("enum", "$colour", "i32"),
        ("flags", "$rights", "i32"),
        ("string", "string", "2"),
        ("bytes", "(list u8)", "2"),
        ("texts", "(list string)", "2"),
        ("points", "(list $point)", "2"),
        ("tuple", "(tuple u32 u32)", "2"),
        ("option", "(option u32)", "2"),
        ("sparse", "$sparse", "2"),
        ("record", "$point", "3"),
        ("variant", "$shape", "3"),
        ("result", "(result u32 (error string))", "3"),
        ("nested", "(option (option (option u32)))", "4"),
    ];
    let types: String =
        DEFINED.map(|(name, text)| format!("(type ${name}' {text}) (export ${name} \"{name}\" (type ${name}'))\n")).concat();
    let functions: String = SAME
        .map(|(name, ty, core)| {
            format!(
                "(func $same-{name} (param \"value\" {ty}) (result {ty}) (canon lift (core func $code \"{core}\") (memory $memory) (realloc $realloc)))
                (export \"same-{name}\" (func $same-{name}))\n"
            )
        })
        .concat();
    let code = r#"
        (import "heap" "memory" (memory 1))
        (func (export "i32") (param i32) (result i32) local.get 0)
        (func (export "i64") (param i64) (result i64) local.get 0)
        (func (export "f32") (param f32) (result f32) local.get 0)
        (func (export "f64") (param f64) (result f64) local.get 0)
        (func (export "2") (param i32 i32) (result i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) i32.const 0)
        (func (export "3") (param i32 i32 i32) (result i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.store (i32.const 8) (local.get 2)) i32.const 0)
        (func (export "4") (param i32 i32 i32 i32) (result i32)
          (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.store (i32.const 8) (local.get 2))
          (i32.store (i32.const 12) (local.get 3)) i32.const 0)
        (func (export "nothing"))
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))"#;
    let odd = r#"
        (func $nothing (canon lift (core func $code "nothing")))
        (export "nothing" (func $nothing))
        (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $code "add")))
        (export "add" (func $add))"#;
    Guest::new(code).exporting(&format!("{types}{functions}{odd}"))
}

async fn call(plugin: &Plugin, name: &str, arguments: &[Argument]) -> Result<Returned, Error> {
    plugin.call_dynamic(&plugin.function(name)?, arguments).await
}

#[tokio::test]
async fn every_family_of_types_goes_in_and_comes_out_as_json() {
    let plugin = plugin(&identities().source()).await;
    for (name, values) in [
        ("bool", vec![json!(true), json!(false)]),
        ("u8", vec![json!(0), json!(255)]),
        ("s8", vec![json!(-128), json!(127)]),
        ("u16", vec![json!(65_535)]),
        ("s16", vec![json!(-32_768)]),
        ("u32", vec![json!(u32::MAX)]),
        ("s32", vec![json!(i32::MIN)]),
        ("u64", vec![json!(1), json!(1_u64 << 53), json!("9007199254740993"), json!("18446744073709551615")]),
        ("s64", vec![json!(-1), json!("-9223372036854775808")]),
        ("f32", vec![json!(0.5), json!("nan"), json!("-inf")]),
        ("f64", vec![json!(0.1), json!(-1e300), json!("inf")]),
        ("char", vec![json!("é"), json!("𝄞")]),
        ("enum", vec![json!("green")]),
        ("flags", vec![json!([]), json!(["read", "run"])]),
        ("string", vec![json!(""), json!("a\u{0}\"é")]),
        ("bytes", vec![json!([]), json!([0, 255])]),
        ("texts", vec![json!(["a", "", "c"])]),
        ("points", vec![json!([{"x": 1, "label": "a"}, {"x": 2, "label": "b"}])]),
        ("tuple", vec![json!([1, 2])]),
        ("option", vec![json!(null), json!(7)]),
        ("sparse", vec![json!({"a": 1}), json!({"a": null})]),
        ("record", vec![json!({"x": 1, "label": "a"})]),
        ("variant", vec![json!("empty"), json!({"sized": 3}), json!({"named": "n"})]),
        ("result", vec![json!({"ok": 4}), json!({"err": "why"})]),
        ("nested", vec![json!(null), json!({"some": null}), json!({"some": {"some": 3}})]),
    ] {
        for value in values {
            let returned = call(&plugin, &format!("same-{name}"), &[Argument::Json(value.clone())]).await.unwrap();
            assert_eq!(returned.to_json().unwrap(), value, "{name}");
        }
    }
}

#[tokio::test]
async fn every_family_of_types_goes_in_and_comes_out_as_wave() {
    let plugin = plugin(&identities().source()).await;
    for (name, text) in [
        ("bool", "true"),
        ("u8", "255"),
        ("s8", "-128"),
        ("u16", "65535"),
        ("s16", "-1"),
        ("u32", "4294967295"),
        ("s32", "-2147483648"),
        ("u64", "18446744073709551615"),
        ("s64", "-9223372036854775808"),
        ("f32", "0.5"),
        ("f64", "nan"),
        ("char", "'é'"),
        ("enum", "green"),
        ("flags", "{read, run}"),
        ("flags", "{}"),
        ("string", r#""a\"é""#),
        ("bytes", "[0, 255]"),
        ("texts", r#"["a", ""]"#),
        ("points", r#"[{x: 1, label: "a"}]"#),
        ("tuple", "(1, 2)"),
        ("option", "none"),
        ("option", "some(7)"),
        ("record", r#"{x: 1, label: "a"}"#),
        ("variant", "empty"),
        ("variant", "sized(3)"),
        ("variant", r#"named("n")"#),
        ("result", "ok(4)"),
        ("result", r#"err("why")"#),
        ("nested", "some(some(none))"),
        ("nested", "some(none)"),
        ("nested", "none"),
        ("nested", "some(some(some(1)))"),
    ] {
        let returned = call(&plugin, &format!("same-{name}"), &[Argument::Wave(text.to_owned())]).await.unwrap();
        assert_eq!(returned.to_wave().unwrap(), text, "{name}");
    }
}

#[tokio::test]
async fn a_field_that_is_optional_may_be_left_out() {
    let plugin = plugin(&identities().source()).await;
    let returned = call(&plugin, "same-sparse", &[Argument::Json(json!({}))]).await.unwrap();
    assert_eq!(returned.to_json().unwrap(), json!({"a": null}));
}

#[tokio::test]
async fn a_function_without_result_gives_nothing() {
    let returned = call(&plugin(&identities().source()).await, "nothing", &[]).await.unwrap();
    assert_eq!((returned.to_wave().unwrap().as_str(), returned.to_json().unwrap()), ("()", Value::Null));
    assert_eq!(returned.spend.calls, 2, "instantiating is one");
}

#[tokio::test]
async fn json_of_a_wrong_type_is_an_issue_with_its_place() {
    let plugin = plugin(&identities().source()).await;
    for (name, value, at) in [
        ("bool", json!(1), "value"),
        ("u8", json!(256), "value"),
        ("u8", json!(-1), "value"),
        ("u8", json!(1.5), "value"),
        ("s64", json!("9223372036854775808"), "value"),
        ("char", json!("ab"), "value"),
        ("char", json!(""), "value"),
        ("enum", json!("mauve"), "value"),
        ("flags", json!(["read", "fly"]), "value"),
        ("string", json!(null), "value"),
        ("bytes", json!([1, 2, 300]), "value/2"),
        ("points", json!([{"x": 1, "label": "a"}, {"x": "no", "label": "b"}]), "value/1/x"),
        ("tuple", json!([1]), "value"),
        ("tuple", json!([1, "2x"]), "value/1"),
        ("option", json!("x"), "value"),
        ("record", json!({"x": 1}), "value"),
        ("record", json!({"x": 1, "label": "a", "extra": 1}), "value"),
        ("variant", json!({"sized": "big"}), "value/sized"),
        ("variant", json!("sized"), "value"),
        ("variant", json!({"empty": 1}), "value"),
        ("variant", json!({"a": 1, "b": 2}), "value"),
        ("result", json!({"ok": "x"}), "value/ok"),
        ("result", json!({"fine": 1}), "value"),
        ("nested", json!(1), "value"),
        ("nested", json!({"some": 1}), "value/some"),
    ] {
        let error = call(&plugin, &format!("same-{name}"), &[Argument::Json(value.clone())]).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.issues().len(), error.issues()[0].at.as_str()),
            (ErrorKind::Invalid, 1, at),
            "{name} {value}: {error}"
        );
        assert!(!error.issues()[0].expected.is_empty());
    }
}

#[tokio::test]
async fn a_missing_or_unknown_field_is_named() {
    let plugin = plugin(&identities().source()).await;
    for (value, what) in [(json!({"x": 1}), "field `label` is missing"), (json!({"x": 1, "label": "a", "y": 0}), "unknown field `y`")] {
        let error = call(&plugin, "same-record", &[Argument::Json(value)]).await.unwrap_err();
        assert_eq!(error.issues()[0].what, what);
        assert_eq!(error.issues()[0].expected, "record { x: u32, label: string }");
    }
}

#[tokio::test]
async fn wave_of_a_wrong_type_is_an_issue_that_says_the_type() {
    let plugin = plugin(&identities().source()).await;
    for (name, text) in
        [("u8", "256"), ("record", "{x: 1}"), ("enum", "mauve"), ("string", "unquoted"), ("points", "[{x: 1, label: 2}]"), ("u8", "")]
    {
        let error = call(&plugin, &format!("same-{name}"), &[Argument::Wave(text.to_owned())]).await.unwrap_err();
        assert_eq!((error.kind(), error.issues()[0].at.as_str()), (ErrorKind::Invalid, "value"), "{error}");
        assert!(error.issues()[0].expected.starts_with("WAVE text of type "), "{error}");
    }
}

#[tokio::test]
async fn every_wrong_argument_is_told_at_once() {
    let plugin = plugin(&identities().source()).await;
    let error = call(&plugin, "add", &[Argument::Json(json!("x")), Argument::Wave("-1".to_owned())]).await.unwrap_err();
    let places: Vec<_> = error.issues().iter().map(|issue| issue.at.as_str()).collect();
    assert_eq!(places, ["a", "b"]);
    let error = call(&plugin, "add", &[Argument::Json(json!(1))]).await.unwrap_err();
    assert_eq!(error.to_string(), "`add: func(a: u32, b: u32) -> u32` takes 2 arguments, not 1");
}

#[tokio::test]
async fn an_argument_longer_than_the_limit_is_not_parsed() {
    let plugin = plugin(&identities().source()).await;
    let error = call(&plugin, "same-u8", &[Argument::Wave(" ".repeat((8 << 20) + 1))]).await.unwrap_err();
    assert_eq!(error.issues()[0].what, "8388609 bytes of text");
}

const TWO_INTERFACES: &str = r#"
  (func $run (param "input" u32) (result u32) (canon lift (core func $code "run")))
  (instance $a (export "run" (func $run)) (export "stop" (func $run)))
  (instance $b (export "run" (func $run)))
  (export "acme:one/thing@1.2.0" (instance $a))
  (export "acme:two/other@0.1.0" (instance $b))
"#;

#[tokio::test]
async fn a_function_is_found_by_any_name_that_fits_one() {
    let plugin = plugin(&Guest::new(ECHO).exporting(TWO_INTERFACES).source()).await;
    for (name, interface) in [
        ("stop", "acme:one/thing@1.2.0"),
        ("thing#run", "acme:one/thing@1.2.0"),
        ("acme:two/other#run", "acme:two/other@0.1.0"),
        ("acme:two/other@0.1.0#run", "acme:two/other@0.1.0"),
    ] {
        let function = plugin.function(name).unwrap();
        assert_eq!(function.interface, interface);
        let returned = plugin.call_dynamic(&function, &[Argument::Wave("3".to_owned())]).await.unwrap();
        assert_eq!(returned.to_wave().unwrap(), "3");
    }
}

#[tokio::test]
async fn an_ambiguous_or_unknown_name_lists_the_candidates() {
    let plugin = plugin(&Guest::new(ECHO).exporting(TWO_INTERFACES).source()).await;
    let error = plugin.function("run").err().unwrap().to_string();
    assert!(error.starts_with("`run` could be any of these, name its interface:"), "{error}");
    assert!(error.contains("acme:one/thing@1.2.0#run: func(input: u32) -> u32") && error.contains("acme:two/other@0.1.0#run"), "{error}");
    let error = plugin.function("walk").err().unwrap().to_string();
    assert!(error.contains("exports no function `walk`; it exports:") && error.contains("acme:one/thing@1.2.0#stop"), "{error}");
    assert!(plugin.function("acme:one/thing@9.9.9#run").is_err());
}

#[tokio::test]
async fn a_function_of_another_plugin_is_refused() {
    let one = plugin(&identities().source()).await;
    let other = plugin(&Guest::new(ECHO).source()).await;
    let error = one.call_dynamic(&other.function("run").unwrap(), &[Argument::Wave("3".to_owned())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("is not of this plugin"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_recognised_by_its_shape() {
    // result<u32, refusal>: err at 64, `unavailable` at 68, text at 72.
    let code = r#"(import "heap" "memory" (memory 1)) (data (i32.const 0) "not today")
        (data (i32.const 64) "\01\00\00\00\02\00\00\00\00\00\00\00\09\00\00\00")
        (func (export "answer") (param i32) (result i32) i32.const 64)"#;
    let guest = Guest::new(code).import(REFUSAL).exporting(
        r#"(func $answer (param "input" u32) (result (result u32 (error $refusal))) (canon lift (core func $code "answer") (memory $memory)))
        (export "answer" (func $answer))"#,
    );
    let returned = call(&plugin(&guest.source()).await, "answer", &[Argument::Json(json!(1))]).await.unwrap();
    assert_eq!(returned.refusal(), Some(Refusal::Unavailable { reason: "not today".to_owned() }));
    assert_eq!(returned.to_json().unwrap(), json!({"err": {"unavailable": "not today"}}));
}

#[tokio::test]
async fn nested_options_keep_their_depth_in_json() {
    let plugin = plugin(&identities().source()).await;
    for text in ["none", "some(none)", "some(some(none))", "some(some(some(1)))"] {
        let once = call(&plugin, "same-nested", &[Argument::Wave(text.to_owned())]).await.unwrap();
        let again = call(&plugin, "same-nested", &[Argument::Json(once.to_json().unwrap())]).await.unwrap();
        assert_eq!(again.to_wave().unwrap(), text, "as JSON: {}", once.to_json().unwrap());
    }
}

#[tokio::test]
async fn a_fault_in_a_dynamic_call_is_the_same_fault() {
    let guest = Guest::new(r#"(func (export "run") (param i32) (result i32) unreachable)"#);
    let plugin = plugin(&guest.source()).await;
    let dynamic = call(&plugin, "run", &[Argument::Json(json!(0))]).await.unwrap_err();
    let typed = plugin.call::<Number>(&0).await.unwrap_err();
    assert_eq!(dynamic.fault(), typed.fault());
}
