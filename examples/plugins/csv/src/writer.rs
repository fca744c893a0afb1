//! The exporter: rows in, records of RFC 4180 out.
//!
//! Quotes only where they are needed: for a delimiter, a quote, a line ending, white space at an end, and for an empty
//! text, so that it is not taken for a null. A table of one column writes its nulls as `""`, because an empty line is no
//! record.

use plugwork_guest::prelude::*;
use plugwork_guest::{Cell, Cells};

use crate::delimiter::Delimiter;

/// One file being written.
pub struct CsvWriter {
    settings: Settings,
    /// The header is written before the first row, when the columns are known.
    began: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    delimiter: Delimiter,
    #[serde(default = "yes")]
    header: bool,
    #[serde(default)]
    line_ending: LineEnding,
}

#[derive(Clone, Copy, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineEnding {
    #[default]
    Crlf,
    Lf,
}

fn yes() -> bool {
    true
}

impl Exporter for CsvWriter {
    fn start(options: &Options) -> Result<Self> {
        Ok(Self { settings: options.parse()?, began: false })
    }

    fn push(&mut self, batch: &Batch) -> Result<Vec<u8>> {
        let mut out = Output { bytes: Vec::with_capacity(batch.bytes() * 2), settings: &self.settings };
        let names: Vec<&str> = batch.columns().map(|column| column.name()).collect();
        if self.settings.header && !self.began && !names.is_empty() {
            out.record(names.iter().map(|name| Cell::Text(name)));
        }
        self.began = true;
        let columns = batch.columns().map(|column| column.cells()).collect::<Result<Vec<Cells<'_>>>>()?;
        for row in 0..batch.rows() {
            out.record(columns.iter().map(|column| column.get(row)));
        }
        Ok(out.bytes)
    }
}

struct Output<'a> {
    bytes: Vec<u8>,
    settings: &'a Settings,
}

impl Output<'_> {
    fn record<'a>(&mut self, cells: impl ExactSizeIterator<Item = Cell<'a>>) {
        let alone = cells.len() == 1;
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                self.bytes.push(self.settings.delimiter.0);
            }
            match cell {
                Cell::Null if alone => self.bytes.extend_from_slice(b"\"\""),
                Cell::Null => {}
                Cell::Text(text) => self.text(text),
                // A number or a time may hold the delimiter too, if that is a point or a colon.
                cell => self.text(&cell.to_string()),
            }
        }
        self.bytes.extend_from_slice(match self.settings.line_ending {
            LineEnding::Crlf => b"\r\n",
            LineEnding::Lf => b"\n",
        });
    }

    fn text(&mut self, text: &str) {
        let special = |byte: u8| matches!(byte, b'"' | b'\r' | b'\n') || byte == self.settings.delimiter.0;
        let spaced = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
        if !text.is_empty() && !spaced && !text.bytes().any(special) {
            self.bytes.extend_from_slice(text.as_bytes());
            return;
        }
        self.bytes.push(b'"');
        for byte in text.bytes() {
            if byte == b'"' {
                self.bytes.push(b'"');
            }
            self.bytes.push(byte);
        }
        self.bytes.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(options: &str, batches: &[Batch]) -> String {
        let mut writer = CsvWriter::start(&Options::new(options)).unwrap();
        let mut bytes: Vec<u8> = batches.iter().flat_map(|batch| writer.push(batch).unwrap()).collect();
        bytes.extend(writer.finish().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    fn batch() -> Batch {
        let columns = [Column::texts("a,b", [Some("x"), Some("\"q\""), Some(""), None]), Column::f64s("x", [1.0, 2.5, 3.0, 4.0])];
        Batch::new(4, columns).unwrap()
    }

    #[test]
    fn values_are_quoted_only_where_needed() {
        assert_eq!(written("{}", &[batch()]), "\"a,b\",x\r\nx,1.0\r\n\"\"\"q\"\"\",2.5\r\n\"\",3.0\r\n,4.0\r\n");
    }

    #[test]
    fn the_header_is_written_once_and_for_a_table_without_rows_too() {
        assert_eq!(written("{}", &[batch(), batch()]).matches("\"a,b\",x\r\n").count(), 1);
        let empty = Batch::new(0, [Column::texts("a", [None; 0])]).unwrap();
        assert_eq!(written(r#"{"line-ending":"lf"}"#, &[empty]), "a\n");
    }

    #[test]
    fn the_delimiter_and_header_can_be_chosen() {
        let text = written(r#"{"delimiter":".","header":false,"line-ending":"lf"}"#, &[batch()]);
        assert!(text.starts_with("x.\"1.0\"\n"), "{text}");
    }

    #[test]
    fn a_null_alone_on_its_line_is_not_lost() {
        let batch = Batch::new(1, [Column::f64s("x", [None])]).unwrap();
        assert_eq!(written("{}", &[batch]), "x\r\n\"\"\r\n");
    }
}
