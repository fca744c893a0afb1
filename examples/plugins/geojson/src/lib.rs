//! The plugin `plugwork:geojson`: writes a table as a GeoJSON `FeatureCollection` of points (RFC 7946).
//!
//! A row without a longitude or latitude becomes a feature without a place (`"geometry":null`), which the RFC provides
//! for; a place that is not on the earth is refused with its row, because no reader would say so later.

use plugwork_guest::prelude::*;
use plugwork_guest::{Cell, Cells};

/// One file being written.
pub struct GeoJson {
    settings: Settings,
    /// Rows written before this batch.
    rows: u64,
    opened: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Settings {
    longitude: String,
    latitude: String,
    id: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { longitude: "longitude".into(), latitude: "latitude".into(), id: None }
    }
}

const OPENING: &[u8] = b"{\"type\":\"FeatureCollection\",\"features\":[";

impl Exporter for GeoJson {
    fn start(options: &Options) -> Result<Self> {
        Ok(Self { settings: options.parse()?, rows: 0, opened: false })
    }

    fn push(&mut self, batch: &Batch) -> Result<Vec<u8>> {
        let Settings { longitude, latitude, id } = &self.settings;
        let longitudes = batch.column(longitude)?.f64s()?;
        let latitudes = batch.column(latitude)?.f64s()?;
        let ids = id.as_ref().map(|id| batch.column(id)?.cells()).transpose()?;
        let apart = |name: &str| name == longitude || name == latitude || Some(name) == id.as_deref();
        let properties = batch
            .columns()
            .filter(|column| !apart(column.name()))
            .map(|column| Ok((serde_json::to_string(column.name())? + ":", column.cells()?)))
            .collect::<Result<Vec<(String, Cells<'_>)>>>()?;

        let mut out = Vec::with_capacity(batch.bytes() * 2 + OPENING.len());
        if !self.opened {
            out.extend_from_slice(OPENING);
            self.opened = true;
        }
        for row in 0..batch.rows() {
            out.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
            out.extend_from_slice(b"{\"type\":\"Feature\",");
            if let Some(id) = ids.map(|ids| ids.get(row)).filter(|id| *id != Cell::Null) {
                out.extend_from_slice(b"\"id\":");
                write_id(&mut out, id)?;
                out.push(b',');
            }
            out.extend_from_slice(b"\"geometry\":");
            write_point(&mut out, longitudes.get(row), latitudes.get(row)).at(format!("row {}", self.rows + 1))?;
            out.extend_from_slice(b",\"properties\":{");
            for (index, (key, cells)) in properties.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key.as_bytes());
                cells.get(row).write_json(&mut out)?;
            }
            out.extend_from_slice(b"}}");
            self.rows += 1;
        }
        Ok(out)
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        let mut out = if self.opened { Vec::new() } else { OPENING.to_vec() };
        out.extend_from_slice(b"\n]}\n");
        Ok(out)
    }
}

fn write_point(out: &mut Vec<u8>, longitude: Option<f64>, latitude: Option<f64>) -> Result<()> {
    let (Some(longitude), Some(latitude)) = (longitude, latitude) else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    // Written so that NaN is refused too.
    if !(-180.0..=180.0).contains(&longitude) {
        return Err(Refusal::invalid(format!("longitude {longitude}"), "", "-180 to 180 degrees east"));
    }
    if !(-90.0..=90.0).contains(&latitude) {
        return Err(Refusal::invalid(format!("latitude {latitude}"), "", "-90 to 90 degrees north"));
    }
    out.extend_from_slice(b"{\"type\":\"Point\",\"coordinates\":[");
    Cell::Float64(longitude).write_json(out)?;
    out.push(b',');
    Cell::Float64(latitude).write_json(out)?;
    out.extend_from_slice(b"]}");
    Ok(())
}

/// RFC 7946 allows texts and numbers only.
fn write_id(out: &mut Vec<u8>, id: Cell<'_>) -> Result<()> {
    match id {
        Cell::Text(_) | Cell::Int(_) | Cell::UInt(_) => id.write_json(out),
        id => Cell::Text(&id.to_string()).write_json(out),
    }
}

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    exporter: GeoJson,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn batch(longitude: f64) -> Batch {
        let columns = [
            Column::texts("id", ["a", "b"]),
            Column::f64s("longitude", [Some(longitude), None]),
            Column::f64s("latitude", [48.2, 0.0]),
            Column::i64s("felt", [Some(3), None]),
        ];
        Batch::new(2, columns).unwrap()
    }

    fn written(options: Value, batches: &[Batch]) -> Value {
        let mut writer = GeoJson::start(&options.into()).unwrap();
        let mut bytes = Vec::new();
        batches.iter().for_each(|batch| bytes.extend(writer.push(batch).unwrap()));
        bytes.extend(writer.finish().unwrap());
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_row_becomes_a_point_with_properties() {
        let collection = written(json!({"id": "id"}), &[batch(16.4), batch(-180.0)]);
        let expected = json!({
            "type": "Feature", "id": "a",
            "geometry": {"type": "Point", "coordinates": [16.4, 48.2]},
            "properties": {"felt": 3}
        });
        assert_eq!(collection["features"][0], expected);
        assert_eq!(collection["features"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn a_row_without_a_place_has_no_geometry() {
        assert_eq!(written(json!({}), &[batch(16.4)])["features"][1]["geometry"], Value::Null);
    }

    #[test]
    fn a_table_without_rows_is_an_empty_collection() {
        assert_eq!(written(json!({}), &[]), json!({"type": "FeatureCollection", "features": []}));
    }

    #[test]
    fn a_place_that_is_not_on_the_earth_is_refused_with_its_row() {
        let mut writer = GeoJson::start(&Options::new("{}")).unwrap();
        writer.push(&batch(180.0)).unwrap();
        let refusal = writer.push(&batch(180.1)).unwrap_err();
        assert_eq!(refusal.to_string(), "row 3: longitude 180.1; expected -180 to 180 degrees east");
    }

    #[test]
    fn a_missing_column_is_named() {
        let mut writer = GeoJson::start(&json!({"longitude": "lon"}).into()).unwrap();
        assert!(writer.push(&batch(0.0)).unwrap_err().to_string().starts_with("column `lon`: no such column"));
    }
}
