//! `--grant` and `--grants`, as every verb takes them. What the texts mean is tested beside the code.

use crate::component::{importing, with_manifest};
use crate::place::{Place, Ran};

fn inspect(place: &Place, arguments: &[&str]) -> Ran {
    let asked = "[permissions.http]\nhosts = [\"*\"]\n[permissions.filesystem]\naccess = \"read\"\n";
    let component = importing(&["plugwork:host/fetch@0.1.0", "wasi:filesystem/preopens@0.2.6"]);
    place.write("a.wasm", with_manifest(&component, asked));
    place.run(&[&["inspect", "a.wasm", "--json"], arguments].concat())
}

#[test]
fn a_file_and_arguments_add_up() {
    let place = Place::new();
    place.write("grants.toml", "grants.http = { hosts = [\"a.example\"] }\n");
    let inspected = inspect(&place, &["--grants", "grants.toml", "--grant", "filesystem = { root = \".\" }"]).exits(0).json();
    assert!(inspected["imports"].as_array().unwrap().iter().all(|import| import["kind"] == "granted"), "{inspected}");
    inspect(&place, &["--grants", "grants.toml", "--grant", "http"]).exits(2).complains(&["`http` is granted twice"]);
}

#[test]
fn a_file_that_is_not_one_of_grants_is_told_apart() {
    let place = Place::new();
    place.write("broken.toml", "grants.http = {");
    place.write("other.toml", "[http]\nhosts = []\n");
    place.write("empty.toml", "");
    place.write("wrong.toml", "[grants]\nhttp = 1\nclock = 2\n");
    place.write("long.toml", "#".repeat(100_000));
    for (file, code, said) in [
        ("none.toml", 4, "No such file"),
        ("broken.toml", 2, "line 1"),
        ("other.toml", 2, "unknown key `http`"),
        ("empty.toml", 2, "it has no table `grants`"),
        ("wrong.toml", 2, "grants.clock: integer"),
        ("long.toml", 2, "at most 65536"),
    ] {
        inspect(&place, &["--grants", file]).exits(code).complains(&[&format!("cannot read grants from `{file}`"), said]);
    }
}

#[test]
fn a_grant_that_a_denial_printed_is_taken_as_it_stands() {
    let ran = inspect(&Place::new(), &["--grant", "grants.http = { hosts = [\"a.example\"] }"]).exits(0);
    assert_eq!(ran.json()["loads"], true);
}

#[test]
fn files_need_a_folder() {
    inspect(&Place::new(), &["--grant", "filesystem"]).exits(3).complains(&["grants.filesystem.root: missing"]);
}

#[test]
fn what_is_no_grant_is_refused_as_usage() {
    inspect(&Place::new(), &["--grant", "http=yes"])
        .exits(2)
        .complains(&["`--grant http=yes` is not a grant", "hint: write `--grant 'http = {"]);
}
