//! Running one plugin over a table that is in memory, and looking at tables value by value. Only for these tests: it keeps everything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plugwork::{Grants, Plugin};
use plugwork_core::table::{Cell, validate};
use plugwork_points::{Analyzer, Batch, DataSource, Exporter, Transformer};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::world::{example, grant, offer};

/// A table as rows of JSON values; dates and times are numbers in their format's unit.
#[derive(Debug, PartialEq)]
pub(crate) struct Table {
    /// Name and format.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Value>>,
}

impl Table {
    /// The batches of one table.
    pub(crate) fn of(batches: &[Batch]) -> Self {
        let columns = batches[0].columns().iter().map(|column| (column.name.clone(), column.format.clone())).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let checked = validate(batch.rows(), batch.views()).unwrap();
            let row = |row| checked.columns().iter().map(|column| value(column.cell(row).unwrap())).collect();
            rows.extend((0..batch.rows() as usize).map(row));
        }
        Self { columns, rows }
    }

    /// All values of a column.
    pub(crate) fn column(&self, name: &str) -> Vec<&Value> {
        let at = self.columns.iter().position(|(column, _)| column == name);
        let at = at.unwrap_or_else(|| panic!("no column `{name}` among {:?}", self.columns));
        self.rows.iter().map(|row| &row[at]).collect()
    }

    /// All values of a column of numbers; NaN for null.
    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        self.column(name).into_iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
    }

    /// Rows by their text in one column.
    pub(crate) fn by<'a>(&'a self, name: &str) -> BTreeMap<&'a str, usize> {
        self.column(name).into_iter().enumerate().map(|(row, value)| (value.as_str().unwrap_or("null"), row)).collect()
    }
}

fn value(cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => json!(value),
        Cell::Int(value) => json!(value),
        Cell::UInt(value) => json!(value),
        Cell::Float(value) => json!(value),
        Cell::Text(value) => json!(value),
        other => json!(format!("{other:?}")),
    }
}

/// An example plugin, with no grant; made one with the plugin that it calls, if it calls one.
pub(crate) async fn plugin(name: &str) -> Plugin {
    let offer = offer(&example(name), name).await;
    let offer = if name == CALLER { fused(offer).await } else { offer };
    offer.accept_only(Grants::none()).await.unwrap()
}

/// The one that calls another.
pub(crate) const CALLER: &str = "declustering";
/// The other.
pub(crate) const CALLED: &str = "geodesy";

/// Made one with the plugin that it calls.
pub(crate) async fn fused(caller: plugwork::Offer) -> plugwork::Offer {
    let called = offer(&example(CALLED), CALLED).await.accept_only(Grants::none()).await.unwrap();
    caller.fuse(&called).await.unwrap()
}

/// An example plugin that may read below a folder.
pub(crate) async fn reader(name: &str, root: impl Into<PathBuf>) -> Plugin {
    let grants = grant("filesystem", json!({ "root": root.into(), "access": "read" }));
    offer(&example(name), name).await.accept_only(grants).await.unwrap()
}

/// Where the real data is.
pub(crate) fn data() -> PathBuf {
    let data = plugwork_tests::root().join("examples/data/node_modules/vega-datasets/data");
    assert!(data.is_dir(), "`{}` is missing; run `cargo xtask guests`", data.display());
    data
}

/// Everything that a source hands out.
pub(crate) async fn read(plugin: &Plugin, options: Value) -> Vec<Batch> {
    let mut cursor = DataSource::open(plugin, &options.to_string()).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = cursor.next().await.unwrap() {
        batches.push(batch);
    }
    cursor.end().await;
    batches
}

/// The tables that an analyzer finds.
pub(crate) async fn analyse(plugin: &Plugin, options: Value, input: &[Batch]) -> BTreeMap<String, Vec<Batch>> {
    let mut analysis = Analyzer::start(plugin, &options.to_string()).await.unwrap();
    for batch in input {
        analysis.push(batch).await.unwrap();
    }
    let mut found = BTreeMap::<_, Vec<Batch>>::new();
    while let Some(finding) = analysis.next().await.unwrap() {
        found.entry(finding.table).or_default().push(finding.batch);
    }
    analysis.end().await;
    found
}

/// The file that an exporter writes.
pub(crate) async fn export(plugin: &Plugin, options: Value, input: &[Batch]) -> Vec<u8> {
    let mut writer = Exporter::start(plugin, &options.to_string()).await.unwrap();
    let mut file = Vec::new();
    for batch in input {
        file.extend(writer.push(batch).await.unwrap());
    }
    file.extend(writer.finish().await.unwrap());
    writer.end().await;
    file
}

/// What a transformer makes of it.
pub(crate) async fn transform(plugin: &Plugin, options: Value, input: &[Batch]) -> Vec<Batch> {
    let mut transformation = Transformer::start(plugin, &options.to_string()).await.unwrap();
    let mut output = Vec::new();
    for batch in input {
        output.push(transformation.apply(batch).await.unwrap());
    }
    output
}

/// The week of earthquakes, read once.
pub(crate) async fn quakes() -> &'static [Batch] {
    static QUAKES: OnceCell<Vec<Batch>> = OnceCell::const_new();
    let load = || async { read(&reader("usgs-earthquakes", data()).await, json!({ "path": "earthquakes.json" })).await };
    QUAKES.get_or_init(load).await
}
