//! Two components made one: connected inside, validated as any other, and with the caller's manifest.

use plugwork_component::{Embedded, FuseError, embed, fuse, read};

const LOG: &str = r#"(import "plugwork:host/log@0.1.0" (instance $log (export "write" (func (param "level" u32)))))"#;

fn caller() -> Vec<u8> {
    let text = format!(
        r#"(component {LOG}
          (import "acme:geo/lookup@1.2.0" (instance $geo (export "find" (func (param "input" u32) (result u32)))))
          (core func $find (canon lower (func $geo "find")))
          (core module $m (import "host" "find" (func $find (param i32) (result i32)))
            (func (export "run") (param i32) (result i32) (call $find (local.get 0))))
          (core instance $i (instantiate $m (with "host" (instance (export "find" (func $find))))))
          (func $run (param "input" u32) (result u32) (canon lift (core func $i "run")))
          (instance $number (export "run" (func $run)))
          (export "test:point/number@0.1.0" (instance $number)))"#
    );
    let manifest = "name = \"acme:caller\"\nversion = \"1.0.0\"\n";
    embed(&wat::parse_str(text).unwrap(), &Embedded { manifest: Some(manifest), ..Embedded::default() }).unwrap()
}

fn provider(export: &str, more: &str) -> Vec<u8> {
    let text = format!(
        r#"(component {LOG}
          (core module $m (func (export "find") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
          (core instance $i (instantiate $m))
          (func $find (param "input" u32) (result u32) (canon lift (core func $i "find")))
          (instance $lookup (export "find" (func $find)))
          (export "{export}" (instance $lookup)) {more})"#
    );
    wat::parse_str(text).unwrap()
}

fn names(interfaces: &[plugwork_component::Interface]) -> Vec<&str> {
    interfaces.iter().map(|interface| interface.name.as_str()).collect()
}

#[test]
fn what_was_connected_is_no_import_any_more_and_the_rest_is_there_once() {
    let report = read(&fuse(&caller(), &provider("acme:geo/lookup@1.3.0", "")).unwrap()).unwrap();
    assert_eq!(names(&report.imports), ["plugwork:host/log@0.1.0"]);
    assert_eq!(names(&report.exports), ["test:point/number@0.1.0"]);
    assert!(report.manifest.unwrap().contains("acme:caller"));
}

#[test]
fn what_cannot_be_connected_is_told() {
    for export in ["acme:geo/lookup@1.1.0", "acme:geo/lookup@2.0.0", "acme:geo/other@1.2.0"] {
        assert_eq!(fuse(&caller(), &provider(export, "")).unwrap_err(), FuseError::NothingToConnect, "{export}");
    }
    let lifecycle = r#"(export "plugwork:plugin/lifecycle@0.1.0" (instance $lookup))"#;
    assert_eq!(fuse(&caller(), &provider("acme:geo/lookup@1.2.0", lifecycle)).unwrap_err(), FuseError::Lifecycle);
    let other = wat::parse_str(
        r#"(component (core module $m (func (export "find") (result i32) (i32.const 1))) (core instance $i (instantiate $m))
          (func $find (result u32) (canon lift (core func $i "find"))) (instance $lookup (export "find" (func $find)))
          (export "acme:geo/lookup@1.2.0" (instance $lookup)))"#,
    );
    assert!(matches!(fuse(&caller(), &other.unwrap()).unwrap_err(), FuseError::Misfit { .. }));
    assert!(matches!(fuse(b"no component", &caller()).unwrap_err(), FuseError::Read(_)));
}
