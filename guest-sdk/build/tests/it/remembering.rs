//! When a result is served again, and when it must not be.

use std::fs;

use crate::fixture::{Tiny, manifest, source};

#[test]
fn an_unchanged_project_is_not_built_again() {
    let tiny = Tiny::new("unchanged");
    let first = tiny.build().unwrap();
    let again = tiny.build().unwrap();
    assert!(!first.cached && again.cached);
    assert_eq!(first.digest, again.digest);
}

#[test]
fn a_result_that_was_deleted_or_damaged_is_written_again() {
    let tiny = Tiny::new("deleted");
    let first = tiny.build().unwrap();
    fs::write(&first.path, "damaged").unwrap();
    let again = tiny.build().unwrap();
    assert!(again.cached);
    assert_eq!(fs::read(&again.path).unwrap().len() as u64, first.bytes);
}

#[test]
fn a_changed_source_is_built_again() {
    let tiny = Tiny::new("changed");
    let first = tiny.build().unwrap();
    tiny.write("src/lib.rs", &source(2));
    let again = tiny.build().unwrap();
    assert!(!again.cached);
    assert_ne!(first.digest, again.digest);
}

#[test]
fn a_changed_manifest_is_embedded_anew() {
    let tiny = Tiny::new("version");
    tiny.build().unwrap();
    let text = fs::read_to_string(tiny.path("plugin.toml")).unwrap();
    tiny.write("plugin.toml", &text.replace("0.1.0\"\ndescription", "0.2.0\"\ndescription"));
    let again = tiny.build().unwrap();
    assert!(!again.cached);
    let report = plugwork_component::read(&fs::read(again.path).unwrap()).unwrap();
    assert_eq!(report.metadata.version.as_deref(), Some("0.2.0"));
}

#[test]
fn a_changed_crate_outside_the_project_counts() {
    let tiny = Tiny::new("outside");
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("src")).unwrap();
    let value = |value: usize| fs::write(other.path().join("src/lib.rs"), format!("pub const BYTES: usize = {value};\n")).unwrap();
    value(1);
    fs::write(
        other.path().join("Cargo.toml"),
        "[package]\nname = \"outside-of-it\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    )
    .unwrap();
    let cargo = fs::read_to_string(tiny.path("Cargo.toml")).unwrap();
    let dependency = format!("[dependencies]\noutside-of-it = {{ path = \"{}\" }}", other.path().display());
    tiny.write("Cargo.toml", &cargo.replace("[dependencies]", &dependency));
    tiny.write("src/lib.rs", &source(1).replace("[46; 1]", "[46; outside_of_it::BYTES]"));
    tiny.build().unwrap();
    assert!(tiny.build().unwrap().cached);
    value(3);
    assert!(!tiny.build().unwrap().cached);
}

#[test]
fn a_damaged_cache_entry_is_built_again() {
    let tiny = Tiny::new("damaged");
    let first = tiny.build().unwrap();
    fs::write(tiny.remembered("damaged"), "flipped").unwrap();
    let again = tiny.build().unwrap();
    assert!(!again.cached);
    assert_eq!(first.bytes, again.bytes);
}

#[test]
fn a_failure_is_not_remembered() {
    let tiny = Tiny::new("failure");
    tiny.write("plugin.toml", &manifest("failure", "exports = [\"plugwork:points/analyzer@0.1.0\"]"));
    tiny.build().unwrap_err();
    tiny.build().unwrap_err();
    tiny.write("plugin.toml", &manifest("failure", "exports = [\"plugwork:points/exporter@0.1.0\"]"));
    assert!(!tiny.build().unwrap().cached);
}
