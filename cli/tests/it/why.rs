//! `plugwork tree` and `plugwork why`, asked about the world of packages of `resolve`.

use serde_json::json;

use crate::place::Place;
use crate::resolve::{plain, world};

const TOURS: [&str; 3] = ["acme:tours@^2", "--from", "packages"];

#[test]
fn a_tree_tells_each_plugin_in_full_once_and_what_it_is_there_for() {
    let place = world();
    let tree = place.run(&["tree", "acme:tours@^2", "acme:finder", "--from", "packages", "--with", "acme:theme"]).exits(0);
    assert_eq!(
        tree.out,
        "acme:finder@1.0.0  *
└── acme:geo@1.4.0  acme:geo/lookup@^1
    └── acme:math@0.3.1  ^0.3
acme:tours@2.0.0  ^2
├── acme:geo@1.4.0  ^1.2 (*)
└── acme:maps@1.1.0  ^1
    ├── acme:geo@1.4.0  ^1, has acme:geo/lookup@1.0.0 (*)
    └── acme:theme@2.0.0  ^2, optional

(*) what is below it stands further up
"
    );
}

#[test]
fn a_depth_cuts_and_says_so() {
    let place = world();
    let tree = place.run(&["tree", TOURS[0], TOURS[1], TOURS[2], "--depth", "1"]).exits(0);
    let expected =
        "acme:tours@2.0.0  ^2\n├── acme:geo@1.4.0  ^1.2 …\n└── acme:maps@1.1.0  ^1 …\n\n… more below: a larger --depth shows it\n";
    assert_eq!(tree.out, expected);
}

#[test]
fn a_trees_json_has_the_documented_shape() {
    let place = world();
    let tree = place.run(&["tree", TOURS[0], TOURS[1], TOURS[2], "--json"]).exits(0).json();
    let keys: Vec<&String> = tree["branches"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["depth", "provider", "dependency", "optional", "peer", "imports", "repeated", "cut"]);
    let geo =
        tree["branches"].as_array().unwrap().iter().find(|branch| branch["depth"] == 2 && branch["provider"] == "acme:geo@1.4.0").unwrap();
    assert_eq!(
        (&geo["dependency"], &geo["imports"], &geo["repeated"]),
        (&json!("acme:geo@^1"), &json!(["acme:geo/lookup@1.0.0"]), &json!(true))
    );
}

#[test]
fn a_circle_is_shown_and_warned_of() {
    let place = Place::new();
    place.write("a.wasm", plain("acme:a", "1.0.0", "\"acme:b\" = \"*\"\n"));
    place.write("b.wasm", plain("acme:b", "1.0.0", "\"acme:a\" = \"*\"\n"));
    let tree = place.run(&["tree", "a.wasm"]).exits(0).complains(&["warning: cannot start `acme:a@1.0.0`"]);
    assert_eq!(tree.out, "acme:a@1.0.0\n└── acme:b@1.0.0  *\n    └── acme:a@1.0.0  * (*)\n\n(*) what is below it stands further up\n");
}

#[test]
fn why_tells_every_way_shortest_first() {
    let place = world();
    let why = place.run(&["why", "acme:math", "packages/tours.wasm", "acme:maps@^1"]).exits(0);
    assert_eq!(
        why.out,
        "`acme:math@0.3.1` is there because
  you ask for `acme:maps@^1`; `acme:maps@1.1.0` needs `acme:geo@^1` and imports `acme:geo/lookup@1.0.0`; `acme:geo@1.4.0` needs `acme:math@^0.3`
  you name `packages/tours.wasm`; `acme:tours@2.0.0` needs `acme:geo@^1.2`; `acme:geo@1.4.0` needs `acme:math@^0.3`
  you name `packages/tours.wasm`; `acme:tours@2.0.0` needs `acme:maps@^1`; `acme:maps@1.1.0` needs `acme:geo@^1` and imports `acme:geo/lookup@1.0.0`; \
`acme:geo@1.4.0` needs `acme:math@^0.3`
"
    );
    crate::resolve::shop(&place);
    let shop = place.run(&["why", "acme:maps", "shop"]).exits(0);
    assert_eq!(
        shop.out,
        "`acme:maps@1.1.0` is there because\n  `shop/plugwork.toml` names `acme:maps@1.1.0` as plugin.maps, plugin.more\n"
    );
    let told = place.run(&["why", "acme:tours", TOURS[0], TOURS[1], TOURS[2], "--json"]).exits(0).json();
    let steps = json!([{ "plugin": "acme:tours@2.0.0", "because": "you ask for `acme:tours@^2`" }]);
    assert_eq!(
        told,
        json!({ "plugin": "acme:tours", "ways": [{ "root": "acme:tours@^2", "said": ["acme:tours@^2"], "steps": steps }], "is_all": true })
    );
}

#[test]
fn a_plugin_that_is_not_there_is_told_with_what_is() {
    let place = world();
    let ask = |name: &str| place.run(&["why", name, "acme:maps", "--from", "packages"]).exits(4);
    ask("acme:goe").complains(&["there is no `acme:goe`; there are `acme:geo`, `acme:maps`, `acme:math`", "hint: was `acme:geo` meant?"]);
    ask("acme:theme")
        .complains(&["nothing here needs `acme:theme`", "hint: `acme:maps@1.1.0` works with it and without; `--with acme:theme` takes it"]);
    ask("other:thing").complains(&["there is no `other:thing`\nhint: there are `acme:geo`"]);
    let json = place.run(&["why", "acme:goe", "acme:maps", "--from", "packages", "--json"]).exits(4).json();
    assert_eq!(json["error"]["hints"], json!(["was `acme:geo` meant?"]));
}
