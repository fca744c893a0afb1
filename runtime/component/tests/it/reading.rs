//! What a report says about a component, and how bytes that are none are refused.

use std::collections::BTreeSet;

use plugwork_component::{InterfaceKind, MANIFEST_SECTION, ManifestProblem, Place, ReadErrorKind, Report, read};
use plugwork_core::Digest;

use crate::components::{POINTS, RICH, component};

fn report(text: &str) -> Report {
    read(&component(text)).unwrap()
}

fn kind(bytes: &[u8]) -> ReadErrorKind {
    read(bytes).expect_err("must be refused").kind().clone()
}

fn section(name: &str, data: &[u8]) -> Vec<u8> {
    let mut contents = vec![u8::try_from(name.len()).unwrap()];
    contents.extend(name.as_bytes());
    contents.extend(data);
    let mut section = vec![0, (contents.len() & 0x7f) as u8 | 0x80, (contents.len() >> 7 & 0x7f) as u8 | 0x80];
    section.push(u8::try_from(contents.len() >> 14).unwrap());
    section.extend(contents);
    section
}

fn with_manifests(manifests: &[&[u8]]) -> Vec<u8> {
    let mut bytes = component("(component)");
    manifests.iter().for_each(|manifest| bytes.extend(section(MANIFEST_SECTION, manifest)));
    bytes
}

#[test]
fn imports_are_named_with_their_functions_and_resources() {
    let report = report(RICH);
    let store = &report.imports[1];
    assert_eq!(store.name, "acme:text/store@1.2.3");
    assert_eq!(store.wit.as_ref().map(|wit| wit.path()), Some("acme:text/store"));
    assert_eq!(store.functions, ["open", "[method]shelf.count"]);
    assert_eq!(store.resources, ["shelf"]);
    assert_eq!((store.kind, store.types_only), (InterfaceKind::Instance, false));
}

#[test]
fn an_import_of_types_alone_is_types_only() {
    let report = report(RICH);
    assert_eq!((report.imports[0].name.as_str(), report.imports[0].types_only), ("acme:text/types@1.2.0", true));
}

#[test]
fn an_import_with_a_resource_alone_must_be_linked() {
    let report = report(r#"(component (import "acme:text/store" (instance (export "shelf" (type (sub resource))))))"#);
    assert!(!report.imports[0].types_only);
}

#[test]
fn an_imported_function_is_no_interface() {
    let report = report(RICH);
    let now = &report.imports[2];
    assert_eq!((now.name.as_str(), now.kind, now.wit.is_none()), ("now", InterfaceKind::Func, true));
}

#[test]
fn points_are_exported_interfaces_with_functions_beside_the_lifecycle_and_the_handover() {
    let report = report(POINTS);
    assert_eq!(report.exports.len(), 6);
    assert_eq!(report.points, ["plugwork:points/analyzer@0.1.0"]);
}

#[test]
fn wit_packages_are_listed_with_all_their_versions() {
    let packages = report(RICH).wit_packages;
    let versions: BTreeSet<_> = ["1.2.0", "1.2.3"].into_iter().map(|version| version.parse().unwrap()).collect();
    assert_eq!(packages["acme:text"], versions);
    assert_eq!(packages.len(), 2);
}

#[test]
fn modules_are_measured() {
    let report = report(RICH);
    let [module] = report.modules.as_slice() else { panic!("expected one module") };
    assert_eq!((module.functions_count, module.data_bytes), (2, 4));
    assert_eq!((module.memories[0].initial_pages, module.memories[0].maximum_pages), (2, Some(9)));
    assert_eq!((module.tables[0].initial_entries, module.tables[0].maximum_entries), (3, Some(5)));
    assert!(module.bytes < report.bytes && module.code_bytes > module.biggest_function_bytes);
}

#[test]
fn producers_of_modules_are_told_from_those_of_the_component() {
    let producers = report(RICH).producers;
    assert_eq!((producers[0].place, producers[0].name.as_str()), (Place::Module(0), "wat"));
}

#[test]
fn the_digest_is_of_the_whole_file() {
    let bytes = component(RICH);
    let report = read(&bytes).unwrap();
    assert_eq!((report.digest, report.bytes), (Digest::of(&bytes), bytes.len() as u64));
}

#[test]
fn a_report_is_json() {
    let json = serde_json::to_value(report(RICH)).unwrap();
    assert_eq!(json["imports"][1]["wit"], "acme:text/store@1.2.3");
    assert_eq!(json["imports"][1]["kind"], "instance");
    assert_eq!(json["producers"][0]["place"]["module"], 0);
}

#[test]
fn async_of_the_component_model_needs_the_full_profile() {
    let report = report(r#"(component (import "feed" (func (param "items" (stream u8)))))"#);
    assert!(report.needs_full);
    assert!(!self::report(RICH).needs_full);
}

#[test]
fn features_that_were_left_out_are_refused() {
    for module in [
        "(memory 1 2 shared)",
        "(memory i64 1)",
        "(type (struct))",
        "(tag)",
        "(type $f (func)) (func (param (ref $f)))",
        "(func (drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))))",
    ] {
        let bytes = component(&format!("(component (core module {module}))"));
        assert!(matches!(kind(&bytes), ReadErrorKind::Invalid { .. }), "{module}");
    }
}

#[test]
fn multi_memory_simd_and_tail_calls_are_allowed() {
    let module = "(memory 1) (memory 1) (func $f (param v128) (return_call $f (local.get 0)))";
    assert!(!report(&format!("(component (core module {module}))")).needs_full);
}

#[test]
fn a_core_module_is_refused_as_one() {
    assert_eq!(kind(&component("(module)")), ReadErrorKind::CoreModule);
}

/// Where a section of the outermost component ends: cut there, a file is whole, only poorer.
fn section_ends(bytes: &[u8]) -> BTreeSet<usize> {
    let mut reader = wasmparser::BinaryReader::new(&bytes[8..], 8);
    let mut ends = BTreeSet::from([8]);
    while !reader.eof() {
        reader.read_u8().unwrap();
        reader.read_reader().unwrap();
        ends.insert(reader.original_position());
    }
    ends
}

#[test]
fn a_file_cut_within_a_section_is_refused() {
    let bytes = component(RICH);
    let ends = section_ends(&bytes);
    for length in (0..bytes.len()).filter(|length| !ends.contains(length)) {
        assert!(read(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn a_hostile_name_cannot_break_the_message() {
    let bytes = component(r#"(component (core module (import "a" "b" (func (type 7)))))"#);
    let message = read(&bytes).unwrap_err().to_string();
    assert!(message.starts_with("not a valid component at byte "), "{message}");
    assert!(!message.replacen("\nhint: ", " ", 1).contains(char::is_control));
}

#[test]
fn a_component_without_a_manifest_has_none() {
    assert_eq!(report("(component)").manifest, None);
}

#[test]
fn a_manifest_is_read_at_64_kib_and_refused_one_past_it() {
    let at = vec![b'#'; 64 << 10];
    assert_eq!(read(&with_manifests(&[&at])).unwrap().manifest.map(|text| text.len()), Some(65_536));
    let past = vec![b'#'; (64 << 10) + 1];
    let problem = ManifestProblem::TooLong { bytes: 65_537 };
    assert_eq!(kind(&with_manifests(&[&past])), ReadErrorKind::Manifest(problem));
}

#[test]
fn two_manifests_are_refused() {
    assert_eq!(kind(&with_manifests(&[b"a", b"a"])), ReadErrorKind::Manifest(ManifestProblem::MoreThanOne));
}

#[test]
fn a_manifest_that_is_not_utf8_is_refused() {
    let problem = ManifestProblem::NotUtf8 { valid_bytes: 1 };
    assert_eq!(kind(&with_manifests(&[b"a\xff"])), ReadErrorKind::Manifest(problem));
}

#[test]
fn a_manifest_within_a_component_has_no_effect_and_is_noted() {
    let report = report(r#"(component (component (@custom "plugwork:plugin.toml" "name = 1")))"#);
    assert_eq!(report.manifest, None);
    assert_eq!(report.notes, ["a `plugin.toml` within the component has no effect"]);
}

#[test]
fn damaged_metadata_is_noted_and_left_out() {
    let mut bytes = component("(component)");
    for (name, data) in [("producers", b"\xff".as_slice()), ("version", b"\xff"), ("component-name", b"\0\x7f")] {
        bytes.extend(section(name, data));
    }
    let report = read(&bytes).unwrap();
    assert_eq!(report.notes.len(), 3);
    assert_eq!((report.metadata.version, report.producers.len()), (None, 0));
}
