//! `plugwork verify`: a right is lent by a deputy, shared by those who have it, and reached by nobody else.

mod installed;

use serde_json::json;

use crate::place::Place;
use crate::resolve::packed;

/// A shop that calls a mailer, whose grants are these.
fn pipeline(mailer: &str, wiring: &str) -> Place {
    let place = Place::new();
    let asks = "[permissions.call]\nplugins = [\"acme:mailer\"]\n";
    let sends = "[permissions.http]\nhosts = [\"smtp.example\"]\nmethods = [\"POST\"]\n[permissions.deputy]\ncapabilities = [\"http\"]\noptional = true\n";
    place.write("shop.wasm", packed("acme:shop", "1.0.0", asks, "(component)"));
    place.write("mailer.wasm", packed("acme:mailer", "1.0.0", sends, "(component)"));
    let text = format!(
        "name = \"orders\"\n[[source]]\nname = \"shop\"\nplugin = \"shop.wasm\"\ngrants.call = {{}}\n\
        calls = [{{ plugin = \"mailer.wasm\", wiring = \"{wiring}\", grants = {{ http = {{}}{mailer} }} }}]\n"
    );
    place.write("orders.toml", text);
    place
}

#[test]
fn what_a_deputy_lends_is_listed_with_the_grants_that_allow_it_and_fails_a_gate() {
    let place = pipeline(", deputy = {}", "brokered");
    let told = place.run(&["verify", "orders.toml", "--json"]).exits(0).json();
    let way = &told["ways"][0];
    assert_eq!((&way["reached"], &way["plugins"]), (&json!("lent"), &json!(["shop", "shop/acme:mailer"])));
    assert_eq!(way["because"], json!(["`shop`: call of `shop/acme:mailer`", "`shop/acme:mailer`: deputy for http"]));
    assert_eq!((told["ways"].as_array().unwrap().len(), &told["is_all"], &told["is_decided"]), (1, &json!(true), &json!(true)));
    place.run(&["verify", "orders.toml"]).exits(0).says(&["lent: rights that a plugin was not granted itself", "smtp.example"]);
    place
        .run(&["verify", "orders.toml", "--deny-lent"])
        .exits(3)
        .complains(&["rights that a plugin was not granted itself are reached: 1 in all"]);
}

#[test]
fn what_no_deputy_lends_and_what_is_one_component_is_reached_by_nobody() {
    for (mailer, wiring) in [("", "brokered"), (", deputy = {}", "fused")] {
        let place = pipeline(mailer, wiring);
        place.run(&["verify", "orders.toml", "--deny-lent"]).exits(0).says(&["nothing is lent"]);
    }
}

#[test]
fn where_nothing_was_added_there_is_nothing_to_tell() {
    assert_eq!(Place::new().run(&["verify", "--json"]).exits(0).json()["ways"], json!([]));
    Place::new().run(&["verify", "none.toml"]).exits(4).complains(&["cannot read pipeline"]);
}

#[test]
fn who_has_a_say_before_calls_is_told() {
    let place = Place::new();
    let guards = "[guards]\n\"acme:mailer/send\" = [\"self\", \"acme:policy\"]\n";
    place.write("mailer.wasm", packed("acme:mailer", "1.0.0", guards, "(component)"));
    place.write("orders.toml", "name = \"orders\"\n[[source]]\nname = \"mailer\"\nplugin = \"mailer.wasm\"\n");
    let told = "calls of acme:mailer/send are asked of itself, then of acme:policy";
    place.run(&["verify", "orders.toml"]).exits(0).says(&[told]);
    place.run(&["inspect", "mailer.wasm"]).exits(0).says(&[told]);
    for arguments in [&["verify", "orders.toml", "--json"][..], &["inspect", "mailer.wasm", "--json"]] {
        let told = place.run(arguments).exits(0).json();
        let guards = told.pointer("/plugins/0/guards").or(told.pointer("/manifest/guards")).unwrap();
        assert_eq!(guards, &json!({"acme:mailer/send": ["self", "acme:policy"]}));
    }
}

#[test]
fn whom_a_step_has_act_without_a_call_is_told_and_is_not_lent() {
    let handler = "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i \"f\")))
        (instance $e (export \"f\" (func $f)))";
    let place = Place::new();
    let asks = "[permissions.call]\nplugins = [\"acme:mailer\"]\n[permissions.events]\nout = [\"orders/*\"]\n";
    let imports = "(component (import \"acme:mailer/send@1.0.0\" (instance (export \"f\" (func)))))";
    place.write("shop.wasm", packed("acme:shop", "1.0.0", asks, imports));
    let guarded = "[guards]\n\"acme:mailer/send\" = [\"self\", \"acme:ledger\"]\n";
    let exports = format!("(component {handler} (export \"acme:mailer/send@1.0.0\" (instance $e)))");
    place.write("mailer.wasm", packed("acme:mailer", "1.0.0", guarded, &exports));
    let hears = "[permissions.events]\nin = [\"orders/created\", \"invoices/*\"]\n";
    let exports = format!("(component {handler} (export \"plugwork:points/event-handler@0.1.0\" (instance $e)))");
    place.write("ledger.wasm", packed("acme:ledger", "1.0.0", hears, &exports));
    let text = "name = \"orders\"\n[[source]]\nname = \"shop\"\nplugin = \"shop.wasm\"\ngrants.call = {}\ngrants.events = {}\n\
        calls = [{ plugin = \"mailer.wasm\" }]\n[[source]]\nname = \"ledger\"\nplugin = \"ledger.wasm\"\ngrants.events = {}\n";
    place.write("orders.toml", text);
    let told = place.run(&["verify", "orders.toml", "--json", "--deny-lent"]).exits(0).json();
    let set_off = told["set_off"].as_array().unwrap();
    // A step is an instance with a name of its own, which no other plugin has as its guard.
    assert_eq!(set_off.len(), 2, "{set_off:?}");
    assert_eq!((&set_off[0]["by"], &set_off[0]["plugins"]), (&json!("guards"), &json!(["shop", "shop/acme:mailer"])));
    assert_eq!((&set_off[1]["by"], &set_off[1]["plugins"]), (&json!("events"), &json!(["shop", "ledger"])));
    assert_eq!(set_off[1]["because"], json!(["`shop`: publishes orders/*", "`ledger`: is told of orders/created"]));
}
