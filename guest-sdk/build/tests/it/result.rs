//! What a built plugin is: a whole component with exactly the promised exports and imports and its manifest inside.

use std::fs;

use plugwork_component::{Report, read};
use plugwork_core::Digest;

use crate::fixture::{Tiny, manifest, source};

fn linked(report: &Report) -> Vec<&str> {
    report.imports.iter().filter(|import| !import.types_only).map(|import| import.name.as_str()).collect()
}

#[test]
fn a_rust_plugin_imports_nothing_but_types_and_the_log() {
    let tiny = Tiny::new("imports");
    let built = tiny.build().unwrap();
    let bytes = fs::read(&built.path).unwrap();
    assert_eq!((built.bytes, built.digest), (bytes.len() as u64, Digest::of(&bytes)));
    let report = read(&bytes).unwrap();
    assert_eq!(linked(&report), ["plugwork:host/log@0.1.0"]);
    assert_eq!(report.points, ["plugwork:points/exporter@0.1.0"]);
    assert!(!report.needs_full);
}

#[test]
fn a_handover_is_exported_beside_the_points_and_needs_both_manifest_and_source() {
    let tiny = Tiny::new("handover");
    let listed = "exports = [\"plugwork:points/exporter@0.1.0\", \"plugwork:plugin/handover@0.1.0\"]";
    tiny.write("plugin.toml", &manifest("handover", listed));
    let error = tiny.build().unwrap_err().to_string();
    assert!(error.contains("lists the export `plugwork:plugin/handover@0.1.0`, the component does not have it"), "{error}");

    let handover = "impl plugwork_guest::Handover for Tiny {\n    fn snapshot() -> Result<Vec<u8>> {\n        Ok(vec![1])\n    }\n    \
                    fn restore(_: Vec<u8>, _: &str) -> Result<()> {\n        Ok(())\n    }\n}\n";
    tiny.write("src/lib.rs", &(source(1).replace("exporter: Tiny,", "exporter: Tiny,\n    handover: Tiny,") + handover));
    let report = read(&fs::read(tiny.build().unwrap().path).unwrap()).unwrap();
    let mut exports: Vec<_> = report.exports.iter().map(|export| export.name.as_str()).collect();
    exports.sort_unstable();
    assert_eq!(exports, ["plugwork:plugin/handover@0.1.0", "plugwork:plugin/lifecycle@0.1.0", "plugwork:points/exporter@0.1.0"]);
    assert_eq!(report.points, ["plugwork:points/exporter@0.1.0"]);
    assert_eq!(linked(&report), ["plugwork:host/log@0.1.0"]);
}

#[test]
fn the_manifest_travels_in_the_component() {
    let tiny = Tiny::new("manifest");
    let report = read(&fs::read(tiny.build().unwrap().path).unwrap()).unwrap();
    assert_eq!(report.manifest, Some(fs::read_to_string(tiny.path("plugin.toml")).unwrap()));
    assert_eq!(report.metadata.name.as_deref(), Some("test:manifest"));
    assert_eq!(report.metadata.version.as_deref(), Some("0.1.0"));
    assert!(report.producers.iter().any(|producer| producer.name == "plugwork-build"), "{:?}", report.producers);
}

#[test]
fn a_development_build_keeps_wasi() {
    let tiny = Tiny::new("development");
    let report = read(&fs::read(tiny.build_as(true).unwrap().path).unwrap()).unwrap();
    assert!(linked(&report).iter().any(|import| import.starts_with("wasi:cli/")), "{:?}", linked(&report));
}

#[test]
fn a_failed_build_leaves_the_old_file_alone() {
    let tiny = Tiny::new("old-file");
    let built = tiny.build().unwrap();
    tiny.write("src/lib.rs", "not rust");
    tiny.build().unwrap_err();
    assert_eq!(Digest::of(&fs::read(&built.path).unwrap()), built.digest);
    assert_eq!(fs::read_dir(built.path.parent().unwrap()).unwrap().count(), 1);
}
