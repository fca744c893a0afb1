//! `plugwork state`: a backup while a server runs, the way back, and what a check finds.

use std::fs;
use std::path::Path;

use crate::place::{Place, plugin};
use crate::serve::Served;

const APPLICATION: &str =
    "name = \"shop\"\n[[route]]\npath = \"/hello/{name}\"\nplugin = \"hello\"\n[plugin.hello]\nsource = \"hello.wasm\"\n";

fn place() -> Place {
    let place = Place::new();
    place.write("shop/hello.wasm", fs::read(plugin("hello-http")).unwrap());
    place.write("shop/plugwork.toml", APPLICATION);
    place
}

fn kept(place: &Place) -> Vec<String> {
    let listed = fs::read_dir(place.path("state")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    listed.filter(|name| name.contains("restore") || name.contains("backup")).collect()
}

#[test]
fn a_backup_of_a_server_that_runs_comes_up_in_another_folder_and_in_its_own() {
    let place = place();
    let served = Served::start(&place, &["shop"]);
    // As one that another tenant deployed.
    let own = fs::read_dir(place.path("state/edge/components")).unwrap().next().unwrap().unwrap();
    let of_acme = Path::new("edge/components/tenants/acme").join(own.file_name());
    place.write(&format!("state/{}", of_acme.display()), fs::read(own.path()).unwrap());
    let made = place.run(&["state", "backup", "monday.plugwork", "--json"]).exits(0).json();
    assert!(made["files"].as_u64().unwrap() >= 5 && made["bytes"].as_u64().unwrap() > 40_000, "{made}");
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    place.run(&["state", "check"]).exits(0).says(&["ok: ", "2 components"]);
    place.run(&["state", "backup", "monday.plugwork"]).exits(2).complains(&["is there already"]);
    place.run(&["state", "restore", "monday.plugwork"]).exits(3).complains(&["another `plugwork serve`"]);
    served.stop();
    assert_eq!(kept(&place), [""; 0], "nothing is left of it");

    // Elsewhere, without the application's own files.
    place.run(&["--state", "other", "state", "restore", "monday.plugwork"]).exits(0).complains(&["restored", "before-restore-"]);
    assert!(place.path("other").join(&of_acme).is_file());
    let served = Served::start(&place, &["--state", "other"]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"), "{}", served.said);
    served.stop();

    // Back in its own folder, after something else was deployed.
    place.write("shop/plugwork.toml", APPLICATION.replace("/hello/", "/hi/"));
    Served::start(&place, &["shop"]).stop();
    place.run(&["state", "restore", "monday.plugwork"]).exits(0);
    let served = Served::start(&place, &[]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n") && served.get("/hi/Ada").starts_with("HTTP/1.1 404 "));
    served.stop();
    place.run(&["audit", "verify"]).exits(0);
    // What was there is a whole store.
    let kept = kept(&place);
    assert!(kept.len() == 1 && place.path("state").join(&kept[0]).join("store/records.db").is_file(), "{kept:?}");
}

#[test]
fn what_is_no_backup_or_was_changed_changes_nothing() {
    let place = place();
    Served::start(&place, &["shop"]).stop();
    place.run(&["state", "backup", "good"]).exits(0);
    place.write("text", "no backup, but long enough to be looked at as a database. ".repeat(20));
    place.run(&["state", "restore", "text"]).exits(2).complains(&["`text` is no backup"]);
    place.run(&["state", "restore", "missing"]).exits(1).complains(&["missing"]);
    let mut bytes = fs::read(place.path("good")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    place.write("bad", bytes);
    place.run(&["state", "restore", "bad"]).exits(2).complains(&["`bad` is no backup"]);
    assert_eq!(kept(&place), [""; 0]);
    let served = Served::start(&place, &[]);
    assert!(served.get("/hello/Ada").ends_with("hello, Ada\n"));
    served.stop();
    place.run(&["--state", "nowhere", "state", "backup", "b"]).exits(4).complains(&["is no state folder"]);
    place.run(&["--state", "nowhere", "state", "check"]).exits(4);
    assert!(!place.path("nowhere").exists(), "looking makes nothing");
}

#[test]
fn a_check_tells_everything_that_is_not_whole() {
    let place = place();
    Served::start(&place, &["shop"]).stop();
    let component = fs::read_dir(place.path("state/edge/components")).unwrap().next().unwrap().unwrap().path();
    fs::write(&component, "another").unwrap();
    fs::remove_file(place.path("state/store/records.head")).unwrap();
    let ran = place.run(&["state", "check", "--json"]).exits(1);
    let findings = ran.json()["findings"].as_array().unwrap().len();
    assert_eq!(findings, 2, "the head that is missing, and the component");
    let ran = place.run(&["state", "check"]).exits(1);
    ran.complains(&["is not what its name says", "head"]);
    // A backup of it says what it is, and is not restored.
    place.run(&["state", "backup", "spoilt"]).exits(0);
    place.run(&["--state", "other", "state", "restore", "spoilt"]).exits(1).complains(&["is not whole, and nothing was changed"]);
}

#[test]
fn a_backup_that_lacks_what_is_current_is_none() {
    let place = place();
    Served::start(&place, &["shop"]).stop();
    let component = fs::read_dir(place.path("state/edge/components")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&component).unwrap();
    fs::remove_file(&component).unwrap();
    let says = ["deployment 1 of `shop` is current", "of its plugin `hello` is not there", "hint: `plugwork deploy`"];
    place.run(&["state", "backup", "monday"]).exits(1).complains(&says);
    assert!(!place.path("monday").exists() && kept(&place).is_empty());
    place.run(&["state", "check"]).exits(1).complains(&says);
    fs::write(&component, bytes).unwrap();
    place.run(&["state", "check"]).exits(0);
    place.run(&["state", "backup", "monday"]).exits(0);
}
