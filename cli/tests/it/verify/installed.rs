//! Plugins that were added: wired by their grants, their interfaces and their tenants, and by nothing else.

use plugwork_core::record::{Consent, Event, Records};
use plugwork_core::{Digest, Subject};
use plugwork_store::Store;
use serde_json::{Value, json};

use crate::place::Place;
use crate::resolve::packed;

/// A plugin of `acme`: its name, who imports what and exports what, and what it was granted.
#[derive(Clone)]
struct Added {
    name: &'static str,
    tenant: &'static str,
    imports: Vec<&'static str>,
    exports: Vec<&'static str>,
    grants: Value,
    /// Of its manifest.
    guards: &'static str,
    expires_ms: Option<u64>,
}

fn plugin(name: &'static str, grants: Value) -> Added {
    Added { name, tenant: "default", imports: Vec::new(), exports: Vec::new(), grants, guards: "", expires_ms: None }
}

/// A component with one function in each of these interfaces.
fn component(imports: &[&str], exports: &[&str]) -> String {
    let function = "(export \"find\" (func (param \"at\" u32) (result u32)))";
    let imports: String = imports.iter().map(|name| format!("(import \"{name}\" (instance {function}))")).collect();
    let exports: String = exports.iter().map(|name| format!("(export \"{name}\" (instance $exported))")).collect();
    format!(
        "(component {imports}
            (core module $m (func (export \"find\") (param i32) (result i32) local.get 0))
            (core instance $i (instantiate $m))
            (func $find (param \"at\" u32) (result u32) (canon lift (core func $i \"find\")))
            (instance $exported (export \"find\" (func $find)))
            {exports})"
    )
}

/// A state folder to which these were added.
fn place(plugins: &[Added]) -> Place {
    let place = Place::new();
    let granted = plugins.iter().map(|plugin| {
        let name = format!("acme:{}", plugin.name);
        let bytes = packed(&name, "1.0.0", plugin.guards, &component(&plugin.imports, &plugin.exports));
        let digest = Digest::of(&bytes);
        place.write(&format!("state/packages/sha256-{}.wasm", digest.hex()), bytes);
        let subject = Subject { tenant: plugin.tenant.to_owned(), instance: String::new(), package: name.parse().unwrap(), digest };
        Event::Granted(Consent {
            subject,
            version: Some("1.0.0".parse().unwrap()),
            grants: serde_json::from_value(plugin.grants.clone()).unwrap(),
            approver: "somebody".to_owned(),
            reason: String::new(),
            expires_ms: plugin.expires_ms,
            limits: None,
        })
    });
    let granted: Vec<Event> = granted.collect();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&place.path("state/store")).await.unwrap();
        store.append(1, granted).await.unwrap();
    });
    place
}

/// The plugins of each way, behind how it is reached.
fn ways(place: &Place) -> Vec<String> {
    let told = place.run(&["verify", "--json"]).exits(0).json();
    let names = |way: &Value| way["plugins"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((&told["is_all"], &told["is_decided"]), (&json!(true), &json!(true)));
    told["ways"].as_array().unwrap().iter().map(|way| format!("{}: {}", way["reached"].as_str().unwrap(), names(way).join(" → "))).collect()
}

/// A shop calls a mailer, and that calls a post office, which is a deputy for what neither of them may do.
fn chain() -> [Added; 3] {
    let calls = |interface: &str| json!({"call": {"interfaces": [interface]}});
    let sends = json!({"http": {"hosts": ["smtp.example"]}, "deputy": {"capabilities": ["http"]}});
    [
        Added { imports: vec!["acme:mailer/send@1.0.0"], ..plugin("shop", calls("acme:mailer/send")) },
        Added {
            imports: vec!["acme:post/hand@1.0.0"],
            exports: vec!["acme:mailer/send@1.0.0"],
            ..plugin("mailer", calls("acme:post/hand"))
        },
        Added { exports: vec!["acme:post/hand@1.2.0"], ..plugin("post", sends) },
    ]
}

#[test]
fn who_may_not_call_or_has_nobody_there_to_call_is_lent_nothing() {
    let [shop, mailer, post] = chain();
    let changed = [
        ("not granted", Added { grants: json!({}), ..mailer.clone() }, post.clone()),
        ("another one granted", Added { grants: json!({"call": {"plugins": ["acme:other"]}}), ..mailer.clone() }, post.clone()),
        ("over", mailer.clone(), Added { expires_ms: Some(2), ..post.clone() }),
        ("of another tenant", mailer.clone(), Added { tenant: "other", ..post.clone() }),
        ("of another version", mailer.clone(), Added { exports: vec!["acme:post/hand@2.0.0"], ..post.clone() }),
        ("no deputy", mailer.clone(), Added { grants: json!({"http": {"hosts": ["smtp.example"]}}), ..post }),
    ];
    for (what, mailer, post) in changed {
        let place = place(&[shop.clone(), mailer, post]);
        assert_eq!(ways(&place), [""; 0], "{what}");
        place.run(&["verify", "--deny-lent"]).exits(0).says(&["nothing is lent: no plugin reaches a right by calls"]);
    }
}

#[test]
fn whose_consent_is_over_is_not_there_and_tenants_are_told_apart() {
    let [shop, mailer, post] = chain();
    let place = place(&[shop, Added { tenant: "other", ..mailer }, Added { expires_ms: Some(2), ..post }]);
    let told = place.run(&["verify", "--json"]).exits(0).json();
    let plugins: Vec<(&Value, &Value)> =
        told["plugins"].as_array().unwrap().iter().map(|plugin| (&plugin["name"], &plugin["calls"])).collect();
    assert_eq!(plugins, [(&json!("acme:shop"), &json!([])), (&json!("other/acme:mailer"), &json!([]))]);
}

#[test]
fn a_chain_of_three_lends_to_both_that_are_before_the_deputy() {
    let [shop, mailer, post] = chain();
    let place = place(&[shop, mailer, Added { expires_ms: Some(u64::MAX >> 12), ..post }]);
    assert_eq!(ways(&place), ["lent: acme:mailer → acme:post", "lent: acme:shop → acme:mailer → acme:post"]);
    let told = place.run(&["verify", "--deny-lent"]).exits(3).complains(&["reached: 2 in all"]);
    told.says(&[
        "acme:shop: calls acme:mailer\n",
        "  acme:shop → acme:mailer → acme:post: may send GET or HEAD requests to smtp.example\n    `acme:shop`: call of `acme:mailer`; `acme:mailer`: call of `acme:post`; `acme:post`: deputy for http\n",
    ]);
}

#[test]
fn what_all_of_a_chain_may_is_shared() {
    let both = |interface: &str| json!({"call": {"interfaces": [interface]}, "random": {"call-bytes": 8}});
    let [shop, mailer, post] = chain();
    let place = place(&[
        Added { grants: both("acme:mailer/send"), ..shop },
        Added { grants: both("acme:post/hand"), ..mailer },
        Added { grants: json!({"random": {"call-bytes": 4}}), ..post },
    ]);
    let shared = ["acme:mailer → acme:post", "acme:shop → acme:mailer", "acme:shop → acme:mailer → acme:post"];
    assert_eq!(ways(&place), shared.map(|way| format!("shared: {way}")));
    place.run(&["verify", "--deny-lent"]).exits(0);
}

#[test]
fn who_is_told_of_an_event_is_set_off_and_lent_nothing() {
    let handler = || vec!["plugwork:points/event-handler@0.1.0"];
    let hears = json!({"events": {"in": ["orders/*"]}, "http": {"hosts": ["smtp.example"]}});
    let plugins = [
        plugin("shop", json!({"events": {"out": ["orders/created", "stock"]}})),
        Added { exports: handler(), ..plugin("mailer", hears.clone()) },
        Added { exports: handler(), tenant: "other", ..plugin("stranger", hears.clone()) },
        plugin("deaf", hears),
        Added { exports: handler(), ..plugin("elsewhere", json!({"events": {"in": ["invoices/**"]}})) },
    ];
    let place = place(&plugins);
    let told = place.run(&["verify", "--json", "--deny-lent"]).exits(0).json();
    let expected = json!([{
        "by": "events",
        "plugins": ["acme:shop", "acme:mailer"],
        "because": ["`acme:shop`: publishes orders/created", "`acme:mailer`: is told of orders/*"],
        "may": ["events", "http"],
    }]);
    assert_eq!((&told["set_off"], &told["ways"]), (&expected, &json!([])));
    place.run(&["verify"]).exits(0).says(&[
        "nothing is lent",
        "set off: plugins that another has act, each by its own rights\n  acme:shop ⇢ acme:mailer by events, which has events, http\n",
    ]);
}

#[test]
fn who_is_asked_before_a_call_is_set_off_by_the_caller_and_lent_nothing() {
    let guard = || vec!["plugwork:points/guard@0.1.0"];
    let [shop, mailer, _] = chain();
    let guards = "[guards]\n\"acme:mailer/send\" = [\"acme:policy\", \"acme:stranger\", \"acme:none\"]\n";
    let plugins = [
        shop,
        Added { imports: Vec::new(), guards, ..mailer },
        Added { exports: guard(), ..plugin("policy", json!({"random": {"call-bytes": 8}})) },
        Added { exports: guard(), tenant: "other", ..plugin("stranger", json!({})) },
        plugin("none", json!({})),
    ];
    let place = place(&plugins);
    let told = place.run(&["verify", "--json", "--deny-lent"]).exits(0).json();
    let asked = "`acme:mailer`: calls of acme:mailer/send are asked of acme:policy";
    let expected = json!([{
        "by": "guards",
        "plugins": ["acme:shop", "acme:policy"],
        "because": ["`acme:shop`: call of `acme:mailer`", asked],
        "may": ["random"],
    }]);
    assert_eq!((&told["set_off"], &told["ways"]), (&expected, &json!([])));
    place.run(&["verify"]).exits(0).says(&["  acme:shop ⇢ acme:policy by guards, which has random\n"]);
}
