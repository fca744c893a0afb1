//! What an author reads when something is wrong: the project, the cause, and what to do.

use std::fs;
use std::path::Path;

use plugwork_build::{BuildError, BuildOptions, ErrorKind, Outcome, Project, build_all};

use crate::fixture::{Tiny, cargo, manifest};

fn says(tiny: &Tiny, kind: ErrorKind, words: &[&str]) {
    let error = tiny.build().unwrap_err();
    let said = error.to_string();
    assert_eq!(error.kind(), kind, "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

#[test]
fn a_folder_without_a_manifest_is_no_project() {
    let error = Project::open(tempfile::tempdir().unwrap().path()).err().unwrap();
    assert!(error.to_string().contains("plugin.toml"), "{error}");
    assert!(error.hint_text().contains("a folder with a `plugin.toml`"));
}

#[test]
fn a_wrong_manifest_is_reported_with_every_complaint() {
    let tiny = Tiny::new("wrong-manifest");
    tiny.write("plugin.toml", &manifest("wrong-manifest", "exports = []\nsource = \"src/lib.rs\""));
    says(&tiny, ErrorKind::Manifest, &["build.exports", "build.source"]);
}

#[test]
fn a_manifest_without_a_build_section_says_what_to_add() {
    let tiny = Tiny::new("no-build");
    tiny.write("plugin.toml", "name = \"test:no-build\"\nversion = \"0.1.0\"\n");
    says(&tiny, ErrorKind::Manifest, &["no `[build]` section", "hint: add `[build]`"]);
}

#[test]
fn a_source_outside_the_project_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(folder.path().join("plugin.js"), "").unwrap();
    let text = manifest("outside-source", "source = \"../plugin.js\"\nexports = [\"plugwork:points/exporter@0.1.0\"]");
    fs::write(project.join("plugin.toml"), text.replace("rust", "javascript")).unwrap();
    let error = Project::open(&project).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Manifest);
    assert!(error.to_string().contains("outside the project"), "{error}");
}

#[test]
fn an_unknown_interface_is_named_before_any_tool_runs() {
    let tiny = Tiny::new("unknown");
    tiny.write("plugin.toml", &manifest("unknown", "exports = [\"plugwork:points/exportre@0.1.0\"]"));
    // Would fail if Cargo were asked.
    tiny.write("Cargo.toml", "not toml");
    says(&tiny, ErrorKind::World, &["cannot build `test:unknown`", "`plugwork:points/exportre@0.1.0`", "`exporter`"]);
}

#[test]
fn a_compile_error_is_shown_whole() {
    let tiny = Tiny::new("compile-error");
    tiny.write("src/lib.rs", "fn broken() -> u32 { \"text\" }\n");
    says(&tiny, ErrorKind::ToolFailed, &["error[E0308]: mismatched types", "--> src/lib.rs:1:22"]);
}

#[test]
fn a_library_that_is_no_cdylib_says_what_to_add() {
    let tiny = Tiny::new("no-cdylib");
    tiny.write("Cargo.toml", &cargo("no-cdylib", "[\"rlib\"]"));
    says(&tiny, ErrorKind::Component, &["crate-type = [\"cdylib\"]"]);
}

#[test]
fn an_export_that_the_source_lacks_is_named() {
    let tiny = Tiny::new("lacks");
    tiny.write("plugin.toml", &manifest("lacks", "exports = [\"plugwork:points/analyzer@0.1.0\"]"));
    says(&tiny, ErrorKind::Component, &["lists the export `plugwork:points/analyzer@0.1.0`"]);
}

#[test]
fn a_source_without_a_plugin_says_what_is_missing() {
    let tiny = Tiny::new("empty");
    tiny.write("src/lib.rs", "");
    says(&tiny, ErrorKind::Component, &["exports nothing at all", "plugwork_guest::plugin!"]);
}

#[test]
fn an_import_that_the_manifest_does_not_list_is_named() {
    let tiny = Tiny::new("unlisted");
    let source = fs::read_to_string(tiny.path("src/lib.rs")).unwrap();
    tiny.write("src/lib.rs", &source.replace("Ok(Vec::new())", "Ok(plugwork_guest::fetch::get(\"http://example.com/\")?.body)"));
    says(&tiny, ErrorKind::Component, &["imports `plugwork:host/fetch@0.1.0`, `plugin.toml` does not list it"]);
    tiny.write(
        "plugin.toml",
        &manifest("unlisted", "exports = [\"plugwork:points/exporter@0.1.0\"]\nimports = [\"plugwork:host/fetch@0.1.0\"]"),
    );
    tiny.build().unwrap();
}

fn build_all_of(projects: &[(&str, String)]) -> Result<Vec<Outcome>, BuildError> {
    let folder = tempfile::tempdir().unwrap();
    for (project, manifest) in projects {
        let project = folder.path().join("below").join(project);
        fs::create_dir_all(&project).unwrap();
        fs::write(project.join("plugin.toml"), manifest).unwrap();
        fs::write(project.join("Cargo.toml"), "not for cargo").unwrap();
    }
    let options = BuildOptions {
        sdk_root: folder.path(),
        contract: Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")),
        target_dir: &folder.path().join("target"),
        dev: false,
        progress: &|_| {},
    };
    build_all(folder.path(), &options, &folder.path().join("out"))
}

#[test]
fn two_plugins_of_one_name_are_not_written_over_each_other() {
    let text = manifest("same", "exports = [\"plugwork:points/exporter@0.1.0\"]");
    let projects = [("a", text.replace("test:", "one:")), ("b", text.replace("test:", "two:"))];
    let error = build_all_of(&projects).err().unwrap();
    assert!(error.to_string().contains("would both be written to `same.wasm`"), "{error}");
}

#[test]
fn versions_of_one_plugin_have_files_of_their_own_and_the_same_version_twice_is_refused() {
    let text = |version: &str| {
        let text = manifest("same", "exports = [\"example:same/none@0.1.0\"]");
        text.replace("version = \"0.1.0\"", &format!("version = \"{version}\""))
    };
    let outcomes = build_all_of(&[("a", text("0.1.0")), ("b", text("0.2.0"))]).unwrap();
    let names: Vec<String> = outcomes.iter().map(|(project, _)| project.file_name()).collect();
    assert_eq!(names, ["same-0.1.0.wasm", "same-0.2.0.wasm"]);
    let error = build_all_of(&[("a", text("0.1.0")), ("b", text("0.2.0")), ("c", text("0.2.0"))]).err().unwrap();
    assert!(error.to_string().contains("would both be written to `same-0.2.0.wasm`"), "{error}");
}

#[test]
fn every_project_below_a_folder_has_its_own_answer() {
    let exports = |name: &str| manifest(name, &format!("exports = [\"example:{name}/none@0.1.0\"]"));
    let outcomes = build_all_of(&[("b", exports("second")), ("a", exports("first"))]).unwrap();
    let said: Vec<String> = outcomes.into_iter().map(|(_, built)| built.unwrap_err().to_string()).collect();
    assert!(said[0].contains("no package `example:first`") && said[1].contains("no package `example:second`"), "{said:?}");
}
