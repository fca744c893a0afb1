//! Hands out a batch whose column `lied` is not what it says, or is not what it was in the batch before. Written against the generated bindings, around the SDK's checks.

use std::cell::RefCell;

use plugwork_guest::bindings::data_source::exports::plugwork::points::data_source::{Cursor, Guest, GuestCursor};
use plugwork_guest::bindings::types::{Batch, Column};
use plugwork_guest::{Options, Refusal};
use serde::Deserialize;

/// The data source.
pub(crate) struct Liar;

/// Batches still to be handed out, the last one first.
pub(crate) struct Lie(RefCell<Vec<Batch>>);

#[derive(Deserialize)]
struct Choice {
    lie: String,
}

impl Guest for Liar {
    type Cursor = Lie;

    fn open(options: String) -> Result<Cursor, Refusal> {
        let Choice { lie } = Options::new(options).parse()?;
        let mut batches = vec![batch(&lie)];
        if lie == "columns-change" {
            batches.insert(0, batch("as-floats"));
        }
        Ok(Cursor::new(Lie(RefCell::new(batches))))
    }
}

impl GuestCursor for Lie {
    fn next(&self) -> Result<Option<Batch>, Refusal> {
        Ok(self.0.borrow_mut().pop())
    }
}

/// Two rows: `true` and the column that lies.
fn batch(lie: &str) -> Batch {
    let numbers = || Some([1_i64, 2].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>());
    let offsets = |ends: [i32; 3]| Some(ends.iter().flat_map(|end| end.to_le_bytes()).collect::<Vec<u8>>());
    let column = |format: &str, validity: Option<Vec<u8>>, offsets, values: Option<Vec<u8>>| Column {
        name: "lied".into(),
        format: format.into(),
        validity,
        offsets,
        values: values.unwrap_or_default(),
    };
    let text = |text: &[u8], ends| column("u", None, offsets(ends), Some(text.to_vec()));
    let lied = match lie {
        "values-short" => column("l", None, None, Some(vec![0; 15])),
        "values-long" => column("l", None, None, Some(vec![0; 17])),
        "validity-short" => column("l", Some(Vec::new()), None, numbers()),
        "offsets-missing" => column("u", None, None, Some(b"ab".to_vec())),
        "offsets-short" => column("u", None, Some(vec![0; 8]), Some(Vec::new())),
        "offsets-fall" => text(b"abc", [0, 3, 1]),
        "offsets-past-end" => text(b"abc", [0, 1, 1_000_000]),
        "offsets-negative" => text(b"abc", [0, -1, 3]),
        "not-utf8" => text(&[0xff, 0xfe], [0, 1, 2]),
        "text-cut" => text("é".as_bytes(), [0, 1, 2]),
        "format-unknown" => column("+l", None, None, Some(Vec::new())),
        "as-floats" => column("g", None, None, numbers()),
        "name-twice" => Column { name: "true".into(), ..column("l", None, None, numbers()) },
        _ => column("l", None, None, numbers()),
    };
    let honest = Column { name: "true".into(), format: "l".into(), validity: None, offsets: None, values: numbers().unwrap_or_default() };
    Batch { rows: if lie == "rows-many" { 8_193 } else { 2 }, columns: vec![honest, lied] }
}
