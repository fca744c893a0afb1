//! The plugin `plugwork:jsonl`: writes a table as JSON lines, one object a row.
//!
//! Every line ends with a line feed, the last one too. Floats that JSON cannot write (NaN, infinities) are null.

use plugwork_guest::Cells;
use plugwork_guest::prelude::*;

/// One file being written.
pub struct JsonLines {
    nulls: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    #[serde(default = "yes")]
    nulls: bool,
}

fn yes() -> bool {
    true
}

impl Exporter for JsonLines {
    fn start(options: &Options) -> Result<Self> {
        let Settings { nulls } = options.parse()?;
        Ok(Self { nulls })
    }

    fn push(&mut self, batch: &Batch) -> Result<Vec<u8>> {
        // Each key is written once with its quotes and colon, not once a row.
        let columns = batch
            .columns()
            .map(|column| Ok((serde_json::to_string(column.name())? + ":", column.cells()?)))
            .collect::<Result<Vec<(String, Cells<'_>)>>>()?;
        let mut out = Vec::with_capacity(batch.bytes() * 2);
        for row in 0..batch.rows() {
            out.push(b'{');
            let mut first = true;
            for (key, cells) in &columns {
                let cell = cells.get(row);
                if cell == plugwork_guest::Cell::Null && !self.nulls {
                    continue;
                }
                if !first {
                    out.push(b',');
                }
                first = false;
                out.extend_from_slice(key.as_bytes());
                cell.write_json(&mut out)?;
            }
            out.extend_from_slice(b"}\n");
        }
        Ok(out)
    }
}

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    exporter: JsonLines,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: &str) -> String {
        let columns = [
            Column::f64s("mag", [Some(4.5), None]),
            Column::texts("place \"x\"", [Some("Vienna"), Some("a\nb")]),
            Column::timestamps_ms("time", [Some(0), None]),
        ];
        let mut writer = JsonLines::start(&Options::new(options)).unwrap();
        let mut bytes = writer.push(&Batch::new(2, columns).unwrap()).unwrap();
        bytes.extend(writer.finish().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn each_row_is_one_object_on_one_line() {
        assert_eq!(
            written("{}"),
            "{\"mag\":4.5,\"place \\\"x\\\"\":\"Vienna\",\"time\":\"1970-01-01T00:00:00.000Z\"}\n\
             {\"mag\":null,\"place \\\"x\\\"\":\"a\\nb\",\"time\":null}\n"
        );
    }

    #[test]
    fn missing_values_can_be_left_out() {
        assert!(written(r#"{"nulls":false}"#).ends_with("{\"place \\\"x\\\"\":\"a\\nb\"}\n"));
    }

    #[test]
    fn every_line_can_be_read_back() {
        for line in written("{}").lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object());
        }
    }

    #[test]
    fn a_wrong_option_is_refused_with_its_path() {
        let refusal = JsonLines::start(&Options::new(r#"{"nulls":1}"#)).err().unwrap();
        assert!(refusal.to_string().starts_with("/nulls: "), "{refusal}");
    }
}
