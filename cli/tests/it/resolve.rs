//! `plugwork resolve`, and the world of packages that `tree` and `why` are asked about as well.

use plugwork_component::{Embedded, embed};
use serde_json::json;

use crate::place::Place;

/// A component of a text with a manifest; `more` stands behind its name and version.
pub(crate) fn packed(name: &str, version: &str, more: &str, text: &str) -> Vec<u8> {
    let manifest = format!("name = \"{name}\"\nversion = \"{version}\"\n{more}");
    embed(&wat::parse_str(text).unwrap(), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap()
}

/// A component that imports and exports nothing, with these lines of `[dependencies]`.
pub(crate) fn plain(name: &str, version: &str, dependencies: &str) -> Vec<u8> {
    packed(name, version, &format!("[dependencies]\n{dependencies}"), "(component)")
}

const USER: &str = "(component (import \"acme:geo/lookup@1.0.0\" (instance (export \"find\" (func (param \"at\" u32) (result u32)))))
    (import \"wasi:io/poll@0.2.6\" (instance (export \"go\" (func)))))";

const PROVIDER: &str = "(component
    (core module $m (func (export \"find\") (param i32) (result i32) local.get 0))
    (core instance $i (instantiate $m))
    (func $find (param \"at\" u32) (result u32) (canon lift (core func $i \"find\")))
    (instance $lookup (export \"find\" (func $find)))
    (export \"acme:geo/lookup@1.0.0\" (instance $lookup)))";

/// Maps and tours over one `acme:geo`, which exports an interface; an optional theme; a plugin that finds what it imports by the interface alone.
pub(crate) fn world() -> Place {
    let place = Place::new();
    let geo = |version: &str| packed("acme:geo", version, "[dependencies]\n\"acme:math\" = \"^0.3\"\n", PROVIDER);
    let maps = "[dependencies]\n\"acme:geo\" = \"^1\"\n\"acme:theme\" = { version = \"^2\", optional = true }\n";
    for (file, bytes) in [
        ("geo-1.0", geo("1.0.0")),
        ("geo-1.4", geo("1.4.0")),
        ("geo-2.0", geo("2.0.0")),
        ("math-0.3", plain("acme:math", "0.3.1", "")),
        ("math-0.3.0", plain("acme:math", "0.3.0", "")),
        ("maps", packed("acme:maps", "1.1.0", maps, USER)),
        ("tours", plain("acme:tours", "2.0.0", "\"acme:geo\" = \"^1.2\"\n\"acme:maps\" = \"^1\"\n")),
        ("tours-3", plain("acme:tours", "3.0.0", "\"acme:geo\" = \"^2\"\n")),
        ("theme", plain("acme:theme", "2.0.0", "")),
        ("finder", packed("acme:finder", "1.0.0", "[dependencies]\n\"acme:geo/lookup\" = \"^1\"\n", USER)),
    ] {
        place.write(&format!("packages/{file}.wasm"), bytes);
    }
    place
}

/// An application of two routes to one plugin, beside the world's packages.
pub(crate) fn shop(place: &Place) {
    let text = "name = \"shop\"\n[[route]]\npath = \"/maps\"\nplugin = \"maps\"\n[[route]]\npath = \"/more\"\nplugin = \"more\"\n\
        [plugin.maps]\nsource = \"../packages/maps.wasm\"\n[plugin.more]\nsource = \"../packages/maps.wasm\"\n";
    place.write("shop/plugwork.toml", text);
}

#[test]
fn a_diamond_comes_to_one_version_that_suits_all() {
    let place = world();
    let ran = place.run(&["resolve", "acme:tours@^2", "acme:maps", "--from", "packages"]).exits(0);
    assert_eq!(
        ran.out,
        "asked for
  acme:maps@*    acme:maps@1.1.0
  acme:tours@^2  acme:tours@2.0.0

chosen
  acme:geo@1.4.0    packages/geo-1.4.wasm
  acme:maps@1.1.0   packages/maps.wasm
    acme:geo/lookup@1.0.0 from acme:geo@1.4.0
    1 interface from the host
  acme:math@0.3.1   packages/math-0.3.wasm
  acme:tours@2.0.0  packages/tours.wasm

started in this order
  1. acme:math@0.3.1
  2. acme:geo@1.4.0
  3. acme:maps@1.1.0
  4. acme:tours@2.0.0
"
    );
    assert_eq!(ran.err, "4 plugins, chosen from 10 versions in `packages`\n");
}

#[test]
fn the_json_has_the_documented_shape() {
    let place = world();
    let found = place.run(&["resolve", "packages/maps.wasm", "acme:geo/lookup@^1", "--json"]).exits(0).json();
    let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["roots", "nameless", "plugins", "start", "concerns", "held_back", "lock"]);
    assert_eq!(found["roots"][0], json!({ "asked": "acme:maps@=1.1.0", "said": ["packages/maps.wasm"], "provider": "acme:maps@1.1.0" }));
    assert_eq!(found["roots"][1]["provider"], "acme:geo@1.4.0", "the interface is the same in all, and 1.4.0 is taken anyway");
    let maps = &found["plugins"][1];
    assert_eq!((&maps["name"], &maps["version"], &maps["file"]), (&json!("acme:maps"), &json!("1.1.0"), &json!("packages/maps.wasm")));
    assert_eq!(maps["needs"], json!([{ "dependency": "acme:geo@^1", "optional": false, "peer": false, "provider": "acme:geo@1.4.0" }]));
    assert_eq!(maps["imports"], json!({ "acme:geo/lookup@1.0.0": "acme:geo@1.4.0", "wasi:io/poll@0.2.6": "host" }));
    assert_eq!(found["start"], json!([["acme:math@0.3.1"], ["acme:geo@1.4.0"], ["acme:maps@1.1.0"]]));
    assert_eq!(found["lock"], json!(null));
}

#[test]
fn a_conflict_is_told_in_sentences_with_what_would_help() {
    let place = world();
    let ran = place.run(&["resolve", "acme:maps", "acme:tours@^3", "--from", "packages"]).exits(1);
    assert_eq!(ran.out, "");
    ran.complains(&[
        "error: cannot resolve `acme:maps@*` and `acme:tours@^3`:",
        "`acme:maps` 1.1.0 needs `acme:geo@^1` (1.0.0, 1.4.0)",
        "`acme:tours` 3.0.0 needs `acme:geo@^2` (2.0.0)",
        "no version of `acme:geo` is in all of these ranges",
        "hint: ask for `acme:tours@^2.0.0` instead of `acme:tours@^3`",
        "hint: with duplicates `isolate`",
    ]);
    let told = place.run(&["resolve", "acme:maps", "acme:tours@^3", "--from", "packages", "--json"]).exits(1).json();
    assert_eq!(told["error"]["code"], "E-RESOLVE-CONFLICT");
    assert!(told["error"]["reasons"].as_array().unwrap().len() > 3 && told["error"]["hints"].as_array().unwrap().len() > 1, "{told}");
    let both = ["resolve", "acme:maps", "acme:tours@^3", "--from", "packages", "--duplicates", "isolate"];
    place.run(&both).exits(0).says(&["acme:geo@1.4.0 ", "acme:geo@2.0.0 "]);
}

#[test]
fn a_name_that_is_not_there_is_told_with_one_that_is_and_where_was_looked() {
    let ran = world().run(&["resolve", "acme:map@^1", "--from", "packages"]).exits(1);
    ran.complains(&["there is no plugin `acme:map`", "hint: was `acme:maps` meant instead of `acme:map`?", "looked for in `packages`"]);
}

#[test]
fn plugins_that_wait_for_each_other_are_named_and_not_locked() {
    let place = Place::new();
    place.write("a.wasm", plain("acme:a", "1.0.0", "\"acme:b\" = \"*\"\n"));
    place.write("b.wasm", plain("acme:b", "1.0.0", "\"acme:a\" = \"*\"\n"));
    let ran = place.run(&["resolve", "a.wasm", "--lock", "x.lock", "--write"]).exits(1);
    ran.complains(&["cannot start `acme:a@1.0.0`: it needs `acme:b@1.0.0`, which needs `acme:a@1.0.0` again", "hint: let one of them"]);
    assert!(!place.path("x.lock").exists());
    assert_eq!(place.run(&["resolve", "a.wasm", "--json"]).exits(1).json()["error"]["code"], "E-RESOLVE-CYCLE");
}

#[test]
fn what_is_optional_comes_where_it_is_asked_for() {
    let place = world();
    let plain = place.run(&["resolve", "acme:maps", "--from", "packages"]).exits(0);
    assert!(!plain.out.contains("acme:theme"), "{}", plain.out);
    place.run(&["resolve", "acme:maps", "--from", "packages", "--with", "acme:theme"]).exits(0).says(&["acme:theme@2.0.0"]);
    let idle = place.run(&["resolve", "acme:geo", "--from", "packages", "--with", "acme:theme"]).exits(0);
    idle.complains(&["warning: `--with acme:theme` makes no difference"]);
}

#[test]
fn an_interface_is_had_from_any_plugin_that_exports_it_or_from_the_host() {
    let place = world();
    let finder = place.run(&["resolve", "packages/finder.wasm"]).exits(0);
    finder.says(&["acme:geo/lookup@1.0.0 from acme:geo@"]);
    let hosted = ["resolve", "packages/finder.wasm", "--host", "acme:geo/lookup@1.2.0"];
    let hosted = place.run(&hosted).exits(0).says(&["2 interfaces from the host"]);
    assert!(!hosted.out.contains("acme:geo@"), "{}", hosted.out);
}

#[test]
fn the_lowest_are_the_oldest_that_fit() {
    let place = world();
    let ran = place.run(&["resolve", "acme:tours@^2", "--from", "packages", "--strategy", "lowest"]).exits(0);
    ran.says(&["acme:geo@1.4.0 ", "acme:math@0.3.0 "]);
}

#[test]
fn an_applications_plugins_are_roots_at_exactly_their_versions_once() {
    let place = world();
    shop(&place);
    let found = place.run(&["resolve", "shop", "--json"]).exits(0).json();
    let said = ["plugin.maps of shop/plugwork.toml", "plugin.more of shop/plugwork.toml"];
    assert_eq!(found["roots"], json!([{ "asked": "acme:maps@=1.1.0", "said": said, "provider": "acme:maps@1.1.0" }]));
    assert_eq!(found["lock"], json!({ "file": "shop/plugwork.lock", "state": "missing", "changes": [] }));
    assert_eq!(place.run(&["resolve", "shop/plugwork.toml", "--json"]).exits(0).json(), found);
}

#[test]
fn a_pipelines_steps_are_roots_and_a_step_without_a_manifest_depends_on_nothing() {
    let place = world();
    place.write("plain.wasm", wat::parse_str("(component)").unwrap());
    let text =
        "name = \"p\"\n[[source]]\nname = \"a\"\nplugin = \"packages/maps.wasm\"\n[[source]]\nname = \"b\"\nplugin = \"plain.wasm\"\n";
    place.write("p.toml", text);
    place.run(&["resolve", "p.toml", "--write"]).exits(0).says(&["asked for by p.toml\n", "source \"a\"", "no `plugin.toml`: no name"]);
    assert!(place.path("p.lock").is_file(), "each pipeline has its own");
    let own = wat::parse_str("(component (import \"acme:own/thing@1.0.0\" (instance (export \"go\" (func)))))").unwrap();
    place.write("plain.wasm", own);
    let ran = place.run(&["resolve", "p.toml"]).exits(2);
    ran.complains(&["source \"b\" of p.toml: `plain.wasm` imports `acme:own/thing@1.0.0`", "`--host acme:own/thing@1.0.0`"]);
    place.run(&["resolve", "p.toml", "--host", "acme:own/thing@1.0.0"]).exits(0);
}

#[test]
fn what_was_locked_comes_again_until_something_else_is_asked_for() {
    let place = world();
    shop(&place);
    let ran = place.run(&["resolve", "shop", "--write"]).exits(0).complains(&["wrote `shop/plugwork.lock`"]);
    ran.says(&[
        "asked for by shop/plugwork.toml\n  acme:maps@1.1.0  plugin.maps, plugin.more\n",
        "acme:geo@1.4.0   packages/geo-1.4.wasm\n",
    ]);
    let first = std::fs::read_to_string(place.path("shop/plugwork.lock")).unwrap();
    assert!(first.contains("acme:geo/lookup@1.0.0 = acme:geo@1.4.0") && first.contains("granted = \"sha256:"), "{first}");
    place.write("packages/geo-1.9.wasm", packed("acme:geo", "1.9.0", "", PROVIDER));
    let again = place.run(&["resolve", "shop", "--json"]).exits(0).json();
    assert_eq!((&again["lock"]["state"], &again["plugins"][0]["version"]), (&json!("same"), &json!("1.4.0")));
    place.run(&["resolve", "shop", "--strategy", "locked"]).exits(0).says(&["acme:geo@1.4.0"]);
    let newer = place.run(&["resolve", "shop", "--strategy", "highest"]).exits(0).says(&["acme:geo@1.9.0"]);
    newer.complains(&["`acme:geo@1.9.0` takes the place of 1.4.0", "`acme:math@0.3.1` is not needed any more", "`--write` writes it anew"]);
    assert_eq!(std::fs::read_to_string(place.path("shop/plugwork.lock")).unwrap(), first, "nothing is written unasked");
    place.run(&["resolve", "shop", "--strategy", "highest", "--write"]).exits(0);
    place.run(&["resolve", "shop", "--check"]).exits(0).complains(&["`shop/plugwork.lock` fits: 2 plugins"]);
}

#[test]
fn a_check_tells_every_misfit_and_fails() {
    let place = world();
    shop(&place);
    place.run(&["resolve", "shop", "--check"]).exits(4).complains(&["there is no `shop/plugwork.lock`", "--write"]);
    place.run(&["resolve", "shop", "--write"]).exits(0);
    place.run(&["resolve", "shop", "--check"]).exits(0);
    let before = std::fs::read_to_string(place.path("shop/plugwork.lock")).unwrap();
    // Another file under the same version, and one that is gone.
    place.write("packages/math-0.3.wasm", plain("acme:math", "0.3.1", "# another\n"));
    std::fs::remove_file(place.path("packages/geo-1.4.wasm")).unwrap();
    let ran = place.run(&["resolve", "shop", "--check"]).exits(1);
    ran.complains(&["does not fit:", "plugin.acme:geo@1.4.0: nobody has it any more", "plugin.acme:math@0.3.1: it is sha256:", "hint: "]);
    let told = place.run(&["resolve", "shop", "--check", "--json"]).exits(1).json();
    assert_eq!((&told["fits"], &told["code"]), (&json!(false), &json!("E-LOCK-MISFIT")));
    assert_eq!(told["misfits"].as_array().unwrap().len(), 2);
    assert_eq!(std::fs::read_to_string(place.path("shop/plugwork.lock")).unwrap(), before);
    let locked = place.run(&["resolve", "shop", "--strategy", "locked", "--json"]).exits(1).json();
    assert_eq!(locked["error"]["code"], "E-LOCK-MISFIT");
    // Without being told to be exact, what is left of it is kept.
    let ran = place.run(&["resolve", "shop", "--write"]).exits(0);
    ran.complains(&["`acme:geo@1.0.0` takes the place of 1.4.0", "`acme:math@0.3.1` is another file under the same version"]);
    place.run(&["resolve", "shop", "--check"]).exits(0);
}

#[test]
fn other_grants_are_a_misfit() {
    let place = world();
    shop(&place);
    place.run(&["resolve", "shop", "--write"]).exits(0);
    let text = std::fs::read_to_string(place.path("shop/plugwork.toml")).unwrap();
    place.write("shop/plugwork.toml", format!("{text}grants.http = {{ hosts = [\"example.com\"] }}\n"));
    place.run(&["resolve", "shop", "--check"]).exits(1).complains(&["plugin.acme:maps@1.1.0: it was granted something else"]);
}

#[test]
fn a_lock_that_is_none_is_told_and_can_be_written_anew() {
    let place = world();
    shop(&place);
    place.write("shop/plugwork.lock", "<<<<<<< HEAD\n");
    place.run(&["resolve", "shop"]).exits(1).complains(&["shop/plugwork.lock", "is not a lock"]);
    place.run(&["resolve", "shop", "--strategy", "highest", "--write"]).exits(0).complains(&["warning: ", "wrote `shop/plugwork.lock`"]);
    place.run(&["resolve", "shop", "--check"]).exits(0);
    let nowhere = place.run(&["resolve", "acme:maps", "--from", "packages", "--write"]).exits(2);
    nowhere.complains(&["no one place for a lock", "--lock FILE"]);
}

#[test]
fn files_that_are_nothing_are_told_and_harm_only_who_needs_them() {
    let place = world();
    place.write("packages/noise.wasm", "hello");
    place.write("packages/theme-other.wasm", plain("acme:theme", "2.0.0", "# another\n"));
    let ran = place.run(&["resolve", "acme:maps", "--from", "packages"]).exits(0);
    ran.complains(&["warning: cannot read `packages/noise.wasm`", "are both `acme:theme` 2.0.0 and differ"]);
    place.run(&["resolve", "acme:theme", "--from", "packages"]).exits(1).complains(&["there is no plugin `acme:theme`", "differ"]);
    let named = place.run(&["resolve", "packages/theme.wasm"]).exits(0).says(&["packages/theme.wasm"]);
    named.complains(&["`packages/theme-other.wasm` is passed over: `packages/theme.wasm` was named"]);
    place.run(&["resolve", "packages/noise.wasm"]).exits(1).complains(&["cannot read component `packages/noise.wasm`"]);
    let both = place.run(&["resolve", "packages/theme.wasm", "packages/theme-other.wasm"]).exits(2);
    both.complains(&["are both `acme:theme` 2.0.0 and differ", "one version of each plugin that is named"]);
}

#[test]
fn what_is_no_root_is_told_with_what_would_be_one() {
    let place = world();
    place.write("plugin.toml", "name = \"acme:x\"\nversion = \"1.0.0\"\n");
    place.run(&["resolve"]).exits(2).complains(&["nothing is asked for", "hint: "]);
    place.run(&["resolve", "acme:maps@^x"]).exits(2).complains(&["`acme:maps@^x` is not a root", "a range of versions"]);
    place.run(&["resolve", "maps"]).exits(4).complains(&["there is no file `maps`", "namespace:name"]);
    place.run(&["resolve", "packages"]).exits(4).complains(&["no `packages/plugwork.toml`", "--from packages"]);
    place.run(&["resolve", "plugin.toml"]).exits(2).complains(&["the manifest of a plugin"]);
    place.run(&["resolve", "acme:maps", "--from", "nowhere"]).exits(4).complains(&["`nowhere`"]);
    let empty = Place::new().run(&["resolve", "acme:maps"]).exits(1);
    empty.complains(&["there is no plugin `acme:maps`", "there is no package in `.`; say with `--from` where they are"]);
}

#[test]
fn packages_are_found_in_several_folders_and_in_an_image_layout() {
    let place = world();
    let bytes = plain("acme:trip", "1.0.0", "\"acme:maps\" = \"^1\"\n");
    let digest = |bytes: &[u8]| plugwork_core::Digest::of(bytes);
    let blob = |bytes: &[u8]| place.write(&format!("layout/blobs/sha256/{}", digest(bytes).hex()), bytes);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let layer = json!({ "mediaType": "application/wasm", "digest": digest(&bytes).to_string(), "size": bytes.len() });
    let image = json!({ "schemaVersion": 2, "mediaType": kind, "layers": [layer] }).to_string();
    blob(&bytes);
    blob(image.as_bytes());
    place.write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = json!({ "manifests": [{ "mediaType": kind, "digest": digest(image.as_bytes()).to_string(), "size": image.len() }] });
    place.write("layout/index.json", index.to_string());
    let ran = place.run(&["resolve", "acme:trip", "--from", "layout", "--from", "packages"]).exits(0);
    ran.says(&["acme:trip@1.0.0  layout@sha256:", "acme:maps@1.1.0"]);
}
