//! What `embed` writes, `read` finds again, and wasm-metadata too; every other byte stays.

use plugwork_component::{EmbedError, Embedded, ReadErrorKind, embed, read};

use crate::components::{RICH, component};

const MANIFEST: &str = "name = \"acme:clock\"\nversion = \"1.2.3\"\n";

fn all() -> Embedded<'static> {
    Embedded {
        manifest: Some(MANIFEST),
        name: Some("acme:clock"),
        version: Some("1.2.3"),
        description: Some("tells the time"),
        license: Some("Apache-2.0 WITH LLVM-exception"),
        processed_by: Some(("plugwork", "0.1.0")),
    }
}

#[test]
fn what_was_written_is_read_again() {
    let report = read(&embed(&component(RICH), &all()).unwrap()).unwrap();
    assert_eq!(report.manifest.as_deref(), Some(MANIFEST));
    let metadata = report.metadata;
    assert_eq!(metadata.name.as_deref(), Some("acme:clock"));
    assert_eq!(metadata.version.as_deref(), Some("1.2.3"));
    assert_eq!(metadata.description.as_deref(), Some("tells the time"));
    assert_eq!(metadata.licenses.as_deref(), Some("Apache-2.0 WITH LLVM-exception"));
    assert!(report.producers.iter().any(|producer| producer.name == "plugwork" && producer.version == "0.1.0"));
}

#[test]
fn other_tools_read_it_too() {
    let bytes = embed(&component(RICH), &all()).unwrap();
    let payload = wasm_metadata::Payload::from_binary(&bytes).unwrap();
    let metadata = payload.metadata();
    assert_eq!(metadata.name.as_deref(), Some("acme:clock"));
    assert_eq!(metadata.version.as_ref().map(ToString::to_string).as_deref(), Some("1.2.3"));
    assert!(metadata.licenses.is_some() && metadata.description.is_some());
}

#[test]
fn twice_is_once() {
    let once = embed(&component(RICH), &all()).unwrap();
    assert_eq!(embed(&once, &all()).unwrap(), once);
}

#[test]
fn a_second_run_replaces_what_the_first_wrote() {
    let first = embed(&component(RICH), &all()).unwrap();
    let changed = Embedded { manifest: Some("version = \"2.0.0\""), version: Some("2.0.0"), ..Embedded::default() };
    let report = read(&embed(&first, &changed).unwrap()).unwrap();
    assert_eq!(report.manifest.as_deref(), Some("version = \"2.0.0\""));
    assert_eq!(report.metadata.version.as_deref(), Some("2.0.0"));
    assert_eq!(report.metadata.name.as_deref(), Some("acme:clock"));
}

#[test]
fn the_file_grows_by_the_section_and_keeps_every_other_byte() {
    let before = component(RICH);
    let after = embed(&before, &Embedded { manifest: Some(MANIFEST), ..Embedded::default() }).unwrap();
    // Section id and two lengths of one byte each.
    let section = 3 + "plugwork:plugin.toml".len() + MANIFEST.len();
    assert_eq!(after.len(), before.len() + section);
    assert!(after.starts_with(&before));
}

#[test]
fn nothing_to_write_changes_nothing() {
    let before = component(RICH);
    assert_eq!(embed(&before, &Embedded::default()).unwrap(), before);
}

#[test]
fn names_of_functions_survive_a_new_name_of_the_component() {
    let before = component("(component $old (import \"f\" (func $speaking-name)))");
    let after = embed(&before, &Embedded { name: Some("new"), ..Embedded::default() }).unwrap();
    assert!(after.windows(13).any(|bytes| bytes == b"speaking-name"));
    assert!(!after.windows(3).any(|bytes| bytes == b"old"));
    assert_eq!(read(&after).unwrap().metadata.name.as_deref(), Some("new"));
}

#[test]
fn other_producers_stay() {
    let before = component("(component (@producers (language \"wat\" \"1\") (processed-by \"plugwork\" \"0.0.1\")))");
    let after = embed(&before, &Embedded { processed_by: Some(("plugwork", "0.1.0")), ..Embedded::default() }).unwrap();
    let producers = read(&after).unwrap().producers;
    let entries: Vec<_> = producers.iter().map(|entry| (entry.name.as_str(), entry.version.as_str())).collect();
    assert_eq!(entries, [("wat", "1"), ("plugwork", "0.1.0")]);
}

#[test]
fn a_manifest_fits_at_64_kib_and_not_one_past_it() {
    let text = "#".repeat((64 << 10) + 1);
    let of = |bytes: usize| embed(&component("(component)"), &Embedded { manifest: Some(&text[..bytes]), ..Embedded::default() });
    assert!(of(64 << 10).is_ok());
    let too_long = EmbedError::TooLong { section: "plugwork:plugin.toml", bytes: 65_537, bytes_max: 65_536 };
    assert_eq!(of(text.len()), Err(too_long));
}

#[test]
fn a_text_fits_at_4_kib_and_not_one_past_it() {
    let text = "v".repeat((4 << 10) + 1);
    let of = |bytes: usize| embed(&component("(component)"), &Embedded { version: Some(&text[..bytes]), ..Embedded::default() });
    assert!(of(4 << 10).is_ok());
    assert!(matches!(of(text.len()), Err(EmbedError::TooLong { section: "version", .. })));
}

#[test]
fn a_licence_that_is_none_is_refused() {
    let embedded = Embedded { license: Some("do what you like"), ..Embedded::default() };
    let error = embed(&component("(component)"), &embedded).unwrap_err();
    assert!(error.to_string().starts_with("`do what you like` is not an SPDX expression\nhint: "));
}

#[test]
fn a_core_module_gets_nothing() {
    let Err(EmbedError::Read(error)) = embed(&component("(module)"), &all()) else { panic!("must be refused") };
    assert_eq!(error.kind(), &ReadErrorKind::CoreModule);
}
