//! The tables that come out, as raw columns.
//!
//! Lives here: [`Table`], [`OwnedColumn`] and how statistics become rows. Not here: the batches of the contract, into which
//! `plugin.rs` packs them. May be misread: table `statistics` is long (one row a group and column), because groups and
//! columns are both as many as the data wants, and a table's columns are not.

use std::ops::Range;

use crate::column::Kind;
use crate::issue::Issue;
use crate::statistics::{Layout, Measure, Plan, Statistics};

/// Names that result columns have, besides those of the columns to group by and one for each quantile.
const NAMES: [&str; 7] = ["column", "rows", "count", "nulls", "mean", "minimum", "maximum"];

/// A result table: `statistics`, or `times`, `times-2` … one for each format of dates or timestamps.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// 1 to 64 characters of `a` to `z`, `0` to `9` and `-`.
    pub name: String,
    /// In every column.
    pub rows: usize,
    /// As many values in each as there are rows.
    pub columns: Vec<OwnedColumn>,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedColumn {
    /// Unique in its table.
    pub name: String,
    /// Arrow format string.
    pub format: String,
    /// Raw bytes of each row's value as in an Arrow column of one row (a bool is one byte, 0 or 1); `None` is null.
    pub cells: Vec<Option<Vec<u8>>>,
}

impl OwnedColumn {
    /// Rows `range` as Arrow buffers: validity if there is a null, offsets for text and bytes, values.
    pub fn buffers(&self, range: Range<usize>) -> (Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>) {
        let cells = &self.cells[range];
        let bits = |is_set: &dyn Fn(&Option<Vec<u8>>) -> bool| {
            let mut bytes = vec![0u8; cells.len().div_ceil(8)];
            cells.iter().enumerate().filter(|(_, cell)| is_set(cell)).for_each(|(row, _)| bytes[row / 8] |= 1 << (row % 8));
            bytes
        };
        let validity = cells.iter().any(Option::is_none).then(|| bits(&Option::is_some));
        let width = match self.format.as_bytes() {
            b"b" => return (validity, None, bits(&|cell| cell.as_deref() == Some(&[1]))),
            b"u" | b"z" => {
                let lengths = cells.iter().map(|cell| cell.as_ref().map_or(0, Vec::len) as i32);
                let ends = lengths.scan(0, |end, length| {
                    *end += length;
                    Some(*end)
                });
                let offsets = std::iter::once(0).chain(ends).flat_map(i32::to_le_bytes).collect();
                return (validity, Some(offsets), cells.iter().flatten().flatten().copied().collect());
            }
            b"c" | b"C" => 1,
            b"s" | b"S" => 2,
            b"i" | b"I" | b"f" | b"tdD" => 4,
            [b'd', b':', ..] => 16,
            _ => 8,
        };
        let values = cells.iter().flat_map(|cell| cell.clone().unwrap_or_else(|| vec![0; width])).collect();
        (validity, None, values)
    }
}

impl Statistics {
    /// The result so far. Table `statistics` is always there once a batch has been; groups stand in the order in which they
    /// appeared, and each group's columns in the order of the table or of the plan.
    ///
    /// An [`Issue`] only where a column to group by has the name of a result column.
    pub fn tables(&self) -> Result<Vec<Table>, Issue> {
        let (plan, Some(layout)) = self.parts() else { return Ok(Vec::new()) };
        let names = plan.quantiles.iter().map(|fraction| quantile_name(*fraction)).collect::<Vec<_>>();
        for (n, index) in layout.by.iter().enumerate() {
            let name = layout.shape(*index).0;
            if NAMES.contains(&name) || names.iter().any(|other| other == name) {
                return Err(Issue::new(
                    format!("`{name}` is also a column of the result"),
                    format!("/by/{n}"),
                    "a column of another name: rename it before",
                ));
            }
        }
        let mut formats: Vec<&str> = Vec::new();
        for measure in &layout.measures {
            if let Kind::Time(format) = &measure.kind
                && !formats.contains(&format.as_str())
            {
                formats.push(format);
            }
        }
        let numbers: Vec<&Measure> = layout.measures.iter().filter(|measure| !matches!(measure.kind, Kind::Time(_))).collect();
        let mut tables = vec![table("statistics".to_owned(), plan, layout, &numbers, "g", &names)];
        for (n, format) in formats.into_iter().enumerate() {
            let name = if n == 0 { "times".to_owned() } else { format!("times-{}", n + 1) };
            let times: Vec<&Measure> = layout.measures.iter().filter(|measure| measure.kind == Kind::Time(format.to_owned())).collect();
            tables.push(table(name, plan, layout, &times, format, &names));
        }
        Ok(tables)
    }
}

/// `q50`, `q99`, `q99.9`: the fraction in percent.
fn quantile_name(fraction: f64) -> String {
    // Rounded, because 0.07 times 100 is 7.000000000000001.
    format!("q{}", (fraction * 100.0 * 1e9).round() / 1e9)
}

fn table(name: String, plan: &Plan, layout: &Layout, measures: &[&Measure], format: &str, quantiles: &[String]) -> Table {
    let column = |name: &str, format: &str| OwnedColumn { name: name.to_owned(), format: format.to_owned(), cells: Vec::new() };
    let mut columns: Vec<OwnedColumn> = layout
        .by
        .iter()
        .map(|index| layout.shape(*index))
        .chain([("column", "u"), ("rows", "l"), ("count", "l"), ("nulls", "l")])
        .chain(["mean", "minimum", "maximum"].map(|name| (name, format)))
        .chain(quantiles.iter().map(|name| (name.as_str(), format)))
        .map(|(name, format)| column(name, format))
        .collect();
    for (group, rows) in layout.rows.iter().enumerate().filter(|(_, rows)| **rows > 0) {
        for measure in measures {
            let summary = &measure.summaries[group];
            let some = summary.count > 0;
            let keys = (0..layout.by.len()).map(|position| layout.keys.value(group as u32, position).map(<[u8]>::to_vec));
            let counts = [*rows, summary.count, rows - summary.count].map(|count| Some((count as i64).to_le_bytes().to_vec()));
            let numbers = [summary.mean(), some.then_some(summary.minimum), some.then_some(summary.maximum)]
                .into_iter()
                .chain(summary.quantiles(&plan.quantiles, measure.kind == Kind::Whole))
                .map(|number| number.map(|number| cell(number, measure)));
            let cells = keys.chain([Some(layout.shape(measure.index).0.as_bytes().to_vec())]).chain(counts).chain(numbers);
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.cells.push(cell));
        }
    }
    Table { name, rows: columns.last().map_or(0, |column| column.cells.len()), columns }
}

/// A float, or a date or timestamp rounded to the unit of its column.
fn cell(number: f64, measure: &Measure) -> Vec<u8> {
    match &measure.kind {
        Kind::Time(format) => {
            let time = i128::from(measure.origin.unwrap_or(0)) + number.round() as i128;
            if format == "tdD" {
                (time.clamp(i32::MIN.into(), i32::MAX.into()) as i32).to_le_bytes().to_vec()
            } else {
                (time.clamp(i64::MIN.into(), i64::MAX.into()) as i64).to_le_bytes().to_vec()
            }
        }
        _ => number.to_le_bytes().to_vec(),
    }
}
