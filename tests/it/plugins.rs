//! Every example plugin as a host sees it: what it imports, what it says about itself, and that files written by one are read by another.
//! What they calculate is in `analyses.rs`.
//!
//! `expected/imports.txt` is the list a person has looked at; `BLESS=1` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use plugwork::Grants;
use plugwork_component::InterfaceKind;
use plugwork_points::descriptor;
use serde_json::{Value, json};

use crate::tables::{CALLED, CALLER, Table, data, export, fused, plugin, quakes, read, reader};
use crate::world::{example, grant, offer};

/// The only ones that touch files, and so are built with WASI.
const READERS: [&str; 3] = ["csv", "json-rows", "usgs-earthquakes"];

/// The ones that publish events, where they may.
const DOORKEEPERS: [&str; 3] = ["doorkeeper", "doorkeeper-js", "doorkeeper-py"];

/// The only one that keeps values, and so needs a grant before anything of it runs.
const KEEPER: &str = "earthquake-map";

/// The names of all plugins in `examples/plugins`.
fn names() -> Vec<String> {
    let folders = fs::read_dir(plugwork_tests::root().join("examples/plugins")).unwrap();
    let manifests = folders.map(|folder| folder.unwrap().path().join("plugin.toml")).filter(|manifest| manifest.is_file());
    let name = |manifest: std::path::PathBuf| {
        let manifest = plugwork_core::Manifest::parse(&fs::read_to_string(&manifest).unwrap()).unwrap();
        manifest.name.name().to_owned()
    };
    let mut names: Vec<_> = manifests.map(name).collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn every_plugin_imports_exactly_what_is_on_the_list() {
    let mut found = String::new();
    for name in names() {
        let report = plugwork_component::read(&fs::read(example(&name).path().unwrap()).unwrap()).unwrap();
        writeln!(found, "{name}").unwrap();
        // Sorted: their order in the component changes with the toolchain and what else its SDK knows.
        let mut imports: Vec<_> = report.imports.iter().collect();
        imports.sort_by(|one, other| one.name.cmp(&other.name));
        for import in imports {
            assert_eq!(import.kind, InterfaceKind::Instance, "{name}: {}", import.name);
            writeln!(found, "  {}{}", import.name, if import.types_only { " (types)" } else { "" }).unwrap();
        }
        if !READERS.contains(&name.as_str()) {
            let called: BTreeSet<&str> =
                report.imports.iter().filter(|import| !import.types_only).map(|import| import.name.as_str()).collect();
            let mut allowed = BTreeSet::from(["plugwork:host/log@0.1.0"]);
            allowed.extend((name == CALLER).then_some("example:geodesy/distances@0.1.0"));
            allowed.extend(DOORKEEPERS.contains(&name.as_str()).then_some("plugwork:host/events@0.1.0"));
            allowed.extend((name == KEEPER).then_some("wasi:keyvalue/store@0.2.0-draft"));
            assert_eq!(called, allowed, "{name} reaches more than it should");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/expected/imports.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "the imports changed; if that is right, run with `BLESS=1` and look at the difference");
}

#[tokio::test]
async fn every_plugin_runs_hardened_and_describes_the_points_it_has() {
    // One that only plugins call has nothing to describe.
    for name in names().into_iter().filter(|name| name != CALLED) {
        let report = plugwork_component::read(&fs::read(example(&name).path().unwrap()).unwrap()).unwrap();
        assert!(!report.needs_full, "{name}");
        let grants = if name == KEEPER { grant("keyvalue", json!({ "stores": ["map"], "access": "write" })) } else { Grants::none() };
        let offer = offer(&example(&name), "described").await;
        let offer = if name == CALLER { fused(offer).await } else { offer };
        let plugin = offer.accept_only(grants).await.unwrap();
        let described = descriptor(&plugin).await.unwrap();
        let mut exported: Vec<_> = report.points.iter().map(|point| point.split('@').next().unwrap().to_owned()).collect();
        exported.sort();
        assert_eq!(described.points.keys().cloned().collect::<Vec<_>>(), exported, "{name}");
        for (point, described) in &described.points {
            assert!(!described.summary.is_empty() && described.summary.len() < 120, "{name} {point}: {}", described.summary);
            let schema = described.options.as_ref().unwrap_or_else(|| panic!("{name} {point} has no schema"));
            jsonschema::draft202012::meta::validate(schema).unwrap_or_else(|error| panic!("{name} {point}: {error}"));
            jsonschema::draft202012::new(schema).unwrap_or_else(|error| panic!("{name} {point}: {error}"));
            assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{name} {point}");
            for (option, property) in schema["properties"].as_object().into_iter().flatten() {
                let Some(default) = property.get("default") else { continue };
                let mut whole = property.clone();
                // A property's own schema may refer to the definitions of the whole.
                whole["$defs"] = schema.get("$defs").cloned().unwrap_or(json!({}));
                assert!(jsonschema::draft202012::is_valid(&whole, default), "{name} {point}: the default of `{option}` does not fit");
            }
        }
    }
}

#[tokio::test]
async fn a_table_written_as_csv_is_read_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let awkward = "name,number,day,moment,flag,note\r\n\
        \"a, \"\"quoted\"\"\",1,2018-02-07,2018-02-07T01:26:13.840Z,true,\"two\r\nlines\"\r\n\
        ü,-2,1600-02-29,1969-12-31T23:59:59.999Z,false,\r\n\
        \"\",,,,,\"\"\r\n";
    fs::write(folder.path().join("awkward.csv"), awkward).unwrap();
    let csv = plugin("csv").await;
    for (root, file) in [(folder.path(), "awkward.csv"), (&data(), "flights-airport.csv")] {
        let first = read(&reader("csv", root).await, json!({ "path": file })).await;
        for options in [json!({}), json!({ "delimiter": ";", "line-ending": "lf" })] {
            fs::write(folder.path().join("written.csv"), export(&csv, options.clone(), &first).await).unwrap();
            let delimiter = options.get("delimiter").cloned().unwrap_or(json!(","));
            let second = read(&reader("csv", folder.path()).await, json!({ "path": "written.csv", "delimiter": delimiter })).await;
            assert_eq!(Table::of(&second), Table::of(&first), "{file} {options}");
        }
    }
}

#[tokio::test]
async fn a_table_written_as_json_lines_is_read_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = export(&plugin("jsonl").await, json!({}), quakes().await).await;
    let text = String::from_utf8(file).unwrap();
    let expected = Table::of(quakes().await);
    assert_eq!(text.lines().count(), expected.rows.len());
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(row.as_object().unwrap().keys().eq(expected.columns.iter().map(|(name, _)| name)), "{line}");
    }
    fs::write(folder.path().join("quakes.jsonl"), &text).unwrap();
    let back = Table::of(&read(&reader("json-rows", folder.path()).await, json!({ "path": "quakes.jsonl", "sample-rows": 8192 })).await);
    assert_eq!(back.rows.len(), expected.rows.len());
    for (name, format) in &expected.columns {
        // A time is text in JSON; whether it is read back as one is the reader's to infer, and its unit may differ.
        if !format.starts_with("ts") {
            assert_eq!(back.column(name), expected.column(name), "column `{name}`");
        }
    }
}

#[tokio::test]
async fn a_table_written_as_geojson_has_its_points_and_properties() {
    let file = export(&plugin("geojson").await, json!({}), quakes().await).await;
    let collection: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(collection["type"], "FeatureCollection");
    let features = collection["features"].as_array().unwrap();
    let table = Table::of(quakes().await);
    assert_eq!(features.len(), 1_707);
    assert_eq!(table.rows.len(), 1_707);
    let (longitude, latitude) = (table.column("longitude"), table.column("latitude"));
    for (row, feature) in features.iter().enumerate() {
        let point = &feature["geometry"];
        assert_eq!((&feature["type"], &point["type"]), (&json!("Feature"), &json!("Point")));
        assert_eq!((&point["coordinates"][0], &point["coordinates"][1]), (longitude[row], latitude[row]), "row {row}");
        for (at, (name, format)) in table.columns.iter().enumerate() {
            if !["longitude", "latitude"].contains(&name.as_str()) && !format.starts_with("ts") {
                assert_eq!(feature["properties"][name], table.rows[row][at], "row {row}, `{name}`");
            }
        }
    }
}

#[tokio::test]
async fn an_exporter_writes_a_table_without_rows_as_a_file_that_is_whole() {
    let columns = quakes().await[0].columns().iter().map(|column| plugwork_points::Column {
        validity: None,
        offsets: column.offsets.as_ref().map(|_| vec![0; 4]),
        values: Vec::new(),
        ..column.clone()
    });
    let empty = [plugwork_points::Batch::new(0, columns.collect()).unwrap()];
    assert_eq!(export(&plugin("jsonl").await, json!({}), &empty).await, b"");
    let collection: Value = serde_json::from_slice(&export(&plugin("geojson").await, json!({}), &empty).await).unwrap();
    assert_eq!(collection["features"], json!([]));
    let csv = String::from_utf8(export(&plugin("csv").await, json!({}), &empty).await).unwrap();
    assert_eq!(csv.lines().count(), 1, "{csv}");
}
