//! The fuzz test: no panic for any bytes, and everything accepted can be read completely.
//!
//! An ordinary test runs it for a second; `cargo bolero test` for as long as somebody waits. What may surprise: it also
//! fails when too few inputs are accepted, because then it no longer tests the reader.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bolero::TypeGenerator;

use super::tests::le32;
use super::*;

/// With `fit` the buffers get the right length; otherwise random bytes would never get past the first check.
#[derive(Debug, TypeGenerator)]
struct FuzzColumn {
    format: FuzzFormat,
    validity: Option<Vec<u8>>,
    offsets: Option<Vec<i32>>,
    values: Vec<u8>,
    text: String,
    fit: bool,
}

#[derive(Debug, TypeGenerator)]
enum FuzzFormat {
    Known(u8),
    Decimal(u8, u8),
    Any(String),
}

const KNOWN: [&str; 19] =
    ["b", "c", "C", "s", "S", "i", "I", "l", "L", "f", "g", "u", "z", "tdD", "tdm", "tss:", "tsm:UTC", "tsu:", "tsn:"];

impl FuzzColumn {
    fn format(&self) -> String {
        match &self.format {
            FuzzFormat::Known(index) => KNOWN[usize::from(*index) % KNOWN.len()].into(),
            FuzzFormat::Decimal(precision, scale) => format!("d:{},{}", precision % 40, scale % 40),
            FuzzFormat::Any(text) => text.clone(),
        }
    }

    /// The buffers; with `fit`, cut and filled so that their lengths are right, while what is in them stays random.
    fn buffers(&self, rows: usize) -> Buffers {
        let mut buffers =
            Buffers { validity: self.validity.clone(), offsets: self.offsets.as_deref().map(le32), values: self.values.clone() };
        if !self.fit {
            return buffers;
        }
        let format = self.format();
        let format = Format::parse(&format);
        if let Some(validity) = &mut buffers.validity {
            validity.resize(rows.div_ceil(8), 0x5a);
        }
        if format == Some(Format::Text) {
            buffers.values = self.text.clone().into_bytes();
        }
        if format.is_some_and(Format::has_offsets) {
            if rows == 0 {
                buffers.values.clear();
            }
            buffers.offsets = Some(self.cuts(rows, buffers.values.len(), format == Some(Format::Text)));
        } else {
            buffers.offsets = None;
            let bytes = format.and_then(Format::width).map_or(rows.div_ceil(8), |width| width * rows);
            buffers.values.resize(bytes, 0);
        }
        buffers
    }

    fn cuts(&self, rows: usize, bytes: usize, text: bool) -> Vec<u8> {
        let end = i32::try_from(bytes).unwrap();
        let mut cuts: Vec<i32> = self.offsets.clone().unwrap_or_default();
        cuts.resize(rows + 1, 0);
        for cut in &mut cuts {
            *cut = cut.rem_euclid(end + 1);
            if text {
                *cut = self.text.floor_char_boundary(*cut as usize) as i32;
            }
        }
        cuts.sort_unstable();
        cuts[0] = 0;
        cuts[rows] = end;
        le32(&cuts)
    }
}

struct Buffers {
    validity: Option<Vec<u8>>,
    offsets: Option<Vec<u8>>,
    values: Vec<u8>,
}

impl Buffers {
    fn column<'a>(&'a self, name: &'a str, format: &'a str) -> ColumnRef<'a> {
        let Self { validity, offsets, values } = self;
        ColumnRef { name, format, validity: validity.as_deref(), offsets: offsets.as_deref(), values }
    }
}

#[test]
fn any_bytes_are_answered_and_what_is_accepted_can_be_read_completely() {
    let accepted = AtomicUsize::new(0);
    let check = |rows, columns: &[ColumnRef<'_>]| match validate(rows, columns.iter().copied()) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(batch) => {
            read_completely(&batch);
            accepted.fetch_add(batch.columns().len(), Ordering::Relaxed);
        }
    };
    bolero::check!().with_type::<(u8, Vec<FuzzColumn>)>().for_each(|(rows, columns)| {
        let formats: Vec<String> = columns.iter().map(FuzzColumn::format).collect();
        let names: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
        let buffers: Vec<Buffers> = columns.iter().map(|column| column.buffers(usize::from(*rows))).collect();
        let columns: Vec<ColumnRef<'_>> =
            buffers.iter().zip(names.iter().zip(&formats)).map(|(buffers, (name, format))| buffers.column(name, format)).collect();
        // Alone too: a batch of many random columns nearly always has one that is refused.
        for column in &columns {
            check(u32::from(*rows), std::slice::from_ref(column));
        }
        check(u32::from(*rows), &columns);
    });
    let accepted = accepted.into_inner();
    assert!(accepted > 100, "the inputs must reach the reader: only {accepted} columns did");
}

fn read_completely(batch: &Checked<'_>) {
    for column in batch.columns() {
        let cells: Vec<Cell<'_>> = (0..column.rows()).filter_map(|row| column.cell(row)).collect();
        assert_eq!(cells.len(), batch.rows() as usize);
        assert_eq!(cells.iter().filter(|cell| **cell == Cell::Null).count(), column.nulls());
        let typed = [
            column.read::<f64>().map(|values| values.flatten().count()),
            column.read::<i64>().map(|values| values.flatten().count()),
            column.read::<u64>().map(|values| values.flatten().count()),
            column.read::<bool>().map(|values| values.flatten().count()),
            column.read::<&[u8]>().map(|values| values.flatten().count()),
        ];
        for count in typed.into_iter().flatten() {
            assert_eq!(count, column.rows() - column.nulls());
        }
        if let Ok(texts) = column.read::<&str>() {
            let present: usize = texts.flatten().map(str::len).sum();
            assert!(present <= column.values().len());
        }
        assert_eq!(Format::parse(&column.format().to_string()), Some(column.format()));
    }
    assert_eq!(batch.preview(usize::MAX).len(), batch.rows() as usize);
    assert_eq!(Schema::of(batch).check(batch), Ok(()));
}
