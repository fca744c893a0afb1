//! `plugwork build`. What a build does is tested in `plugwork-build`; here is what the command makes of it.

use crate::component::manifest;
use crate::place::{Place, home, plugin};

#[test]
fn an_example_plugin_is_built_and_told() {
    let place = Place::new();
    // The guests' own target folder: what `cargo xtask guests` built is remembered there.
    let target = home().join("target");
    let project = home().join("examples/hosts/text-filter/plugins/shout");
    plugin("shout");
    let arguments = ["build", project.to_str().unwrap(), "-o", "shout.wasm", "--target-dir", target.to_str().unwrap()];
    let ran = place.run(&arguments).exits(0);
    let ran = ran.says(&["shout.wasm ", " KiB\n", "  exports example:text/text-filter@0.1.0\n", "  imports plugwork:host/log@0.1.0\n"]);
    ran.complains(&["plugwork:shout 0.1.0 "]);
    let told = place.run(&[&arguments[..], &["--json"]].concat()).exits(0).json();
    let keys: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "version", "path", "bytes", "digest", "cached", "dev", "seconds", "points", "imports"]);
    assert_eq!((&told["cached"], &told["imports"]), (&true.into(), &serde_json::json!(["plugwork:host/log@0.1.0"])));
    place.run(&["check", "shout.wasm"]).exits(0);
}

#[test]
fn a_folder_that_is_no_project_exits_with_4() {
    let place = Place::new();
    place.run(&["build"]).exits(4).complains(&["there is no `./plugin.toml`", "hint: a plugin project is a folder"]);
    place.run(&["build", "nowhere"]).exits(4).complains(&["there is no `nowhere/plugin.toml`"]);
}

#[test]
fn a_wrong_manifest_is_told_by_every_complaint() {
    let place = Place::new();
    place.write("plugin.toml", manifest("[limits]\ndeadline-ms = 0\n[build]\nlanguage = \"javascript\"\nexports = []\n"));
    place.run(&["build"]).exits(1).complains(&["limits.deadline-ms", "build.exports", "build.source"]);
    place.write("plugin.toml", manifest(""));
    place.run(&["build"]).exits(1).complains(&["no `[build]` section", "hint: add `[build]`"]);
}

#[test]
fn folders_that_are_not_plugworks_are_told_by_what_they_lack() {
    let place = Place::new();
    place.write("plugin.toml", manifest(""));
    place
        .run(&["build", "--sdk", "."])
        .exits(4)
        .complains(&["`.` is not plugwork's `guest-sdk` folder: it has no `rust`", "hint: give `--sdk DIR`"]);
    place.run(&["build", "--contract", "."]).exits(4).complains(&["`.` is not plugwork's `wit` folder", "hint: give `--contract DIR`"]);
    let here = place.path("");
    place.run_with(&["build"], &[("PLUGWORK_HOME", &here)]).exits(4).complains(&["guest-sdk", "PLUGWORK_HOME"]);
}
